"""A conditional variational autoencoder."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.policies.heads.generator import GeneratorHead, two_layers
from models.policies.heads.head import HeadOptions, masked_sum
from models.policies.requirements import require

__all__ = ["CvaeHead", "CvaeOptions"]

# Variances of the posterior between e^-10 and e^4: beyond, exp() loses all precision, and no posterior wants to be.
LOG_VARIANCE_RANGE = (-10.0, 4.0)


@dataclass(frozen=True)
class CvaeOptions(HeadOptions):
    """A latent variable says which way the expert chose (the head of ACT); acts with its mean, z = 0, or a draw."""

    kind: str = field(default="cvae", init=False)
    # Numbers in the latent variable.
    latent: int = 4
    # Weight of the KL divergence against half the squared error; the same as the variance of the decoder. Too large
    # and the latent variable says nothing any more (see `diagnose`); too small and draws from the prior are no actions.
    kl_weight: float = 0.02
    # Width of the two hidden layers of encoder and decoder.
    hidden: int = 64

    def __post_init__(self) -> None:
        require(self.latent >= 1, "latent", self.latent, "a positive width")
        require(0.0 < self.kl_weight < math.inf, "kl_weight", self.kl_weight, "a positive weight")
        require(self.hidden >= 1, "hidden", self.hidden, "a positive width")

    def build(self, width: int, chunk: int, dims: int) -> CvaeHead:
        """Encoder and decoder; the encoder stays behind at export."""
        return CvaeHead(width, chunk, dims, self)


class CvaeHead(GeneratorHead):
    """Maximises the evidence lower bound ``E_q(z|a,o) [log p(a | z, o)] - KL(q(z | a, o) ‖ N(0, I))``.

    Sohn, Lee & Yan 2015, "Learning Structured Output Representation using Deep Conditional Generative Models"; as a
    policy: Zhao et al. 2023 (ACT, arXiv:2304.13705). With a Gaussian decoder of variance β minus the bound is
    ``‖a - â(z, o)‖² / 2β + KL`` and a constant; the loss is β times that. ``z = μ + σ ε`` lets gradients through
    (Kingma & Welling 2014). The encoder sees zeros for chunk steps beyond an episode's end, and which they are.

    Args:
        width: of the features.
        chunk: actions per observation.
        dims: action dimensions.
        options: sizes and β.
    """

    def __init__(self, width: int, chunk: int, dims: int, options: CvaeOptions) -> None:
        super().__init__(chunk, dims, noise_width=options.latent)
        self.kl_weight = options.kl_weight
        self.encoder = two_layers(width + chunk * (dims + 1), options.hidden, 2 * options.latent)
        self.decoder = two_layers(width + options.latent, options.hidden, chunk * dims)
        # The mean of the prior, as in ACT.
        self.rest.zero_()

    def sample(self, features: Tensor, noise: Tensor) -> Tensor:
        """Decode ``z = noise``, a draw from the prior."""
        actions: Tensor = self.decoder(torch.cat([features, noise], dim=1))
        return actions.reshape(-1, self.chunk, self.dims)

    def posterior(self, features: Tensor, actions: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of ``q(z | a, o)``, ``(N, latent)`` each."""
        known = (actions * valid.unsqueeze(2)).flatten(1)
        mean, log_variance = self.encoder(torch.cat([features, known, valid], dim=1)).chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE_RANGE)

    def loss(self, features: Tensor, actions: Tensor, valid: Tensor) -> Tensor:
        """``½ ‖a - â(z, o)‖² + β KL`` with one draw of z, ``(N,)``."""
        mean, log_variance = self.posterior(features, actions, valid)
        latent = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        error = masked_sum((actions - self.sample(features, latent)).square(), valid)
        return 0.5 * error + self.kl_weight * divergence(mean, log_variance).sum(dim=1)

    @torch.no_grad()
    def diagnose(self, features: Tensor, actions: Tensor, valid: Tensor) -> dict[str, float]:
        """``kl_nats``: what z says about the action; near 0 the posterior has collapsed, and z is ignored."""
        mean, log_variance = self.posterior(features, actions, valid)
        return {"kl_nats": float(divergence(mean, log_variance).sum(dim=1).mean())}


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """``KL(N(μ, σ²) ‖ N(0, 1)) = ½ (μ² + σ² - 1 - log σ²)``, elementwise."""
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance)
