"""What carries the past: a stack of frames, or that and a state that goes on from tick to tick."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

__all__ = ["ConcatenationMemory", "Memory"]


class Memory(nn.Module, ABC):
    """How a policy remembers. It works in two places.

    *Before the encoders* the contract's stacked frames become the channels of one input (:meth:`channels`,
    :meth:`fold`), the same way for every memory; frames arrive oldest first and never cross an episode's start.
    *Behind them* the fused features of a tick meet the state of the tick before (:meth:`step`). Zeros are the state
    that remembers nothing.

    Args:
        frames: of the contract's stack.

    Attributes:
        width: of what the heads read.
        state_shape: of one observation's state, S; ``(0,)`` for a memory without one.
        state_limit: magnitude that no element of a healthy state exceeds; whoever runs the policy resets one that does.
    """

    width: int
    state_shape: tuple[int, ...]
    state_limit: float

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames

    def channels(self, per_frame: int) -> int:
        """How many channels an encoder sees, given those of one frame."""
        return self.frames * per_frame

    def fold(self, frames: Tensor) -> Tensor:
        """``(N, frames, C, ...)`` to what an encoder takes, ``(N, channels(C), ...)``."""
        return frames.flatten(1, 2)

    @abstractmethod
    def step(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One tick: features ``(N, D)`` and the state ``(N, *S)`` to ``(N, width)`` and the next state ``(N, *S)``."""

    def restart(self, state: Tensor, starts: Tensor) -> Tensor:
        """The state with zeros in the rows where ``starts (N,)`` says that memory starts anew."""
        begins = starts.reshape(-1, *[1] * (state.dim() - 1))
        # Not a product: zero times NaN is NaN, and a reset is what gets rid of it.
        return torch.where(begins, torch.zeros_like(state), state)

    def unroll(self, features: Tensor, state: Tensor, starts: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Ticks that follow one another, as :meth:`step` would take them.

        Gradients reach back through all T ticks and into ``state``: for truncated backpropagation through time
        (Williams & Peng 1990) hand in the ``detach``-ed state of the piece before.

        Args:
            features: ``(N, T, D)``.
            state: ``(N, *S)`` before the first tick.
            starts: ``(N, T)`` bool, ticks at which memory starts anew; ``None`` for none.

        Returns:
            ``(N, T, width)``, and the state ``(N, *S)`` after the last tick.
        """
        remembered = []
        for tick in range(features.shape[1]):
            if starts is not None:
                state = self.restart(state, starts[:, tick])
            one, state = self.step(features[:, tick], state)
            remembered.append(one)
        return torch.stack(remembered, dim=1), state


class ConcatenationMemory(Memory):
    """The last ``frames`` observations as one input, and nothing kept between ticks.

    Args:
        frames: of the contract's stack.
        features: width of the fused features.
    """

    state_shape = (0,)
    state_limit = 1.0

    def __init__(self, frames: int, features: int) -> None:
        super().__init__(frames)
        self.width = features

    def step(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Both as they are."""
        return features, state
