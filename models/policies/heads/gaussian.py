"""A normal distribution over actions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from models.policies.heads.head import Head, HeadOptions, masked_sum

__all__ = ["GaussianHead", "GaussianOptions"]

# Standard deviations between about 0.7 % and 270 % of the dataset's. Without the lower bound a dimension that can be
# fitted exactly drives its likelihood to infinity and the other dimensions' gradients to nothing.
LOG_STD_RANGE = (-5.0, 1.0)


@dataclass(frozen=True)
class GaussianOptions(HeadOptions):
    """A normal distribution with a learned spread that does not depend on the observation; acts with the mean."""

    kind: str = field(default="gaussian", init=False)

    def build(self, width: int, chunk: int, dims: int) -> GaussianHead:
        """A linear layer and a learned spread."""
        return GaussianHead(width, chunk, dims)


class GaussianHead(Head):
    """Mean from the features, one learned log standard deviation per chunk step and dimension; acts with the mean.

    The loss is ``-log N(a; μ(o), σ²) = ½ ((a - μ) / σ)² + log σ + ½ log 2π``.

    Args:
        width: of the features.
        chunk: actions per observation.
        dims: action dimensions.
    """

    def __init__(self, width: int, chunk: int, dims: int) -> None:
        super().__init__(chunk, dims, noise_width=chunk * dims)
        self.mean = nn.Linear(width, chunk * dims)
        self.log_std = nn.Parameter(torch.zeros(chunk, dims))

    def forward(self, features: Tensor) -> Tensor:
        """The mean, ``(N, width)`` to ``(N, chunk, A)``."""
        mean: Tensor = self.mean(features)
        return mean.reshape(-1, self.chunk, self.dims)

    def sample(self, features: Tensor, noise: Tensor) -> Tensor:
        """``μ + σ ε``."""
        spread = self.log_std.clamp(*LOG_STD_RANGE).exp()
        return self.forward(features) + spread * noise.reshape(-1, self.chunk, self.dims)

    def loss(self, features: Tensor, actions: Tensor, valid: Tensor) -> Tensor:
        """Negative log-likelihood, ``(N,)``."""
        log_std = self.log_std.clamp(*LOG_STD_RANGE)
        standardised = (actions - self.forward(features)) * torch.exp(-log_std)
        return masked_sum(0.5 * standardised.square() + log_std + 0.5 * math.log(2.0 * math.pi), valid)
