"""The part of a camera's frames that an encoder sees, and how coarsely."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from models.errors import TrainingError
from models.policies.normalization import Normalizer

__all__ = ["FrameWindow"]


class FrameWindow:
    """Crop at the top, average squares of pixels; it has no weights.

    Args:
        shape: ``(height, width, channels)`` of one raw frame.
        crop_top: share of the rows cut off at the top, in [0, 1).
        pool: side of the square averaged into one pixel. Rows that do not divide are cut at the top as well, since the
            bottom rows show what is nearest.

    Attributes:
        size: rows and columns that are left.

    Raises:
        TrainingError: nothing is left.
    """

    def __init__(self, shape: tuple[int, ...], crop_top: float, pool: int) -> None:
        rows, columns, _ = shape
        self.pool = pool
        self.first_row = round(rows * crop_top)
        self.first_row += (rows - self.first_row) % pool
        self.size = ((rows - self.first_row) // pool, columns // pool)
        if min(self.size) < 1:
            raise TrainingError(
                "nothing is left of the image after cropping and pooling",
                found=f"{shape=}, {crop_top=}, {pool=}",
                fix="crop or pool less",
            )

    def prepare(self, raw: Tensor, normalizer: Normalizer) -> Tensor:
        """``(N, frames, H, W, C)`` uint8 to normalised ``(N, frames, C, h, w)`` float32."""
        count, frames = raw.shape[0], raw.shape[1]
        cropped = raw[:, :, self.first_row :].permute(0, 1, 4, 2, 3).flatten(0, 1)
        planes = cropped.to(torch.float32)
        if self.pool > 1:
            planes = functional.avg_pool2d(planes, self.pool)
        planes = normalizer.planes(planes)
        return planes.reshape(count, frames, planes.shape[1], planes.shape[2], planes.shape[3])
