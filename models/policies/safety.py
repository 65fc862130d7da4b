"""The safety classifier of SafeDAgger (Zhang & Cho 2017), on the policy's own features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["SafetyHead"]

#: A probability of 2e-9: below any threshold that a contract can sensibly name.
MUTED_LOG_ODDS = -20.0


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

    @torch.no_grad()
    def shift(self, log_odds: float) -> None:
        """Add a constant to every :meth:`logit`: moves what a fixed threshold flags, never the order of frames."""
        self._output.bias.add_(log_odds)

    @torch.no_grad()
    def mute(self) -> None:
        """Make every frame safe, for a policy without a trained classifier."""
        self._output.weight.zero_()
        self._output.bias.fill_(MUTED_LOG_ODDS)

    @property
    def _output(self) -> nn.Linear:
        layer = self.layers[-1]
        assert isinstance(layer, nn.Linear)
        return layer

    def forward(self, features: Tensor) -> Tensor:
        """Probability of unsafe, ``(N, width)`` to ``(N,)``; what is not a number counts as unsafe, 1."""
        probability = torch.sigmoid(self.logit(features))
        return torch.where(torch.isnan(probability), torch.ones_like(probability), probability)
