"""A small convolutional encoder of camera frames."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from models.policies.encoder import CameraEncoder
from models.policies.frame_window import FrameWindow
from models.policies.normalization import Normalizer

__all__ = ["ImageEncoder"]


class ImageEncoder(CameraEncoder):
    """Crop, average-pool, normalise, then stride-2 convolutions and one linear layer.

    The plan of PilotNet (Bojarski et al. 2016, "End to End Learning for Self-Driving Cars"): strided convolutions
    without pooling between them, flattened so that *where* something stands in the image is kept.

    Args:
        window: what is seen of a frame.
        normalizer: of pixel values 0..255, one mean and scale a channel.
        width: of the features.
        channels_in: channels after folding, ``Memory.channels`` of a frame's.
        channels_out: output channels of each convolution.
    """

    def __init__(
        self, window: FrameWindow, normalizer: Normalizer, width: int, channels_in: int, channels_out: Sequence[int]
    ) -> None:
        super().__init__(window, normalizer, width)
        size = window.size
        layers: list[nn.Module] = []
        for index, count in enumerate(channels_out):
            # The first kernel is wider: it must see an edge that moved a few pixels between stacked frames.
            kernel = 5 if index == 0 else 3
            layers += [nn.Conv2d(channels_in, count, kernel, stride=2, padding=kernel // 2), nn.ReLU()]
            channels_in = count
            size = ((size[0] + 1) // 2, (size[1] + 1) // 2)
        self.convolutions = nn.Sequential(*layers)
        self.project = nn.Linear(channels_in * size[0] * size[1], width)

    def forward(self, folded: Tensor) -> Tensor:
        """``(M, channels_in, h, w)`` to ``(M, width)``."""
        projected: Tensor = self.project(self.convolutions(folded).flatten(1))
        return functional.relu(projected)
