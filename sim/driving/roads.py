"""Many places on several tracks at once: what :class:`Track` answers for one point, in arrays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from sim.driving.track import Track

__all__ = ["Roads", "wrap_angles"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Points on either side of a hint among which the nearest is looked for: a car covers two of them in a tick.
_REACH = 8
# Between the places of one track and the next in one sorted row, longer than any track.
_APART_M = 1e4


def wrap_angles(angles_rad: Floats) -> Floats:
    """The same directions in [-pi, pi)."""
    wrapped: Floats = (angles_rad + np.pi) % (2.0 * np.pi) - np.pi
    return wrapped


class Roads:
    """Tracks side by side; a place is the number of a track and an arc length on it.

    Args:
        tracks: R of them.

    Attributes:
        tracks: as given.
        lengths_m: ``(R,)`` of whole loops.
    """

    def __init__(self, tracks: Sequence[Track]) -> None:
        self.tracks = tuple(tracks)
        self.lengths_m = np.array([track.length_m for track in tracks])
        self._counts = np.array([len(track.points) for track in tracks])
        self._firsts = np.concatenate([[0], np.cumsum(self._counts)[:-1]])
        self._points = np.concatenate([track.points for track in tracks])
        self._steps = np.concatenate([np.roll(track.points, -1, axis=0) - track.points for track in tracks])
        self._lengths = np.hypot(self._steps[:, 0], self._steps[:, 1])
        self._arcs = np.concatenate([track.arc_lengths_m for track in tracks])
        self._sorted = self._arcs + _APART_M * np.repeat(np.arange(len(tracks)), self._counts)
        self._headings = np.concatenate([track.headings_rad for track in tracks])
        self._curvatures = np.concatenate([track.curvatures_per_m for track in tracks])

    @classmethod
    @cache
    def of_seeds(cls, seeds: tuple[int, ...]) -> Roads:
        """Drawn tracks; each set of them once, since drawing one takes a while."""
        return cls([Track.from_seed(seed) for seed in seeds])

    def poses(self, roads: Integers, arcs_m: Floats) -> tuple[Floats, Floats, Floats]:
        """x, y (m) and heading (rad) of the centre line at ``(N,)`` places, ``(N,)`` each."""
        index, fraction = self._locate(roads, arcs_m)
        x, y = (self._points[index] + fraction[:, None] * self._steps[index]).T
        return x, y, self._heading(roads, index, fraction)

    def curvatures(self, roads: Integers, arcs_m: Floats) -> Floats:
        """Of the centre line at ``(N,)`` places, 1/m, positive in a left bend, ``(N,)``."""
        index, fraction = self._locate(roads, arcs_m)
        here, following = self._curvatures[index], self._curvatures[self._beside(roads, index, 1)]
        curvatures: Floats = here + fraction * (following - here)
        return curvatures

    def project(self, roads: Integers, x_m: Floats, y_m: Floats, hints_m: Floats) -> tuple[Floats, Floats, Floats]:
        """The centre line's nearest points to positions not far from hints; as :meth:`Track.project`.

        Args:
            roads: ``(N,)``.
            x_m: ``(N,)``.
            y_m: ``(N,)``.
            hints_m: ``(N,)``, within a metre of the arc lengths that are found.

        Returns:
            Arc lengths (m), distances from the centre line (m, positive on its left) and its headings (rad), ``(N,)``.
        """
        middle, _ = self._locate(roads, hints_m)
        window = self._beside(roads[:, None], middle[:, None], np.arange(-_REACH, _REACH + 1))
        apart = np.hypot(self._points[window, 0] - x_m[:, None], self._points[window, 1] - y_m[:, None])
        # As far as every further point is nearer, first ahead and, where none is, back.
        ahead = np.logical_and.accumulate(np.diff(apart[:, _REACH:]) < 0.0, axis=1).sum(axis=1)
        back = np.logical_and.accumulate(np.diff(apart[:, _REACH::-1]) < 0.0, axis=1).sum(axis=1)
        nearest = self._beside(roads, middle, np.where(ahead > 0, ahead, -back))
        before = self._beside(roads, nearest, -1)
        first, second = (self._onto_segment(index, x_m, y_m) for index in (before, nearest))
        is_before = np.abs(first[1]) <= np.abs(second[1])
        index = np.where(is_before, before, nearest)
        fraction, cross_track = (np.where(is_before, one, other) for one, other in zip(first, second, strict=True))
        arcs = (self._arcs[index] + fraction * self._lengths[index]) % self.lengths_m[roads]
        return arcs, cross_track, self._heading(roads, index, fraction)

    def _locate(self, roads: Integers, arcs_m: Floats) -> tuple[Integers, Floats]:
        """The last points before arc lengths (modulo), and how far on to the next ones they are, 0 to 1."""
        arcs = arcs_m % self.lengths_m[roads]
        index = np.searchsorted(self._sorted, arcs + _APART_M * roads, side="right") - 1
        return index, (arcs - self._arcs[index]) / self._lengths[index]

    def _beside(self, roads: Integers, index: Integers, steps: Integers | int) -> Integers:
        """Points so many after others of the same closed track."""
        first = self._firsts[roads]
        beside: Integers = first + (index - first + steps) % self._counts[roads]
        return beside

    def _onto_segment(self, index: Integers, x_m: Floats, y_m: Floats) -> tuple[Floats, Floats]:
        """Fractions of segments before the nearest points, and signed distances to those."""
        start, step = self._points[index], self._steps[index]
        dx, dy = x_m - start[:, 0], y_m - start[:, 1]
        fraction = np.clip((dx * step[:, 0] + dy * step[:, 1]) / (step * step).sum(axis=1), 0.0, 1.0)
        distance = np.hypot(dx - fraction * step[:, 0], dy - fraction * step[:, 1])
        return fraction, np.copysign(distance, step[:, 0] * dy - step[:, 1] * dx)

    def _heading(self, roads: Integers, index: Integers, fraction: Floats) -> Floats:
        here = self._headings[index]
        return wrap_angles(here + fraction * wrap_angles(self._headings[self._beside(roads, index, 1)] - here))
