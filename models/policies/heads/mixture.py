"""A mixture of normal distributions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.policies.heads.choice import draw, likeliest, where_known
from models.policies.heads.head import Head, HeadOptions
from models.policies.requirements import require

__all__ = ["MixtureHead", "MixtureOptions"]

# Smallest standard deviation of a mode, in those of the dataset. Without it a mode that sits on one sample drives the
# likelihood to infinity.
SCALE_FLOOR = 1e-4


@dataclass(frozen=True)
class MixtureOptions(HeadOptions):
    """A few normal distributions with weights (a mixture density network); acts with the likeliest one's mean."""

    kind: str = field(default="mixture", init=False)
    # Ways of doing the same thing that can be told apart.
    modes: int = 5

    def __post_init__(self) -> None:
        require(self.modes >= 2, "modes", self.modes, 'at least 2; one is the "gaussian" head')

    def build(self, width: int, chunk: int, dims: int) -> MixtureHead:
        """Three linear layers: weights, means and scales."""
        return MixtureHead(width, chunk, dims, self.modes)


class MixtureHead(Head):
    """``p(a | o) = Σ_k w_k(o) N(a; μ_k(o), σ_k(o)²)`` over whole chunks, each mode with a diagonal covariance.

    Bishop 1994, "Mixture Density Networks". Minus the log-likelihood by log-sum-exp; scales are a softplus above a
    floor. It acts with the mean of the likeliest mode, without noise: the mean of the mixture may lie where no expert
    ever was. Steps beyond an episode's end are left out of each mode's product, which is the exact marginal.

    Args:
        width: of the features.
        chunk: actions per observation.
        dims: action dimensions; D is ``chunk * dims``.
        modes: K.
    """

    jumps = True

    def __init__(self, width: int, chunk: int, dims: int, modes: int) -> None:
        count = chunk * dims
        super().__init__(chunk, dims, noise_width=1 + count)
        self.modes = modes
        self.weight = nn.Linear(width, modes)
        self.mean = nn.Linear(width, modes * count)
        self.scale = nn.Linear(width, modes * count)
        # Modes that begin in one place stay in one place: spread them as normalised actions are spread.
        nn.init.normal_(self.mean.bias)

    def components(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the weights ``(N, K)``, means and standard deviations ``(N, K, D)``."""
        shape = (-1, self.modes, self.chunk * self.dims)
        scale = functional.softplus(self.scale(features)).reshape(shape) + SCALE_FLOOR
        return self.weight(features), self.mean(features).reshape(shape), scale

    def forward(self, features: Tensor) -> Tensor:
        """The mean of the likeliest mode, ``(N, chunk, A)``."""
        logits, mean, _ = self.components(features)
        chosen = where_known(logits, _pick(mean, likeliest(logits)))
        return chosen.reshape(-1, self.chunk, self.dims)

    def sample(self, features: Tensor, noise: Tensor) -> Tensor:
        """A mode drawn with the first number of the noise, and a point of it with the others."""
        logits, mean, scale = self.components(features)
        mode = draw(logits, noise[:, 0])
        point = _pick(mean, mode) + _pick(scale, mode) * noise[:, 1:]
        return where_known(logits, point).reshape(-1, self.chunk, self.dims)

    def loss(self, features: Tensor, actions: Tensor, valid: Tensor) -> Tensor:
        """``-log Σ_k exp(log w_k + Σ_d log N(a_d; μ_kd, σ_kd²))``, ``(N,)``."""
        logits, mean, scale = self.components(features)
        error = (actions.flatten(1).unsqueeze(1) - mean) / scale
        density = -0.5 * error.square() - scale.log() - 0.5 * math.log(2.0 * math.pi)
        counts = valid.unsqueeze(2).expand_as(actions).flatten(1).unsqueeze(1) > 0
        mode = torch.where(counts, density, torch.zeros_like(density)).sum(dim=2)
        return -torch.logsumexp(torch.log_softmax(logits, dim=1) + mode, dim=1)

    @torch.no_grad()
    def diagnose(self, features: Tensor, actions: Tensor, valid: Tensor) -> dict[str, float]:
        """How many modes are in use: ``exp`` of the entropy of the average weights, 1 to K."""
        average = torch.softmax(self.weight(features), dim=1).mean(dim=0)
        entropy = -(average * average.clamp_min(1e-12).log()).sum()
        return {"modes_in_use": float(entropy.exp())}


def _pick(rows: Tensor, index: Tensor) -> Tensor:
    """Row ``index (N,)`` of each ``(N, K, D)``, to ``(N, D)``."""
    return rows.gather(1, index.reshape(-1, 1, 1).expand(-1, 1, rows.shape[2])).squeeze(1)
