"""What lies where on a track, point by point: the same ground, road and lines that ``road_mesh`` draws as triangles."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sim.camera import Image
from sim.driving.road_mesh import DASH_M, LINE_WIDTH_M, MARGIN_M, Appearance
from sim.driving.track import Track

__all__ = ["RoadMap"]

Array = npt.NDArray[np.float64]
# Side of a cell that knows the nearest point of the centre line: an offset is wrong by less than 3 cm.
_CELL_M = 0.5
# Cells whose nearest point is searched at once: bounds the memory.
_CELLS_AT_ONCE = 4096
_GROUND, _ROAD, _EDGE, _CENTRE, _SKY = range(5)
#: How bright TinyRenderer draws flat ground in pictures as small as the kart's (measured; a test holds it), in larger
#: ones it is 1. The sky is not lit.
_LIT = 0.917


class RoadMap:
    """The ground of one track, in the default colours.

    Args:
        track: whose.
    """

    def __init__(self, track: Track) -> None:
        appearance = Appearance()
        ground = np.array([appearance.ground, appearance.road, appearance.edge, appearance.centre])
        sky = np.round(255.0 * np.array([appearance.sky]))
        self._palette = np.concatenate([np.floor(255.0 * _LIT * ground), sky]).astype(np.uint8)
        self._half = track.width_m / 2.0
        self._points, self._arcs = np.asarray(track.points), np.asarray(track.arc_lengths_m)
        self._ahead = np.stack([np.cos(track.headings_rad), np.sin(track.headings_rad)], axis=1)
        pieces = math.ceil(track.length_m / DASH_M)
        self._dash_m = track.length_m / (pieces + pieces % 2)
        middle = self._points.mean(axis=0)
        reach = float(np.max(np.linalg.norm(self._points - middle, axis=1))) + MARGIN_M
        self._corner, self._count = middle - reach, math.ceil(2.0 * reach / _CELL_M)
        self._nearest = self._nearest_points()

    def _nearest_points(self) -> npt.NDArray[np.int64]:
        """``(n, n)`` index of the centre line's nearest point to every cell's middle."""
        places = self._corner[:, None] + (np.arange(self._count) + 0.5) * _CELL_M
        east, north = np.meshgrid(places[0], places[1], indexing="ij")
        cells = np.stack([east.ravel(), north.ravel()], axis=1)
        square = (self._points**2).sum(axis=1)
        found = [
            np.argmin(square - 2.0 * cells[start : start + _CELLS_AT_ONCE] @ self._points.T, axis=1)
            for start in range(0, len(cells), _CELLS_AT_ONCE)
        ]
        return np.concatenate(found).reshape(self._count, self._count)

    def picture(
        self, shape: tuple[int, int], sees_ground: npt.NDArray[np.bool_], east_m: Array, north_m: Array
    ) -> Image:
        """``(height, width, 3)`` uint8: the colours at places of the world, and sky where there is no ground.

        Args:
            shape: height and width.
            sees_ground: ``(height, width)`` which pixels look at a place, ``n`` of them.
            east_m: ``(n,)`` x of these places.
            north_m: ``(n,)`` their y.
        """
        kinds = np.full(shape, _SKY)
        kinds[sees_ground] = self._kinds(east_m, north_m)
        image: Image = self._palette[kinds]
        return image

    def _kinds(self, east_m: Array, north_m: Array) -> npt.NDArray[np.int64]:
        column = ((east_m - self._corner[0]) / _CELL_M).astype(np.int64)
        row = ((north_m - self._corner[1]) / _CELL_M).astype(np.int64)
        outside = (column < 0) | (row < 0) | (column >= self._count) | (row >= self._count)
        last = self._count - 1
        nearest = self._nearest[column.clip(0, last), row.clip(0, last)]
        dx, dy = east_m - self._points[nearest, 0], north_m - self._points[nearest, 1]
        cos, sin = self._ahead[nearest, 0], self._ahead[nearest, 1]
        beside = np.abs(cos * dy - sin * dx)
        dash = ((self._arcs[nearest] + cos * dx + sin * dy) / self._dash_m).astype(np.int64) % 2 == 0
        kinds = np.where(beside <= self._half, _ROAD, _GROUND)
        kinds[(beside <= self._half) & (beside >= self._half - LINE_WIDTH_M)] = _EDGE
        kinds[(beside <= LINE_WIDTH_M / 2.0) & dash] = _CENTRE
        kinds[outside] = _SKY
        return kinds
