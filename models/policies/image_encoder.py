"""A small convolutional encoder of camera frames."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.errors import TrainingError
from models.policies.encoder import Encoder
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
        pool: side of the square averaged into one pixel. Rows that do not divide are cut at the top as well, since the
            bottom rows show what is nearest.
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
        rows, columns, _ = shape
        self.width = width
        self.pool = pool
        self.first_row = round(rows * crop_top)
        self.first_row += (rows - self.first_row) % pool
        size = ((rows - self.first_row) // pool, columns // pool)
        if min(size) < 1:
            raise TrainingError(
                "nothing is left of the image after cropping and pooling",
                found=f"{shape=}, {crop_top=}, {pool=}",
                fix="crop or pool less",
            )
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
        count, frames = raw.shape[0], raw.shape[1]
        cropped = raw[:, :, self.first_row :].permute(0, 1, 4, 2, 3).flatten(0, 1)
        planes = cropped.to(torch.float32)
        if self.pool > 1:
            planes = functional.avg_pool2d(planes, self.pool)
        planes = self.normalizer.planes(planes)
        return planes.reshape(count, frames, planes.shape[1], planes.shape[2], planes.shape[3])

    def forward(self, folded: Tensor) -> Tensor:
        """``(M, channels_in, h, w)`` to ``(M, width)``."""
        projected: Tensor = self.project(self.convolutions(folded).flatten(1))
        return functional.relu(projected)
