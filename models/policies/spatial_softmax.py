"""Where in an image a channel responds."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["expected_positions"]


def expected_positions(planes: Tensor) -> Tensor:
    """Mean row and column of each channel under its softmax, in [-1, 1]: ``(M, C, h, w)`` to ``(M, 2 C)``.

    Rows of all channels first, then columns. Source: Levine, Finn, Darrell, Abbeel 2016, "End-to-End Training of Deep
    Visuomotor Policies" (arXiv:1504.00702), section 5.1.
    """
    rows, columns = planes.shape[2], planes.shape[3]
    weights = torch.softmax(planes.flatten(2), dim=2).reshape(-1, planes.shape[1], rows, columns)
    down = torch.linspace(-1.0, 1.0, rows, device=planes.device) if rows > 1 else planes.new_zeros(1)
    right = torch.linspace(-1.0, 1.0, columns, device=planes.device) if columns > 1 else planes.new_zeros(1)
    return torch.cat([weights.sum(dim=3) @ down, weights.sum(dim=2) @ right], dim=1)
