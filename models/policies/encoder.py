"""From one stream's frames to features."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from models.policies.frame_window import FrameWindow
from models.policies.normalization import Normalizer

__all__ = ["CameraEncoder", "Encoder"]


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


class CameraEncoder(Encoder):
    """An encoder of a camera's frames: crop, average-pool and normalise them; what is learned comes behind that.

    Args:
        window: what is seen of a frame.
        normalizer: of pixel values 0..255, one mean and scale a channel.
        width: of the features.
    """

    def __init__(self, window: FrameWindow, normalizer: Normalizer, width: int) -> None:
        super().__init__()
        self.window, self.normalizer, self.width = window, normalizer, width

    def prepare(self, raw: Tensor) -> Tensor:
        """``(N, frames, H, W, C)`` uint8 to ``(N, frames, C, h, w)`` float32 of about unit scale."""
        return self.window.prepare(raw, self.normalizer)
