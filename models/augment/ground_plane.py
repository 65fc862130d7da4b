"""What a camera sees of flat ground, and what it would see from a vehicle that stood elsewhere.

Two pictures of one plane are related by a homography (Hartley & Zisserman 2004, "Multiple View Geometry in Computer
Vision", section 13.1). Here the plane is the ground, and both cameras are known: height, pitch and field of view say
where on the ground a pixel lies, and a motion of the vehicle says where that point lies for the other camera. ALVINN
(Pomerleau 1991, "Efficient Training of Artificial Neural Networks for Autonomous Navigation") shifted and rotated its
road images in this way.

Frames: *vehicle*, x forward and y left on the ground, z up, origin below the middle of the rear axle; *pixels*, column
to the right and row downwards, ``(0, 0)`` in the middle of the upper left pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.errors import TrainingError

__all__ = ["GroundCamera", "Motion", "far_homography", "ground_homography", "ground_points", "pixels_of"]

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GroundCamera:
    """A pinhole camera with square pixels, fixed to a vehicle on flat ground.

    Attributes:
        position_m: x, y, z in the vehicle's frame; z is the height above the ground.
        pitch_rad: positive looks down.
        vertical_field_of_view_rad: across the image's height.
        width: pixels.
        height: pixels.
        yaw_rad: positive looks to the left.
        principal_point_px: column and row where the optical axis meets the image; ``None`` for the image's middle.
    """

    position_m: tuple[float, float, float]
    pitch_rad: float
    vertical_field_of_view_rad: float
    width: int
    height: int
    yaw_rad: float = 0.0
    principal_point_px: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Reject a camera that sees no ground.

        Raises:
            TrainingError: a camera under the ground, without pixels, or that looks past the ground altogether.
        """
        if not all(map(math.isfinite, (*self.position_m, self.pitch_rad, self.yaw_rad))) or self.position_m[2] <= 0.0:
            raise TrainingError("a ground camera needs a finite pose above the ground", found=self)
        if self.width < 1 or self.height < 1 or not 0.0 < self.vertical_field_of_view_rad < math.pi:
            raise TrainingError("a ground camera needs pixels and a field of view below 180 degrees", found=self)
        if self.pitch_rad + self.vertical_field_of_view_rad / 2.0 <= 0.0:
            raise TrainingError("a ground camera must see some ground", found=f"pitch_rad={self.pitch_rad}")

    @property
    def focal_px(self) -> float:
        """Focal length in pixels."""
        return self.height / 2.0 / math.tan(self.vertical_field_of_view_rad / 2.0)

    @property
    def intrinsics(self) -> Float64Array:
        """``(3, 3)`` K: from the camera's frame (right, down, forward) to pixels."""
        column, row = self.principal_point_px or ((self.width - 1) / 2.0, (self.height - 1) / 2.0)
        return np.array([[self.focal_px, 0.0, column], [0.0, self.focal_px, row], [0.0, 0.0, 1.0]])

    @property
    def axes(self) -> Float64Array:
        """``(3, 3)`` rows right, down, forward of the camera, in the vehicle's frame."""
        cos_yaw, sin_yaw = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        cos_pitch, sin_pitch = math.cos(self.pitch_rad), math.sin(self.pitch_rad)
        right = np.array([sin_yaw, -cos_yaw, 0.0])
        forward = np.array([cos_yaw * cos_pitch, sin_yaw * cos_pitch, -sin_pitch])
        return np.stack([right, np.cross(forward, right), forward])

    @property
    def ground_to_pixels(self) -> Float64Array:
        """``(3, 3)`` P: homogeneous ``(x, y, 1)`` on the ground to homogeneous pixels; the third is the depth in m."""
        axes = self.axes
        from_ground = np.column_stack([axes[:, 0], axes[:, 1], -axes @ np.array(self.position_m)])
        found: Float64Array = self.intrinsics @ from_ground
        return found


@dataclass(frozen=True, slots=True)
class Motion:
    """Where a vehicle stands beside where it was recorded, in the recorded vehicle's frame.

    Attributes:
        left_m: shift of its origin to the left.
        turn_rad: rotation about its own origin, positive to the left.
        forward_m: shift of its origin ahead.
    """

    left_m: float
    turn_rad: float = 0.0
    forward_m: float = 0.0

    @property
    def to_recorded(self) -> Float64Array:
        """``(3, 3)`` T: homogeneous ground points of the moved vehicle's frame in that of the recorded one."""
        cos, sin = math.cos(self.turn_rad), math.sin(self.turn_rad)
        return np.array([[cos, -sin, self.forward_m], [sin, cos, self.left_m], [0.0, 0.0, 1.0]])


def ground_homography(recorded: GroundCamera, seen: GroundCamera, motion: Motion) -> Float64Array:
    """``(3, 3)`` from pixels of ``seen``, on the moved vehicle, to those of ``recorded`` that show the same ground.

    With P of either camera and T of the motion it is ``P_recorded T P_seen^-1``. The third homogeneous coordinate is
    not positive where the point lies behind the recorded camera, if the pixel itself lies below the horizon.
    """
    found: Float64Array = recorded.ground_to_pixels @ motion.to_recorded @ np.linalg.inv(seen.ground_to_pixels)
    return found


def far_homography(recorded: GroundCamera, seen: GroundCamera, motion: Motion) -> Float64Array:
    """The same for what is infinitely far away, above the horizon: shifts do not matter, ``K A R A^T K^-1``.

    On the horizon both homographies agree, so a picture that takes the ground's below it and this above has no seam.
    """
    turn = motion.to_recorded
    turn[:2, 2] = 0.0
    axes, intrinsics = seen.axes, seen.intrinsics
    found: Float64Array = recorded.intrinsics @ recorded.axes @ turn @ axes.T @ np.linalg.inv(intrinsics)
    return found


def ground_points(camera: GroundCamera) -> tuple[Float64Array, npt.NDArray[np.bool_]]:
    """Where on the ground each pixel lies.

    Returns:
        ``(height, width, 2)`` metres in the vehicle's frame, NaN above the horizon; ``(height, width)`` whether the
        pixel lies below the horizon.
    """
    rows, columns = np.mgrid[: camera.height, : camera.width].astype(np.float64)
    pixels = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    rays = pixels @ (camera.axes.T @ np.linalg.inv(camera.intrinsics)).T
    below = rays[..., 2] < 0.0
    reach = np.where(below, camera.position_m[2] / np.where(below, -rays[..., 2], 1.0), np.nan)
    return rays[..., :2] * reach[..., None] + np.array(camera.position_m[:2]), below


def pixels_of(camera: GroundCamera, points: Float64Array) -> tuple[Float64Array, npt.NDArray[np.bool_]]:
    """Where ground points ``(..., 2)`` of the vehicle's frame appear.

    Returns:
        ``(..., 2)`` column and row, and ``(...)`` whether that is inside the picture and in front of the camera.
    """
    matrix = camera.ground_to_pixels
    found = points @ matrix[:, :2].T + matrix[:, 2]
    ahead = found[..., 2] > 0.0
    pixels = found[..., :2] / np.where(ahead, found[..., 2], 1.0)[..., None]
    inside = (np.abs(pixels - np.array([camera.width - 1, camera.height - 1]) / 2.0)) <= (
        np.array([camera.width, camera.height]) / 2.0
    )
    return pixels, ahead & inside.all(axis=-1)
