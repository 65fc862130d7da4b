"""A small convolutional encoder of camera frames."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from models.policies.encoder import Encoder
from models.policies.frame_window import FrameWindow
from models.policies.normalization import Normalizer

__all__ = ["ImageEncoder"]


class ImageEncoder(Encoder):
    """Crop, average-pool, normalise, then stride-2 convolutions and one linear layer.

    The plan of PilotNet (Bojarski et al. 2016, "End to End Learning for Self-Driving Cars"): strided convolutions
    without pooling between them, flattened so that *where* something stands in the image is kept.

    Args:
        shape: ``(height, width, channels)`` of one raw frame.
        normalizer: of pixel values 0..255, one mean and scale a channel.
        channels_in: channels after folding, ``Memory.channels(shape[2])``.
        channels_out: output channels of each convolution.
        width: of the features.
        crop_top: share of the rows cut off at the top, in [0, 1).
        pool: side of the square averaged into one pixel.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        normalizer: Normalizer,
        channels_in: int,
        channels_out: Sequence[int],
        width: int,
        crop_top: float,
        pool: int,
    ) -> None:
        super().__init__()
        self.width = width
        self.window = FrameWindow(shape, crop_top, pool)
        size = self.window.size
        self.normalizer = normalizer
        layers: list[nn.Module] = []
        for index, count in enumerate(channels_out):
            # The first kernel is wider: it must see an edge that moved a few pixels between stacked frames.
            kernel = 5 if index == 0 else 3
            layers += [nn.Conv2d(channels_in, count, kernel, stride=2, padding=kernel // 2), nn.ReLU()]
            channels_in = count
            size = ((size[0] + 1) // 2, (size[1] + 1) // 2)
        self.convolutions = nn.Sequential(*layers)
        self.project = nn.Linear(channels_in * size[0] * size[1], width)

    def prepare(self, raw: Tensor) -> Tensor:
        """``(N, frames, H, W, C)`` uint8 to ``(N, frames, C, h, w)`` float32 of about unit scale."""
        return self.window.prepare(raw, self.normalizer)

    def forward(self, folded: Tensor) -> Tensor:
        """``(M, channels_in, h, w)`` to ``(M, width)``."""
        projected: Tensor = self.project(self.convolutions(folded).flatten(1))
        return functional.relu(projected)
