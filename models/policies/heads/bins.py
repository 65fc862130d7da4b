"""Equal bins over the range of each action dimension."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["MIN_BINS", "UniformBins"]

# One bin has no choice in it.
MIN_BINS = 2
# Before anything was fitted: three standard deviations of a normalised action to either side.
DEFAULT_RANGE = 3.0
# A dimension that never moved gets bins of this width in all, in standard deviations, rather than of none.
SMALLEST_SPAN = 1e-3


class UniformBins(nn.Module):
    """``count`` bins of equal width per dimension; their range is a buffer, so it is saved and exported.

    Args:
        dims: action dimensions, A.
        count: bins per dimension, B.
    """

    low: Tensor
    span: Tensor

    def __init__(self, dims: int, count: int) -> None:
        super().__init__()
        self.count = count
        self.register_buffer("low", torch.full((dims,), -DEFAULT_RANGE))
        self.register_buffer("span", torch.full((dims,), 2.0 * DEFAULT_RANGE))

    @torch.no_grad()
    def fit(self, actions: Tensor, valid: Tensor) -> None:
        """Lay the bins over the range of the valid actions: ``(T, chunk, A)`` and ``(T, chunk)``."""
        known = actions[valid > 0]
        low, high = known.amin(dim=0), known.amax(dim=0)
        self.low.copy_(low)
        self.span.copy_((high - low).clamp_min(SMALLEST_SPAN))

    def index(self, actions: Tensor) -> Tensor:
        """Bin of each action, ``(..., A)`` to int64 in [0, B); what lies outside belongs to the outermost bin."""
        share = (actions - self.low) / self.span
        return (share * self.count).floor().clamp(0, self.count - 1).to(torch.int64)

    def centre(self, index: Tensor) -> Tensor:
        """Middle of each bin, ``(..., A)`` int64 to ``(..., A)``."""
        return self.low + self.span * ((index.to(self.span.dtype) + 0.5) / self.count)
