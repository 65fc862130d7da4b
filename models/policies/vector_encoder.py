"""A small encoder of state vectors."""

from __future__ import annotations

from torch import Tensor, nn

from models.policies.encoder import Encoder
from models.policies.normalization import Normalizer

__all__ = ["VectorEncoder"]

# Normalised values beyond this many standard deviations are cut: a wheel slip or a wrong unit should not drown the
# camera. Ten leaves every value alone that belongs to the same robot doing the same task.
OUTLIER_DEVIATIONS = 10.0


class VectorEncoder(Encoder):
    """Normalise, cut outliers, then linear layers with a rectifier behind each.

    Args:
        normalizer: of the vector, in SI units.
        channels_in: dimensions after folding, ``Memory.channels(dims)``.
        width: of the features, and of every layer.
        depth: layers.
    """

    def __init__(self, normalizer: Normalizer, channels_in: int, width: int, depth: int = 2) -> None:
        super().__init__()
        self.width = width
        self.normalizer = normalizer
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += [nn.Linear(channels_in, width), nn.ReLU()]
            channels_in = width
        self.layers = nn.Sequential(*layers)

    def prepare(self, raw: Tensor) -> Tensor:
        """``(N, frames, D)`` in SI units to ``(N, frames, D)`` normalised."""
        normalised: Tensor = self.normalizer(raw)
        return normalised.clamp(-OUTLIER_DEVIATIONS, OUTLIER_DEVIATIONS)

    def forward(self, folded: Tensor) -> Tensor:
        """``(M, channels_in)`` to ``(M, width)``."""
        features: Tensor = self.layers(folded)
        return features
