"""The picture that a camera would have taken from elsewhere, made from the one that it took.

Ground is warped by its homography, the sky by that of infinite distance. Some ground was never in the recorded picture:
after a shift to the left, what lies close by on the left. As in ALVINN (Pomerleau 1991), such a point gets the colour
of the next point ahead that *was* seen, along the road: edge lines and grass then continue as they are, where black
corners or smeared borders would tell a network how far the picture was shifted. ALVINN took the point straight ahead;
here "along the road" is an arc of the curvature that the driver drove, and a curvature of 0 is the same as theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from models.augment.ground_plane import (
    Float64Array,
    GroundCamera,
    Motion,
    far_homography,
    ground_homography,
    ground_points,
    pixels_of,
)
from models.augment.sized_cache import SizedCache

__all__ = ["TIGHTEST_PER_M", "Fill", "View"]

Fill = Literal["road", "border", "black"]
UINT8Array = npt.NDArray[np.uint8]

# How far ahead along the road an unseen point may borrow its colour, and in how many steps that is searched: from a
# few centimetres near the wheels, where a step shows, to metres far away, where a pixel is as long.
_FURTHEST_M = 8.0
_LADDER_M = np.geomspace(0.05, _FURTHEST_M, 24)
# A road that bends tighter than this is no road: the arc must not come back to where it began within the ladder.
TIGHTEST_PER_M = 0.25
# Of maps that are kept, six bytes a pixel: all that a training uses at 96 x 64 pixels, and some hundred at 640 x 480.
_CACHED_BYTES = 512 * 1024**2


@dataclass(frozen=True, slots=True)
class View:
    """A camera on a moved vehicle, seen through the pictures of a camera on the recorded one.

    Attributes:
        recorded: the camera that took the pictures.
        seen: the camera whose pictures are wanted, on the moved vehicle.
        motion: from the recorded vehicle to the moved one.
        curvature_per_m: of the road, positive in a left bend; only decides where unseen ground gets its colour.
        fill: what unseen ground gets: the colour ahead of it along the ``road``, that of the picture's ``border``, or
            ``black``. The last two are there to be compared with.
    """

    recorded: GroundCamera
    seen: GroundCamera
    motion: Motion
    curvature_per_m: float = 0.0
    fill: Fill = "road"

    @property
    def changes_nothing(self) -> bool:
        """Whether every picture stays as it is, to the byte."""
        return self.motion == Motion(0.0) and self.recorded == self.seen

    def warp(self, pictures: UINT8Array) -> UINT8Array:
        """Return ``(..., height, width, channels)`` as seen from the moved vehicle, one map for all of them."""
        if self.changes_nothing:
            return pictures
        tables = _tables(self)
        shape = (*pictures.shape[:-3], self.seen.height, self.seen.width, pictures.shape[-1])
        border = cv2.BORDER_CONSTANT if self.fill == "black" else cv2.BORDER_REPLICATE
        flat = pictures.reshape(-1, *pictures.shape[-3:])
        warped = [cv2.remap(picture, *tables, cv2.INTER_LINEAR, borderMode=border) for picture in flat]
        return np.stack(warped).reshape(shape)

    def sources(self) -> tuple[Float64Array, npt.NDArray[np.bool_]]:
        """Where each pixel's colour comes from.

        Returns:
            ``(height, width, 2)`` column and row in the recorded picture, and ``(height, width)`` whether the pixel's
            ground was seen there; sky counts as seen.
        """
        ground, is_ground = ground_points(self.seen)
        sources = _project(far_homography(self.recorded, self.seen, self.motion), self.seen)
        near = _project(ground_homography(self.recorded, self.seen, self.motion), self.seen)
        sources[is_ground] = near[is_ground]
        moved = self.motion.to_recorded
        ground = ground @ moved[:2, :2].T + moved[:2, 2]
        _, was_seen = pixels_of(self.recorded, ground)
        was_seen |= ~is_ground
        if self.fill == "road":
            sources[~was_seen] = _borrowed(self.recorded, ground[~was_seen], self.curvature_per_m, sources[~was_seen])
        return sources, was_seen


def _project(homography: Float64Array, camera: GroundCamera) -> Float64Array:
    """``(height, width, 2)`` where the pixels of ``camera`` go; those that go behind the picture become far outside."""
    rows, columns = np.mgrid[: camera.height, : camera.width].astype(np.float64)
    found = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ homography.T
    scale = np.where(found[..., 2:] > 1e-9, found[..., 2:], 1e-9)
    # Far outside, but within what OpenCV's 16-bit maps can hold.
    return np.clip(found[..., :2] / scale, -1e4, 1e4)


def _borrowed(
    camera: GroundCamera, points: Float64Array, curvature_per_m: float, otherwise: Float64Array
) -> Float64Array:
    """``(n, 2)`` pixels of the first seen point ahead of each of ``points (n, 2)``, or ``otherwise``."""
    pixels, seen = pixels_of(camera, _ahead(points, curvature_per_m))
    first: npt.NDArray[np.int64] = np.argmax(seen, axis=0)
    picked = np.take_along_axis(pixels, first[None, :, None], axis=0)[0]
    found: Float64Array = np.where(np.any(seen, axis=0, keepdims=True).T, picked, otherwise)
    return found


def _ahead(points: Float64Array, curvature_per_m: float) -> Float64Array:
    """``(steps, n, 2)``: points ``(n, 2)`` moved along concentric arcs, by each of the ladder's distances.

    The arc through the vehicle has its centre at ``(0, 1 / k)``; turning by ``k d`` about it moves a point to
    ``R(k d) p + (sin(k d), 1 - cos(k d)) / k``, which for ``k = 0`` is ``p + (d, 0)``.
    """
    curvature = min(max(curvature_per_m, -TIGHTEST_PER_M), TIGHTEST_PER_M)
    turn = curvature * _LADDER_M
    cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
    half = np.sinc(turn / (2.0 * np.pi))[:, None]  # sin(turn / 2) / (turn / 2), also where turn is 0
    forward = _LADDER_M[:, None] * half * np.cos(turn / 2.0)[:, None]
    left = _LADDER_M[:, None] * half * np.sin(turn / 2.0)[:, None]
    x, y = points[:, 0], points[:, 1]
    return np.stack([cos * x - sin * y + forward, sin * x + cos * y + left], axis=-1)


def _make_tables(view: View) -> tuple[Any, Any]:
    """OpenCV's fixed-point maps of a view: they take 1 ms to make and 0.05 ms to use."""
    sources, _ = view.sources()
    columns, rows = sources[..., 0].astype(np.float32), sources[..., 1].astype(np.float32)
    first, second = cv2.convertMaps(columns, rows, cv2.CV_16SC2)
    return first, second


_tables = SizedCache(_make_tables, lambda tables: int(tables[0].nbytes + tables[1].nbytes), _CACHED_BYTES)
