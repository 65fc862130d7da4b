"""The places beside the recorded one from which pictures are made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from models.errors import TrainingError

__all__ = ["Poses"]

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Poses:
    """Shifts and turns, spread evenly over a rectangle.

    A finite number of them, because the map that warps a picture is made once for each and then used again and again.
    They follow Halton's sequence (bases 2 and 3), which leaves no gaps where random draws do.

    Attributes:
        furthest_left_m: shifts lie between this to the right and this to the left.
        furthest_turn_rad: turns likewise.
        count: how many.
    """

    furthest_left_m: float = 0.8
    furthest_turn_rad: float = 0.2
    count: int = 256

    def __post_init__(self) -> None:
        """Reject poses that no road picture can be made for.

        Raises:
            TrainingError: a range that is negative, or beyond a quarter turn; no poses at all.
        """
        if not (math.isfinite(self.furthest_left_m) and self.furthest_left_m >= 0.0):
            raise TrainingError("Poses.furthest_left_m must not be negative", found=self.furthest_left_m)
        if not 0.0 <= self.furthest_turn_rad < math.pi / 2.0:
            raise TrainingError("Poses.furthest_turn_rad must be in [0, pi / 2)", found=self.furthest_turn_rad)
        if self.count < 1:
            raise TrainingError("Poses.count must be at least 1", found=self.count)

    def all(self) -> Float64Array:
        """``(count, 2)``: shift to the left (m) and turn to the left (rad)."""
        return _spread(self)


@lru_cache(maxsize=16)
def _spread(poses: Poses) -> Float64Array:
    places = np.array([[_halton(index, 2), _halton(index, 3)] for index in range(1, poses.count + 1)])
    found: Float64Array = (2.0 * places - 1.0) * np.array([poses.furthest_left_m, poses.furthest_turn_rad])
    found.setflags(write=False)
    return found


def _halton(index: int, base: int) -> float:
    """The index's digits to this base, mirrored at the point: in (0, 1)."""
    share, found = 1.0, 0.0
    while index:
        share /= base
        found += share * (index % base)
        index //= base
    return found
