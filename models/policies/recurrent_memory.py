"""States that a policy carries from tick to tick, for a past that no stack of frames reaches.

Cells rather than torch's fused layers: they export to plain matrix operations that every execution provider runs, and
the same code serves a robot's tick and a learner's sequence. Forward and backward through 16 sequences of 32 ticks a
cell of gated units took 20 ms on one core and the fused layer 11, beside encoders that take over 100.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.policies.memory import Memory

__all__ = ["GruMemory", "LstmMemory", "RnnMemory"]

# Of a state whose elements are averages of values within 1: 1, and the rest is rounding.
UNIT_LIMIT = 1.001
# An LSTM's cell adds up to 1 a tick and has no bound of its own. It is clipped here, as in Sak et al. 2014
# (arXiv:1402.1128, section 4): tanh of it is 1 in float32 from 10 on, so nothing that the heads read changes.
CELL_CLIP = 50.0


class RnnMemory(Memory):
    """Plain recurrent units (Elman 1990): ``h' = tanh(W o + U h + b)``. Forgets within some ten ticks.

    Args:
        frames: of the contract's stack.
        features: width of what it sees of a tick.
        width: of the state.
    """

    state_limit = UNIT_LIMIT

    def __init__(self, frames: int, features: int, width: int) -> None:
        super().__init__(frames)
        self.width = width
        self.state_shape = (width,)
        self.cell = nn.RNNCell(features, width)

    def step(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """``(N, D)`` and ``(N, width)`` to ``(N, width)`` twice."""
        following: Tensor = self.cell(features, state)
        return following, following


class GruMemory(Memory):
    """One layer of gated recurrent units (Cho et al. 2014, arXiv:1406.1078); the state is what the heads read.

    Args:
        frames: of the contract's stack.
        features: width of what it sees of a tick.
        width: of the state.
    """

    # Each new state is a weighted mean of the old one and a tanh.
    state_limit = UNIT_LIMIT

    def __init__(self, frames: int, features: int, width: int) -> None:
        super().__init__(frames)
        self.width = width
        self.state_shape = (width,)
        self.cell = nn.GRUCell(features, width)

    def step(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """``(N, D)`` and ``(N, width)`` to ``(N, width)`` twice."""
        following: Tensor = self.cell(features, state)
        return following, following


class LstmMemory(Memory):
    """One layer of long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).

    The state holds what the heads read, and behind it the cell.

    Args:
        frames: of the contract's stack.
        features: width of what it sees of a tick.
        width: of what the heads read; the state is twice as wide.
    """

    state_limit = CELL_CLIP

    def __init__(self, frames: int, features: int, width: int) -> None:
        super().__init__(frames)
        self.width = width
        self.state_shape = (2 * width,)
        self.cell = nn.LSTMCell(features, width)
        with torch.no_grad():
            # Forget little at the beginning (Jozefowicz et al. 2015): the gates lie in the order input, forget, …
            self.cell.bias_ih[width : 2 * width].fill_(1.0)

    def step(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """``(N, D)`` and ``(N, 2 * width)`` to ``(N, width)`` and ``(N, 2 * width)``."""
        hidden, cell = self.cell(features, (state[:, : self.width], state[:, self.width :]))
        return hidden, torch.cat([hidden, cell.clamp(-CELL_CLIP, CELL_CLIP)], dim=1)
