"""A table over the cells of a state vector: one row of numbers a cell, looked up."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.errors import TrainingError
from models.policies.encoder import Encoder
from models.policies.normalization import Normalizer

__all__ = ["TableEncoder"]

# A table is for a few dimensions: ten of them with ten cells each would be ten thousand million rows.
MOST_ROWS = 2**20


class TableEncoder(Encoder):
    """Cut each dimension into equal cells, and look up the row of the cell that the state is in.

    The normaliser's mean is the middle of the box that is cut, and its scale a cell's width: a normalised value says
    how many cells it lies beside the middle. What lies outside the box belongs to the outermost cell. Cells are
    numbered as :class:`models.cells.Cells` does.

    Args:
        normalizer: of the vector, in SI units.
        channels_in: dimensions after folding, ``Memory.channels(dims)``.
        width: numbers in a row.
        counts: cells of each of those dimensions.

    Raises:
        TrainingError: not one count a dimension, or too many rows.
    """

    halves: Tensor
    last: Tensor
    strides: Tensor

    def __init__(self, normalizer: Normalizer, channels_in: int, width: int, counts: tuple[int, ...]) -> None:
        super().__init__()
        if len(counts) != channels_in or math.prod(counts) > MOST_ROWS:
            raise TrainingError(
                "a table does not fit the state vector",
                found=f"state_cells {counts} for {channels_in} dimensions (those of every stacked frame count)",
                expected=f"one number a dimension, and at most {MOST_ROWS} cells in all",
            )
        self.width = width
        self.normalizer = normalizer
        sizes = torch.tensor(counts)
        self.register_buffer("halves", sizes.to(torch.float32) / 2.0)
        self.register_buffer("last", sizes.to(torch.float32) - 1.0)
        self.register_buffer("strides", torch.tensor([math.prod(counts[axis + 1 :]) for axis in range(len(counts))]))
        self.rows = nn.Embedding(math.prod(counts), width)

    def prepare(self, raw: Tensor) -> Tensor:
        """``(N, frames, D)`` in SI units to ``(N, frames, D)`` in cells beside the middle."""
        normalised: Tensor = self.normalizer(raw)
        return normalised

    def cell(self, folded: Tensor) -> Tensor:
        """``(M, channels_in)`` to the number of the cell, ``(M,)`` int64; what is not a number counts as 0."""
        along = torch.floor(torch.nan_to_num(folded) + self.halves)
        along = torch.minimum(torch.maximum(along, torch.zeros_like(along)), self.last)
        return (along.to(torch.int64) * self.strides).sum(dim=1)

    def forward(self, folded: Tensor) -> Tensor:
        """``(M, channels_in)`` to ``(M, width)``; a state that is not a number gives features that are none."""
        features: Tensor = self.rows(self.cell(folded))
        broken = torch.isnan(folded).any(dim=1, keepdim=True)
        return torch.where(broken, torch.full_like(features, math.nan), features)
