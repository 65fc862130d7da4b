"""Light that changes: brightness and contrast, the same for every frame of a stack."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["vary_light"]


def vary_light(frames: Tensor, strength: float) -> Tensor:
    """Scale and shift whole samples of normalised images.

    Args:
        frames: ``(N, frames, C, h, w)`` of about zero mean and unit scale.
        strength: standard deviation of both the factor (around 1) and the shift (around 0); 0 changes nothing.

    Returns:
        A tensor of the same shape; the global torch generator decides.
    """
    if strength == 0.0:
        return frames
    shape = (frames.shape[0], 1, 1, 1, 1)
    contrast = 1.0 + strength * torch.randn(shape, device=frames.device)
    brightness = strength * torch.randn(shape, device=frames.device)
    return torch.addcmul(brightness, frames, contrast)
