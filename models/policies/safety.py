"""The safety classifier of SafeDAgger (Zhang & Cho 2017), on the policy's own features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["SafetyHead"]


class SafetyHead(nn.Module):
    """Says how likely it is that the expert would *not* agree with the policy here: 0 safe, 1 unsafe.

    It reads the policy's features without sending gradients back, so that training it never changes what the policy
    does.

    Args:
        width: of the policy's features.
        hidden: width of its one hidden layer.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def logit(self, features: Tensor) -> Tensor:
        """Log-odds of unsafe, ``(N, width)`` to ``(N,)``."""
        logits: Tensor = self.layers(features.detach())
        return logits.squeeze(1)

    def forward(self, features: Tensor) -> Tensor:
        """Probability of unsafe, ``(N, width)`` to ``(N,)``; what is not a number counts as unsafe, 1."""
        probability = torch.sigmoid(self.logit(features))
        return torch.where(torch.isnan(probability), torch.ones_like(probability), probability)
