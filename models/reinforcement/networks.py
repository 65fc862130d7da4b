"""Networks of two hidden layers: torch for gradients, the same numbers by NumPy for acting."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["TwoLayers"]

Float32s = npt.NDArray[np.float32]


class TwoLayers(nn.Module):
    """``output(relu(second(relu(first(x)))))``: the layers of a ``models.policies.Policy`` on one vector.

    Orthogonal weights to begin with (Saxe et al. 2014), as every public PPO has them.

    Args:
        size_in: of the input.
        width: of both hidden layers.
        size_out: of the output.
        gain: of the output layer; small for a policy that begins undecided.
    """

    def __init__(self, size_in: int, width: int, size_out: int, gain: float = 1.0) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(size_in, width), nn.Linear(width, width)
        self.output = nn.Linear(width, size_out)
        for layer, one in ((self.first, math.sqrt(2.0)), (self.second, math.sqrt(2.0)), (self.output, gain)):
            nn.init.orthogonal_(layer.weight, one)
            nn.init.zeros_(layer.bias)

    def forward(self, rows: Tensor) -> Tensor:
        """``(M, size_in)`` to ``(M, size_out)``."""
        hidden = functional.relu(self.second(functional.relu(self.first(rows))))
        output: Tensor = self.output(hidden)
        return output

    def answer(self, rows: Float32s) -> Float32s:
        """The same without torch, which would take ten times as long for a few rows."""
        first, second, output = (
            (layer.weight.detach().numpy().T, layer.bias.detach().numpy())
            for layer in (self.first, self.second, self.output)
        )
        hidden = np.maximum(rows @ first[0] + first[1], 0.0)
        hidden = np.maximum(hidden @ second[0] + second[1], 0.0)
        answer: Float32s = hidden @ output[0] + output[1]
        return answer
