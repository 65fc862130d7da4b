"""One action, regressed."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from models.policies.heads.head import Head

__all__ = ["PointHead"]

# Where the Huber loss turns from square to linear, in standard deviations of the action. Expert commands in a curve are
# several deviations out; squared, they would outweigh everything else.
HUBER_DELTA = 0.5


class PointHead(Head):
    """A linear layer, trained on L1, squared (the Gaussian likelihood at fixed covariance) or Huber error.

    Args:
        width: of the features.
        chunk: actions per observation.
        dims: action dimensions.
        loss: ``l1``, ``mse`` or ``huber``.
    """

    def __init__(self, width: int, chunk: int, dims: int, loss: str) -> None:
        super().__init__()
        self.chunk, self.dims, self.kind = chunk, dims, loss
        self.output = nn.Linear(width, chunk * dims)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, width)`` to ``(N, chunk, A)``."""
        actions: Tensor = self.output(features)
        return actions.reshape(-1, self.chunk, self.dims)

    def loss(self, features: Tensor, actions: Tensor) -> Tensor:
        """Elementwise error, ``(N, chunk, A)``."""
        predicted = self.forward(features)
        if self.kind == "l1":
            return functional.l1_loss(predicted, actions, reduction="none")
        if self.kind == "mse":
            return functional.mse_loss(predicted, actions, reduction="none")
        return functional.huber_loss(predicted, actions, reduction="none", delta=HUBER_DELTA)
