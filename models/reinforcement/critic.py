"""How much reward is still to come: a network that keeps its scale while rewards change theirs."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from models.reinforcement.networks import TwoLayers
from models.reinforcement.world import Floats

__all__ = ["Critic"]

# The newest rollout's share in the scale, once there were some: rewards that learn drift within tens of rollouts.
NEWEST_SHARE = 0.1
LEAST_SCALE = 1e-3


class Critic(nn.Module):
    """``V(o)``, predicted as a multiple of the usual size of returns (van Hasselt et al. 2016, arXiv:1602.07714).

    When rewards grow or shrink, the output layer is changed with the scale, so that what is predicted stays as it was.
    Unlike there the mean is not taken off. A critic that begins at 0 expects more of what it has not seen than rewards
    of -1 a step ever give, and so draws the policy there; one that begins at the mean does not, and a policy that has
    yet to find the goal of Acrobot or MountainCar stays where it is.

    Args:
        size: of an observation.
        width: of both hidden layers.
    """

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.layers = TwoLayers(size, width, 1)
        self.scale = 1.0
        self._rollouts = 0

    def forward(self, observations: Tensor) -> Tensor:
        """Normalised ``(M, O)`` to ``(M,)`` as multiples of the scale."""
        values: Tensor = self.layers(observations).squeeze(1)
        return values

    def values(self, observations: Floats) -> Floats:
        """Normalised ``(M, O)`` to values ``(M,)`` in units of reward."""
        with torch.inference_mode():
            found = self(torch.from_numpy(np.asarray(observations, np.float32)))
        values: Floats = self.scale * found.numpy().astype(np.float64)
        return values

    def rescale(self, returns: Floats) -> None:
        """Take the root mean square of a rollout's returns into the scale, without changing any prediction."""
        self._rollouts += 1
        share = max(NEWEST_SHARE, 1.0 / self._rollouts)
        before = self.scale
        square = (1.0 - share) * before**2 + share * float(np.square(returns).mean())
        self.scale = max(math.sqrt(square), LEAST_SCALE)
        with torch.no_grad():
            for part in (self.layers.output.weight, self.layers.output.bias):
                part.mul_(before / self.scale)
