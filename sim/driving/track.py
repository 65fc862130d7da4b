"""A closed road drawn from a seed, and where a point lies along it. Plain NumPy, no PyBullet: nodes use it too."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.errors import SimulationError
from sim.driving.track_shape import Array, TrackConfig, ever_calmer_lines

__all__ = ["Projection", "Track", "TrackConfig", "wrap_angle"]

# How far from a hint the nearest point may be, in metres: a car covers 0.4 m in a tick at 8 m/s.
_HINT_REACH_M = 4.0


def wrap_angle(angle_rad: float) -> float:
    """Return the same direction in [-pi, pi)."""
    return (angle_rad + math.pi) % (2.0 * math.pi) - math.pi


@dataclass(frozen=True, slots=True)
class Projection:
    """The centre line's nearest point to a position.

    Attributes:
        arc_length_m: along the centre line from its first point, in [0, track length).
        cross_track_m: distance to the centre line, positive on its left.
        heading_rad: direction of the centre line there, in [-pi, pi).
        curvature_per_m: of the centre line there, positive in a left bend.
    """

    arc_length_m: float
    cross_track_m: float
    heading_rad: float
    curvature_per_m: float


class Track:
    """A closed centre line with a width.

    Attributes:
        points: ``(n, 2)`` metres, driven in this order; the first point is not repeated at the end.
        width_m: from edge to edge.
        arc_lengths_m: ``(n,)`` of every point, from 0.
        headings_rad: ``(n,)`` direction of travel at every point, unwrapped.
        curvatures_per_m: ``(n,)`` positive in a left bend.
        length_m: of the whole loop.
    """

    def __init__(self, points: npt.ArrayLike, width_m: float = 4.0) -> None:
        """Take a centre line as it is, for example from a ``nav_msgs/Path``; a repeated last point is dropped.

        Raises:
            SimulationError: when it is not a closed line of at least 8 finite points, all different.
        """
        line = np.array(points, dtype=np.float64)
        if line.ndim != 2 or line.shape[1] != 2:
            raise SimulationError("a centre line is an array of points (n, 2)", found=f"shape {line.shape}")
        if len(line) > 1 and np.array_equal(line[0], line[-1]):
            line = line[:-1]
        if len(line) < 8 or not np.all(np.isfinite(line)):
            raise SimulationError(
                "a centre line needs at least 8 finite points",
                found=f"{len(line)} points, {int(np.sum(~np.isfinite(line)))} values not finite",
            )
        steps = np.roll(line, -1, axis=0) - line
        lengths = np.hypot(steps[:, 0], steps[:, 1])
        if np.any(lengths == 0.0):
            raise SimulationError("two points in a row of the centre line are the same", found=int(np.argmin(lengths)))
        if not (math.isfinite(width_m) and width_m > 0.0):
            raise SimulationError("a road's width must be positive", found=width_m)
        tangents = np.roll(line, -1, axis=0) - np.roll(line, 1, axis=0)
        spans = lengths + np.roll(lengths, 1)
        turns = np.arctan2(steps[:, 1], steps[:, 0])
        turns = (turns - np.roll(turns, 1) + np.pi) % (2.0 * np.pi) - np.pi
        self.points = line
        self.width_m = float(width_m)
        self.length_m = float(np.sum(lengths))
        self.arc_lengths_m = np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
        self.headings_rad = np.unwrap(np.arctan2(tangents[:, 1], tangents[:, 0]))
        self.curvatures_per_m = turns / (spans / 2.0)
        self._spacing_m = self.length_m / len(line)
        # The same as plain numbers, for one point at a time: Python is several times faster at that than NumPy.
        self._arcs: list[float] = self.arc_lengths_m.tolist()
        self._lengths: list[float] = lengths.tolist()
        self._headings: list[float] = self.headings_rad.tolist()
        self._curvatures: list[float] = self.curvatures_per_m.tolist()
        self._corners: list[list[float]] = np.hstack([line, steps]).tolist()
        for array in (self.points, self.arc_lengths_m, self.headings_rad, self.curvatures_per_m):
            array.setflags(write=False)

    @classmethod
    def from_seed(cls, seed: int, config: TrackConfig | None = None) -> Track:
        """Draw a track. Equal seeds and configurations give equal tracks; half of the seeds run clockwise.

        Args:
            seed: not negative.
            config: what the track must be like; ``None`` for the default.

        Raises:
            SimulationError: when ``seed`` is negative.
        """
        if seed < 0:
            raise SimulationError("a track's seed must not be negative", found=seed)
        config = config or TrackConfig()
        tracks = (cls(line, config.width_m) for line in ever_calmer_lines(seed, config))
        return next(track for track in tracks if track._meets(config))

    @property
    def minimum_radius_m(self) -> float:
        """Radius of the tightest bend of the centre line."""
        return float(1.0 / np.max(np.abs(self.curvatures_per_m)))

    @property
    def left_edge(self) -> Array:
        """``(n, 2)`` points of the left edge."""
        return self.offset(self.width_m / 2.0)

    @property
    def right_edge(self) -> Array:
        """``(n, 2)`` points of the right edge."""
        return self.offset(-self.width_m / 2.0)

    def offset(self, distance_m: float) -> Array:
        """``(n, 2)`` points ``distance_m`` to the left of the centre line."""
        normals = np.stack([-np.sin(self.headings_rad), np.cos(self.headings_rad)], axis=1)
        return self.points + distance_m * normals

    def gap_m(self) -> float:
        """Smallest gap between the edges of two stretches that run past each other; infinite when none do.

        Points nearer along the road than a half circle of its tightest bend are one stretch: between them the road
        bends away too little to come back (Schur's comparison theorem).
        """
        stride = max(1, int(0.5 / self._spacing_m))
        points, arcs = self.points[::stride], self.arc_lengths_m[::stride]
        along = np.abs(arcs[:, None] - arcs[None, :])
        along = np.minimum(along, self.length_m - along)
        apart = np.linalg.norm(points[:, None, :] - points[None, :, :], axis=2)
        others = apart[along > math.pi * self.minimum_radius_m]
        return float(np.min(others)) - self.width_m if others.size else math.inf

    def _meets(self, config: TrackConfig) -> bool:
        # The shapes that are drawn today keep the gap whenever they keep the radius; other ones might not.
        return self.minimum_radius_m >= config.minimum_radius_m and self.gap_m() >= config.clearance_m

    def pose_at(self, arc_length_m: float) -> tuple[float, float, float]:
        """Return x (m), y (m) and heading (rad, in [-pi, pi)) of the centre line at an arc length, taken modulo."""
        index, fraction = self.locate(arc_length_m)
        x, y, step_x, step_y = self._corners[index]
        return x + fraction * step_x, y + fraction * step_y, self._heading(index, fraction)

    def curvature_at(self, arc_length_m: float) -> float:
        """Return the curvature (1/m, positive in a left bend) at an arc length, taken modulo."""
        return self._curvature(*self.locate(arc_length_m))

    def project(self, x_m: float, y_m: float, hint_m: float | None = None) -> Projection:
        """Return the nearest point of the centre line.

        Args:
            x_m: position in the world.
            y_m: position in the world.
            hint_m: arc length near which to look (4 m to both sides). It makes the search faster, and keeps a car that
                left the road on the stretch that it left; ``None`` searches the whole track.

        Raises:
            SimulationError: when the position is not finite.
        """
        if not (math.isfinite(x_m) and math.isfinite(y_m)):
            raise SimulationError("only a finite position has a place on the track", found=(x_m, y_m))
        if hint_m is None:
            dx, dy = self.points[:, 0] - x_m, self.points[:, 1] - y_m
            nearest = int(np.argmin(dx * dx + dy * dy))
        else:
            nearest = self._walk_downhill(self.locate(hint_m)[0], x_m, y_m)
        before = self._onto_segment((nearest - 1) % len(self.points), x_m, y_m)
        after = self._onto_segment(nearest, x_m, y_m)
        index, fraction, cross_track = min(before, after, key=lambda found: abs(found[2]))
        return Projection(
            arc_length_m=(self._arcs[index] + fraction * self._lengths[index]) % self.length_m,
            cross_track_m=cross_track,
            heading_rad=self._heading(index, fraction),
            curvature_per_m=self._curvature(index, fraction),
        )

    def _walk_downhill(self, index: int, x_m: float, y_m: float) -> int:
        """Index of the point, near this one, whose neighbours both are farther from the position.

        A car moves by two points a tick, so looking at the next few costs a tenth of a search through all.
        """
        count, furthest = len(self._corners), math.ceil(_HINT_REACH_M / self._spacing_m)
        best = self._distance(index, x_m, y_m)
        for direction in (1, -1):
            for _ in range(furthest):
                following = (index + direction) % count
                distance = self._distance(following, x_m, y_m)
                if distance >= best:
                    break
                index, best = following, distance
        return index

    def _distance(self, index: int, x_m: float, y_m: float) -> float:
        x, y = self._corners[index][:2]
        return math.hypot(x - x_m, y - y_m)

    def _onto_segment(self, index: int, x_m: float, y_m: float) -> tuple[int, float, float]:
        """The segment's index, the fraction of it before the nearest point, and the signed distance to that."""
        start_x, start_y, step_x, step_y = self._corners[index]
        dx, dy = x_m - start_x, y_m - start_y
        fraction = (dx * step_x + dy * step_y) / (step_x * step_x + step_y * step_y)
        fraction = min(1.0, max(0.0, fraction))
        distance = math.hypot(dx - fraction * step_x, dy - fraction * step_y)
        return index, fraction, math.copysign(distance, step_x * dy - step_y * dx)

    def locate(self, arc_length_m: float) -> tuple[int, float]:
        """Return the last point before an arc length (modulo), and how far on to the next point it is, 0 to 1."""
        arc = arc_length_m % self.length_m
        index = bisect_right(self._arcs, arc) - 1
        return index, (arc - self._arcs[index]) / self._lengths[index]

    def _heading(self, index: int, fraction: float) -> float:
        here = self._headings[index]
        return wrap_angle(here + fraction * wrap_angle(self._headings[(index + 1) % len(self._headings)] - here))

    def _curvature(self, index: int, fraction: float) -> float:
        here = self._curvatures[index]
        return here + fraction * (self._curvatures[(index + 1) % len(self._curvatures)] - here)
