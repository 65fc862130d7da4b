"""Left, straight or right: a classifier that steers by the difference of its probabilities."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.policies.heads.head import Head

__all__ = ["TrailHead"]


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
        levels: ``(3,)`` steering values of right, straight and left in normalised units, rising evenly; a buffer, so
            they travel in the checkpoint and in the exported graph.
        steering: the action dimension that steers.
    """

    levels: Tensor

    def __init__(self, width: int, chunk: int, dims: int, levels: Tensor, steering: int = 1) -> None:
        super().__init__()
        self.chunk, self.dims, self.steering = chunk, dims, steering
        self.register_buffer("levels", levels.detach().to(torch.float32).clone())
        self.classes = nn.Linear(width, chunk * 3)
        self.others = nn.Linear(width, chunk * dims)

    def probabilities(self, features: Tensor) -> Tensor:
        """Of right, straight and left, ``(N, width)`` to ``(N, chunk, 3)``."""
        return torch.softmax(self._logits(features), dim=2)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, width)`` to ``(N, chunk, A)``."""
        steer = (self.probabilities(features) * self.levels).sum(dim=2, keepdim=True)
        others = self._others(features)
        before, after = others[..., : self.steering], others[..., self.steering + 1 :]
        return torch.cat([before, steer, after], dim=2)

    def loss(self, features: Tensor, actions: Tensor) -> Tensor:
        """Cross-entropy in the steering dimension, Huber error in the others, ``(N, chunk, A)``."""
        distance = (actions[..., self.steering, None] - self.levels).abs()
        logits = self._logits(features).permute(0, 2, 1)
        entropy = functional.cross_entropy(logits, distance.argmin(dim=2), reduction="none")
        others = functional.huber_loss(self._others(features), actions, reduction="none")
        parts = [others[..., : self.steering], entropy[..., None], others[..., self.steering + 1 :]]
        return torch.cat(parts, dim=2)

    def _logits(self, features: Tensor) -> Tensor:
        logits: Tensor = self.classes(features)
        return logits.reshape(-1, self.chunk, 3)

    def _others(self, features: Tensor) -> Tensor:
        others: Tensor = self.others(features)
        return others.reshape(-1, self.chunk, self.dims)
