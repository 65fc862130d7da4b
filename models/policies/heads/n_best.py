"""Several guesses, of which only the best is corrected."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.policies.heads.generator import GeneratorHead, two_layers
from models.policies.heads.head import HeadOptions, masked_sum
from models.policies.requirements import require

__all__ = ["NBestHead", "NBestOptions"]


@dataclass(frozen=True)
class NBestOptions(HeadOptions):
    """A decoder of noise, trained on the best of n draws; simple, and its probabilities are not the expert's."""

    kind: str = field(default="n_best", init=False)
    # Draws per training sample.
    draws: int = 16
    # Numbers in the noise.
    latent: int = 4
    # Width of the two hidden layers of the decoder.
    hidden: int = 64

    def __post_init__(self) -> None:
        require(self.draws >= 2, "draws", self.draws, "at least 2; of one draw the best is a regression")
        require(self.latent >= 1, "latent", self.latent, "a positive width")
        require(self.hidden >= 1, "hidden", self.hidden, "a positive width")

    def build(self, width: int, chunk: int, dims: int) -> NBestHead:
        """A decoder."""
        return NBestHead(width, chunk, dims, self)


class NBestHead(GeneratorHead):
    """``a = g(z, o)``, ``z ~ N(0, I)``; the loss is ``min_j ‖a* - g(z_j, o)‖²`` over n draws.

    The minimum-over-N loss of Fan, Su & Guibas 2017 (arXiv:1612.00603, equation 4). Only the best draw of each sample
    gets a gradient, and samples are averaged: the mean over draws would be a regression again. A draw that is never the
    best is never corrected, so with few samples of a way its draws may lie anywhere.

    Args:
        width: of the features.
        chunk: actions per observation.
        dims: action dimensions.
        options: sizes.
    """

    def __init__(self, width: int, chunk: int, dims: int, options: NBestOptions) -> None:
        super().__init__(chunk, dims, noise_width=options.latent)
        self.draws = options.draws
        self.decoder = two_layers(width + options.latent, options.hidden, chunk * dims)

    def sample(self, features: Tensor, noise: Tensor) -> Tensor:
        """``g(noise, o)``."""
        actions: Tensor = self.decoder(torch.cat([features, noise], dim=1))
        return actions.reshape(-1, self.chunk, self.dims)

    def errors(self, features: Tensor, actions: Tensor, valid: Tensor) -> Tensor:
        """Squared errors of ``draws`` draws, ``(N, draws)``."""
        repeated = [rows.repeat_interleave(self.draws, dim=0) for rows in (features, actions, valid)]
        noise = torch.randn(len(repeated[0]), self.noise_width, device=features.device)
        guessed = self.sample(repeated[0], noise)
        return masked_sum((guessed - repeated[1]).square(), repeated[2]).reshape(-1, self.draws)

    def loss(self, features: Tensor, actions: Tensor, valid: Tensor) -> Tensor:
        """The smallest squared error of each sample's draws, ``(N,)``."""
        return self.errors(features, actions, valid).amin(dim=1)
