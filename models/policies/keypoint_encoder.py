"""A small convolutional encoder that says where things are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.policies.encoder import CameraEncoder
from models.policies.frame_window import FrameWindow
from models.policies.normalization import Normalizer
from models.policies.spatial_softmax import expected_positions

__all__ = ["KeypointEncoder"]

# Convolutions that halve the image. A thing of three pixels is still wider than one then, and its position is finer
# than a pixel: it is an average over all of them.
STRIDED = 2


class KeypointEncoder(CameraEncoder):
    """Crop, average-pool, normalise, then convolutions, and where each of their channels sees what it looks for.

    The plan of Levine et al. 2016 (arXiv:1504.00702, figure 2), as robomimic has it too (Mandlekar et al. 2021,
    arXiv:2108.03298): a spatial softmax in place of the flattened image. A thing that lies elsewhere moves its
    keypoint, wherever that is; weights behind a flattened image have to be shown each place. Beside the position of
    each channel stands how strongly it responds on average, for a position does not say whether there is anything.

    Args:
        window: what is seen of a frame.
        normalizer: of pixel values 0..255, one mean and scale a channel.
        width: of the features.
        channels_in: channels after folding, ``Memory.channels`` of a frame's.
        channels_out: output channels of each convolution; the last one's are the keypoints.
    """

    def __init__(
        self, window: FrameWindow, normalizer: Normalizer, width: int, channels_in: int, channels_out: Sequence[int]
    ) -> None:
        super().__init__(window, normalizer, width)
        layers: list[nn.Module] = []
        for index, count in enumerate(channels_out):
            kernel, stride = 5 if index == 0 else 3, 2 if index < STRIDED else 1
            layers += [nn.Conv2d(channels_in, count, kernel, stride, padding=kernel // 2), nn.ReLU()]
            channels_in = count
        # Without the last rectifier, behind which most of an image would weigh the same.
        self.convolutions = nn.Sequential(*layers[:-1])
        self.project = nn.Linear(3 * channels_in, width)

    def forward(self, folded: Tensor) -> Tensor:
        """``(M, channels_in, h, w)`` to ``(M, width)``."""
        planes = self.convolutions(folded)
        strength = functional.relu(planes).mean(dim=(2, 3))
        projected: Tensor = self.project(torch.cat([expected_positions(planes), strength], dim=1))
        return functional.relu(projected)
