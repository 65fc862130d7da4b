"""From one stream's frames to features."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from models.policies.normalization import Normalizer

__all__ = ["Encoder"]


class Encoder(nn.Module, ABC):
    """Turns one stream into features, in two steps.

    ``prepare`` has no weights and looks at each frame alone, so a learner runs it once per frame and keeps the result;
    ``forward`` is what is trained. Both are in the exported graph, which therefore takes raw observations.

    Attributes:
        width: of the features.
        normalizer: of raw values: pixels 0..255, or SI units.
    """

    width: int
    normalizer: Normalizer

    @abstractmethod
    def prepare(self, raw: Tensor) -> Tensor:
        """Raw frames ``(N, frames, ...)`` to normalised float32 ``(N, frames, C, ...)``."""

    @abstractmethod
    def forward(self, folded: Tensor) -> Tensor:
        """What a ``Memory`` folded, ``(M, channels, ...)``, to ``(M, width)``."""
