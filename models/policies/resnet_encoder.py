"""A residual network of camera frames, of the size of ResNet-18."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.policies.encoder import CameraEncoder
from models.policies.frame_window import FrameWindow
from models.policies.normalization import Normalizer
from models.policies.spatial_softmax import expected_positions

__all__ = ["ResNetEncoder"]

# Channels that are normalised together, as in Chi et al. 2023 (Diffusion Policy, arXiv:2303.04137, section 3.2).
GROUP_CHANNELS = 16
BLOCKS_A_STAGE = 2
STAGES = 4


class ResNetEncoder(CameraEncoder):
    """Four stages of two residual blocks (He et al. 2016, arXiv:1512.03385, table 1), and a view of where things are.

    Two changes, both those of robot learning (Chi et al. 2023): **group normalisation** instead of batch normalisation,
    so that one observation on a robot is treated as a batch in training was; and beside the average of each channel the
    **expected position** of its activation (a spatial softmax, Levine et al. 2016), for an average does not say where.

    Args:
        window: what is seen of a frame.
        normalizer: of pixel values 0..255, one mean and scale a channel.
        width: of the features.
        channels_in: channels after folding, ``Memory.channels`` of a frame's.
        base: channels of the first stage, doubled by each further one; 64 is ResNet-18.
    """

    def __init__(self, window: FrameWindow, normalizer: Normalizer, width: int, channels_in: int, base: int) -> None:
        super().__init__(window, normalizer, width)
        self.stem = nn.Sequential(
            nn.Conv2d(channels_in, base, 7, stride=2, padding=3, bias=False),
            _normalise(base),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        blocks: list[nn.Module] = []
        channels = base
        for stage in range(STAGES):
            for block in range(BLOCKS_A_STAGE):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(_ResidualBlock(channels, base * 2**stage, stride))
                channels = base * 2**stage
        self.blocks = nn.Sequential(*blocks)
        self.project = nn.Linear(3 * channels, width)

    def forward(self, folded: Tensor) -> Tensor:
        """``(M, channels_in, h, w)`` to ``(M, width)``."""
        planes = self.blocks(self.stem(folded))
        projected: Tensor = self.project(torch.cat([planes.mean(dim=(2, 3)), expected_positions(planes)], dim=1))
        return functional.relu(projected)


class _ResidualBlock(nn.Module):
    """``relu(x + F(x))`` with two 3×3 convolutions; a 1×1 convolution carries x along where the shape changes."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1, bias=False),
            _normalise(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            _normalise(channels),
        )
        self.shortcut = nn.Sequential()
        if stride != 1 or channels_in != channels:
            convolution = nn.Conv2d(channels_in, channels, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(convolution, _normalise(channels))

    def forward(self, planes: Tensor) -> Tensor:
        """``(M, channels_in, h, w)`` to ``(M, channels, h / stride, w / stride)``, rounded up."""
        return functional.relu(self.shortcut(planes) + self.residual(planes))


def _normalise(channels: int) -> nn.GroupNorm:
    groups = max(1, channels // GROUP_CHANNELS)
    while channels % groups:
        groups -= 1
    return nn.GroupNorm(groups, channels)
