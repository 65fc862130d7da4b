"""Light, lens and sensor that change while the right action stays: the same for every frame of a stack, but for noise.

A stack is one moment. If its frames differed in brightness, the difference would look like motion to a network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from models.augment.augmentation import Augmentation, Examples
from models.errors import TrainingError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Photometric", "vary_light"]

UINT8Array = npt.NDArray[np.uint8]

# Noise is cut out of one tile, at a place of its own for every frame: drawing it anew takes ten times as long as all
# the rest. The tile is this much larger than a frame to either side.
_NOISE_MARGIN = 64
# A shadow keeps between this and this share of the light. Asphalt in the shade of a tree on a clear day is at about a
# quarter of the sun's light; camera exposure hides part of that.
_SHADE = (0.35, 0.75)


@dataclass(frozen=True)
class Photometric(Augmentation):
    """Varies the pictures of some streams; all strengths are standard deviations unless they say otherwise."""

    # The streams of pictures, each varied on its own.
    keys: tuple[str, ...]
    # Added to all channels, as a share of full scale.
    brightness: float = 0.08
    # Factor around mid-grey: a normal distribution around 1.
    contrast: float = 0.12
    # Factor of each channel by itself: the colour of the light, a camera's white balance.
    color: float = 0.05
    # Of each pixel and frame, in grey levels of 255.
    noise: float = 3.0
    # Largest width of a Gaussian blur, in pixels; drawn evenly from 0.
    blur_px: float = 0.6
    # Probability that the edge of a shadow falls across the picture.
    shadow: float = 0.3
    kind: str = field(default="photometric", init=False)

    def __post_init__(self) -> None:
        """Reject strengths that mean nothing with a ``TrainingError``."""
        if not self.keys:
            raise TrainingError("photometric variation needs streams to vary", found="none")
        for name in ("brightness", "contrast", "color", "noise", "blur_px", "shadow"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0) or (name == "shadow" and value > 1.0):
                raise TrainingError(f"Photometric.{name} is out of range", found=value)

    def __call__(self, examples: Examples, random: np.random.Generator) -> Examples:
        """Vary every stack in its own way; actions stay."""
        observations = dict(examples.observations)
        for key in self.keys:
            stacks = examples.stream(key)
            if stacks.ndim != 5 or stacks.dtype != np.uint8:
                raise TrainingError(
                    f"stream {key!r} has no pictures to vary",
                    found=f"{stacks.dtype} {stacks.shape[2:]}",
                    expected="the key of a camera's stream",
                )
            observations[key] = np.stack([self._vary(stack, random) for stack in stacks.astype(np.uint8, copy=False)])
        return Examples(observations, examples.actions, examples.period_s)

    def _vary(self, stack: UINT8Array, random: np.random.Generator) -> UINT8Array:
        """One stack ``(frames, height, width, channels)``."""
        channels = stack.shape[-1]
        factor = (1.0 + self.contrast * random.standard_normal()) * (
            1.0 + self.color * random.standard_normal(channels)
        )
        level = 127.5 + 255.0 * self.brightness * random.standard_normal()
        curves = factor * (np.arange(256.0)[:, None] - 127.5) + level
        varied = _through(stack, curves)
        if random.uniform() < self.shadow:
            shade = _through(stack, curves * random.uniform(*_SHADE))
            varied = np.where(_half_plane(stack.shape[1:3], random)[..., None], shade, varied)
        blur_px = self.blur_px * random.uniform()
        # Narrower than this, a Gaussian's weights beside its middle are below one grey level.
        if blur_px > 0.25:
            varied = np.stack([_channels_kept(cv2.GaussianBlur(frame, (0, 0), blur_px), frame) for frame in varied])
        return self._noisy(varied, random) if self.noise > 0.0 else varied

    def _noisy(self, stack: UINT8Array, random: np.random.Generator) -> UINT8Array:
        frames, height, width, channels = stack.shape
        tile = random.standard_normal((height + _NOISE_MARGIN, width + _NOISE_MARGIN, channels), np.float32)
        grain = np.rint(self.noise * tile).astype(np.int16)
        places = random.integers(_NOISE_MARGIN + 1, size=(frames, 2))
        noise = np.stack([grain[top : top + height, left : left + width] for top, left in places])
        found: UINT8Array = np.clip(stack + noise, 0, 255).astype(np.uint8)
        return found


def _through(stack: UINT8Array, curves: npt.NDArray[np.float64]) -> UINT8Array:
    """Each channel through its own curve ``(256, channels)``."""
    table = np.clip(np.rint(curves), 0.0, 255.0).astype(np.uint8)
    return np.stack([table[:, channel][stack[..., channel]] for channel in range(stack.shape[-1])], axis=-1)


def _half_plane(shape: tuple[int, ...], random: np.random.Generator) -> npt.NDArray[np.bool_]:
    """``(height, width)``: one side of a straight line through a point of the picture, in any direction."""
    height, width = shape
    rows, columns = np.mgrid[:height, :width]
    angle = random.uniform(0.0, 2.0 * math.pi)
    row, column = random.uniform(0.0, height), random.uniform(0.0, width)
    found: npt.NDArray[np.bool_] = (rows - row) * math.sin(angle) + (columns - column) * math.cos(angle) > 0.0
    return found


def _channels_kept(blurred: UINT8Array, frame: UINT8Array) -> UINT8Array:
    """OpenCV drops the axis of a single channel."""
    found: UINT8Array = blurred.reshape(frame.shape)
    return found


def vary_light(frames: Tensor, strength: float) -> Tensor:
    """Scale and shift whole samples of normalised images.

    Args:
        frames: ``(N, frames, C, h, w)`` of about zero mean and unit scale.
        strength: standard deviation of both the factor (around 1) and the shift (around 0); 0 changes nothing.

    Returns:
        A tensor of the same shape; the global torch generator decides.
    """
    import torch

    if strength == 0.0:
        return frames
    shape = (frames.shape[0], 1, 1, 1, 1)
    contrast = 1.0 + strength * torch.randn(shape, device=frames.device)
    brightness = strength * torch.randn(shape, device=frames.device)
    return torch.addcmul(brightness, frames, contrast)
