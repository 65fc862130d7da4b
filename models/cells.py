"""A box of a few dimensions cut into equal cells: how numbers become the states of a table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Cells"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells, numbered row by row: the last dimension counts fastest. What lies outside belongs to the outermost cell.

    Attributes:
        low: lower edge of the box by dimension, in the units of the data.
        high: upper edge.
        counts: cells by dimension.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def count(self) -> int:
        """Of all cells."""
        return int(np.prod(self.counts))

    def width(self, axis: int) -> float:
        """Of a cell along a dimension."""
        return (self.high[axis] - self.low[axis]) / self.counts[axis]

    def middles(self, axis: int) -> Floats:
        """Of the cells along a dimension, ``(count,)``."""
        return np.asarray(self.low[axis] + self.width(axis) * (np.arange(self.counts[axis]) + 0.5), np.float64)

    def along(self, axis: int, values: Floats) -> Integers:
        """Numbers ``(N,)`` along one dimension to cells ``(N,)`` of it."""
        index = np.floor((values - self.low[axis]) / self.width(axis))
        return np.clip(index, 0, self.counts[axis] - 1).astype(np.int64)

    def index(self, values: Floats) -> Integers:
        """``(N, D)`` numbers to ``(N,)`` cells."""
        return self.join(*(self.along(axis, values[:, axis]) for axis in range(len(self.counts))))

    def join(self, *along: Integers) -> Integers:
        """``(N,)`` cells of each dimension to ``(N,)`` cells of the box."""
        return np.asarray(np.ravel_multi_index(along, self.counts), np.int64)

    def split(self, index: Integers) -> tuple[Integers, ...]:
        """The other way."""
        return tuple(np.asarray(part, np.int64) for part in np.unravel_index(index, self.counts))

    def middles_of(self, index: Integers) -> Floats:
        """The middles of cells ``(N,)``, ``(N, D)``."""
        return np.stack([self.middles(axis)[part] for axis, part in enumerate(self.split(index))], axis=1)
