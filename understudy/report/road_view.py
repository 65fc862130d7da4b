"""Where a point of the road appears in the camera's picture: the path ahead of a car that keeps its command."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from understudy.evaluation.traces import Float64Array

__all__ = ["RoadCamera", "path_ahead", "to_pixels"]


class RoadCamera(Protocol):
    """A pinhole camera on the car, as ``sim.driving.cameras.CameraConfig`` describes one."""

    @property
    def position_m(self) -> tuple[float, float, float]:
        """In base_link: x forward, y left, z up."""

    @property
    def pitch_rad(self) -> float:
        """Positive looks down."""

    @property
    def vertical_field_of_view_rad(self) -> float:
        """Across the picture's height."""


def path_ahead(speed_m_s: float, yaw_rate_rad_s: float, horizon_s: float, points: int = 96) -> Float64Array:
    """Arc ``(points, 2)`` in base_link, metres, that the car drives if it keeps both for ``horizon_s``."""
    seconds = np.linspace(0.0, horizon_s, points)
    turned = yaw_rate_rad_s * seconds
    # sinc keeps both forms finite as the yaw rate goes to zero: sin(x)/x, and (1 - cos x)/x = sin(x/2) sinc(x/2).
    along = speed_m_s * seconds * np.sinc(turned / np.pi)
    aside = speed_m_s * seconds * np.sin(turned / 2) * np.sinc(turned / (2 * np.pi))
    return np.stack([along, aside], axis=1)


def to_pixels(ground_m: Float64Array, camera: RoadCamera, width: int, height: int) -> Float64Array:
    """Pixels ``(n, 2)`` of points ``(n, 2)`` on the flat ground of base_link; NaN for those behind the picture."""
    x, y = ground_m[:, 0] - camera.position_m[0], ground_m[:, 1] - camera.position_m[1]
    z = -camera.position_m[2]
    cosine, sine = math.cos(camera.pitch_rad), math.sin(camera.pitch_rad)
    depth, up = x * cosine - z * sine, x * sine + z * cosine
    focal = height / 2 / math.tan(camera.vertical_field_of_view_rad / 2)
    safe = np.where(depth > 0.1, depth, np.nan)
    return np.stack([width / 2 - focal * y / safe, height / 2 - focal * up / safe], axis=1)
