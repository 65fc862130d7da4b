"""One action, regressed."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn
from torch.nn import functional

from models.policies.heads.head import Head, HeadOptions, masked_sum
from models.policies.requirements import require_choice

__all__ = ["PointHead", "PointOptions"]

POINT_LOSSES = ("l1", "mse", "huber")
# Where the Huber loss turns from square to linear, in standard deviations of the action. Expert commands in a curve are
# several deviations out; squared, they would outweigh everything else.
HUBER_DELTA = 0.5


@dataclass(frozen=True)
class PointOptions(HeadOptions):
    """A regression. It has no distribution: between two ways of doing a thing it goes through the middle."""

    kind: str = field(default="point", init=False)
    # On normalised actions: "l1" (the median), "mse" (the mean, the Gaussian likelihood at fixed covariance), "huber".
    loss: str = "huber"

    def __post_init__(self) -> None:
        require_choice("loss", self.loss, POINT_LOSSES)

    @property
    def can_sample(self) -> bool:
        """No."""
        return False

    def build(self, width: int, chunk: int, dims: int) -> PointHead:
        """A linear layer."""
        return PointHead(width, chunk, dims, self.loss)


class PointHead(Head):
    """A linear layer, trained on L1, squared or Huber error.

    Args:
        width: of the features.
        chunk: actions per observation.
        dims: action dimensions.
        loss: ``l1``, ``mse`` or ``huber``.
    """

    def __init__(self, width: int, chunk: int, dims: int, loss: str) -> None:
        super().__init__(chunk, dims)
        self.kind = loss
        self.output = nn.Linear(width, chunk * dims)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, width)`` to ``(N, chunk, A)``."""
        actions: Tensor = self.output(features)
        return actions.reshape(-1, self.chunk, self.dims)

    def loss(self, features: Tensor, actions: Tensor, valid: Tensor) -> Tensor:
        """Sum of the errors, ``(N,)``."""
        return masked_sum(self._errors(self.forward(features), actions), valid)

    def _errors(self, predicted: Tensor, actions: Tensor) -> Tensor:
        if self.kind == "l1":
            return functional.l1_loss(predicted, actions, reduction="none")
        if self.kind == "mse":
            return functional.mse_loss(predicted, actions, reduction="none")
        return functional.huber_loss(predicted, actions, reduction="none", delta=HUBER_DELTA)
