"""Left, straight or right: a classifier that steers by the difference of its probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.policies.heads.head import Head, HeadOptions, masked_sum
from models.policies.requirements import require

__all__ = ["TrailHead", "TrailOptions"]


@dataclass(frozen=True)
class TrailOptions(HeadOptions):
    """Three classes of steering, trained by cross-entropy; every other action dimension is regressed."""

    kind: str = field(default="trail", init=False)
    # The steering command, in the action's unit, of a turn to the left that is certain.
    turn: float = 1.0
    # The action dimension that steers.
    dimension: int = 1

    def __post_init__(self) -> None:
        require(math.isfinite(self.turn) and self.turn > 0.0, "turn", self.turn, "a positive steering command")
        require(self.dimension >= 0, "dimension", self.dimension, "the index of an action dimension")

    @property
    def can_sample(self) -> bool:
        """No: it steers by its probabilities, and draws from none."""
        return False

    def build(self, width: int, chunk: int, dims: int) -> TrailHead:
        """Two linear layers; the classes stand in normalised units until the policy tells the head about its own."""
        require(self.dimension < dims, "dimension", self.dimension, f"below {dims}, the action's dimensions")
        return TrailHead(width, chunk, dims, self.turn, self.dimension)


class TrailHead(Head):
    """Three classes of steering, and a regression of every other action dimension.

    Giusti et al. 2016, "A Machine Learning Approach to the Visual Perception of Forest Trails for Mobile Robots": the
    yaw command is proportional to the difference of two probabilities, here ``P(left) - P(right)`` as positive is left.
    Each class is one steering value, with ``straight`` in the middle, so that the expected value
    ``Σ P(class) value(class)`` is exactly that. Trained by cross-entropy on the class whose value is nearest to the
    label. (The paper slows down with ``P(straight)``; here speeds are recorded, so they are learned.)

    Args:
        width: of the features.
        chunk: actions per observation.
        dims: action dimensions.
        turn: steering command of a turn to the left that is certain.
        steering: the action dimension that steers.

    Attributes:
        levels: ``(3,)`` steering values of right, straight and left in normalised units, rising evenly; a buffer, so
            they travel in the checkpoint and in the exported graph.
    """

    levels: Tensor

    def __init__(self, width: int, chunk: int, dims: int, turn: float, steering: int = 1) -> None:
        super().__init__(chunk, dims)
        self.steering = steering
        self.register_buffer("levels", torch.tensor([-turn, 0.0, turn]))
        self.classes = nn.Linear(width, chunk * 3)
        self.others = nn.Linear(width, chunk * dims)

    @torch.no_grad()
    def know_units(self, normalise: Callable[[Tensor], Tensor]) -> None:
        """Put the steering values, so far in the action's unit, into normalised ones."""
        commands = torch.zeros(3, self.dims)
        commands[:, self.steering] = self.levels
        self.levels.copy_(normalise(commands)[:, self.steering])

    def probabilities(self, features: Tensor) -> Tensor:
        """Of right, straight and left, ``(N, width)`` to ``(N, chunk, 3)``."""
        return torch.softmax(self._logits(features), dim=2)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, width)`` to ``(N, chunk, A)``."""
        steer = (self.probabilities(features) * self.levels).sum(dim=2, keepdim=True)
        return self._join(steer, self._others(features))

    def loss(self, features: Tensor, actions: Tensor, valid: Tensor) -> Tensor:
        """Sum of the cross-entropy in the steering dimension and the Huber error in the others, ``(N,)``."""
        distance = (actions[..., self.steering, None] - self.levels).abs()
        logits = self._logits(features).permute(0, 2, 1)
        entropy = functional.cross_entropy(logits, distance.argmin(dim=2), reduction="none")
        others = functional.huber_loss(self._others(features), actions, reduction="none")
        return masked_sum(self._join(entropy.unsqueeze(2), others), valid)

    def _join(self, steering: Tensor, others: Tensor) -> Tensor:
        """``others (N, chunk, A)`` with ``steering (N, chunk, 1)`` in place of its dimension."""
        before, after = others[..., : self.steering], others[..., self.steering + 1 :]
        return torch.cat([before, steering, after], dim=2)

    def _logits(self, features: Tensor) -> Tensor:
        logits: Tensor = self.classes(features)
        return logits.reshape(-1, self.chunk, 3)

    def _others(self, features: Tensor) -> Tensor:
        others: Tensor = self.others(features)
        return others.reshape(-1, self.chunk, self.dims)
