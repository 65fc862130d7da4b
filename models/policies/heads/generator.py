"""What the heads share that turn noise into actions with a small network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.policies.heads.head import Head

__all__ = ["GeneratorHead", "two_layers"]


class GeneratorHead(Head):
    """A head whose draws are a function of noise and features; without randomness it acts on one fixed noise.

    Args:
        chunk: actions per observation.
        dims: action dimensions.
        noise_width: of the noise.

    Attributes:
        rest: ``(noise_width,)`` the noise it acts on when it has to be deterministic, drawn once and kept with the
            weights. Not zero by default: between two ways of doing a thing that mirror each other zero belongs to
            neither, and leads through the middle.
    """

    rest: Tensor

    def __init__(self, chunk: int, dims: int, noise_width: int) -> None:
        super().__init__(chunk, dims, noise_width)
        self.register_buffer("rest", torch.randn(noise_width))

    def forward(self, features: Tensor) -> Tensor:
        """The chunk that belongs to the fixed noise, ``(N, chunk, A)``."""
        return self.sample(features, self.rest.expand(features.shape[0], -1))


def two_layers(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """A network with two hidden layers: one does not bend enough to send noise to modes that lie apart."""
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs)
    )
