"""Means and deviations of what has been seen so far."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.reinforcement.world import Floats

__all__ = ["SCALE_FLOOR", "RunningStatistics"]

#: A dimension that varies less than this counts as constant: `models.policies.parts.STATE_SCALE_FLOOR`.
SCALE_FLOOR = 1e-3
# As `models.policies.vector_encoder.OUTLIER_DEVIATIONS`, so that an exported policy sees the same numbers.
OUTLIER_DEVIATIONS = 10.0


class RunningStatistics:
    """Mean and deviation of all rows so far, merged batch by batch (Chan, Golub & LeVeque 1979).

    Before the first batch the mean is 0 and the deviation 1.

    Args:
        size: numbers in a row, D.
    """

    def __init__(self, size: int) -> None:
        self.count = 0.0
        self.mean = np.zeros(size)
        self._variance = np.ones(size)

    @property
    def scale(self) -> npt.NDArray[np.float64]:
        """``(D,)``, the deviation, where it is not below :data:`SCALE_FLOOR`."""
        return np.maximum(np.sqrt(self._variance), SCALE_FLOOR)

    def add(self, rows: Floats) -> None:
        """Count in ``(M, D)`` more rows."""
        added = float(len(rows))
        if not added:
            return
        mean, variance = rows.mean(axis=0, dtype=np.float64), rows.var(axis=0, dtype=np.float64)
        total = self.count + added
        apart = mean - self.mean
        squares = self._variance * self.count + variance * added + apart**2 * self.count * added / total
        self.mean = self.mean + apart * added / total
        self._variance, self.count = squares / total, total

    def normalise(self, rows: Floats) -> npt.NDArray[np.float32]:
        """``(..., D)`` less the mean, in deviations, cut at ten of them."""
        normalised = (rows - self.mean.astype(np.float32)) / self.scale.astype(np.float32)
        return np.clip(normalised, -OUTLIER_DEVIATIONS, OUTLIER_DEVIATIONS).astype(np.float32)
