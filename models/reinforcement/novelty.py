"""A bonus for what has hardly been seen: how a goal is found that random actions never reach."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from models.reinforcement.world import Floats

__all__ = ["Novelty"]


class Novelty:
    """``1 / √n`` of the cell that a state lies in, n how often it was visited (Strehl & Littman 2008, MBIE-EB).

    Random actions reach the goal of Acrobot in one episode of a hundred and that of MountainCar in none of a million
    steps; where every step costs the same until then, there is nothing else to learn from.

    Args:
        low: ``(O,)`` of the range that is cut into cells; what lies beyond belongs to the outermost.
        high: ``(O,)``.
        cells: along every dimension.
    """

    def __init__(self, low: Floats, high: Floats, cells: int) -> None:
        self._low, self._width, self._last = low, (high - low) / cells, cells - 1
        self._visits: Counter[bytes] = Counter()

    def bonus(self, observations: Floats) -> npt.NDArray[np.float64]:
        """``(M,)`` of observations ``(M, O)``, which are counted first."""
        along = np.clip((observations - self._low) // self._width, 0, self._last).astype(np.uint8)
        keys = [row.tobytes() for row in along]
        self._visits.update(keys)
        return 1.0 / np.sqrt(np.array([self._visits[key] for key in keys], np.float64))
