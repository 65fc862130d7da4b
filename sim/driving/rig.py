"""The simulated car as augmentation knows it: what its commands mean, and what its cameras see of the road."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from models.augment import CameraStream, Vehicle
from sim.camera import CameraConfig
from sim.driving.cameras import CAMERAS
from sim.driving.car import WHEELBASE_M, CarConfig
from sim.driving.expert import ExpertConfig

__all__ = ["VEHICLE", "camera_streams"]

VEHICLE = Vehicle(
    wheelbase_m=WHEELBASE_M,
    largest_steering_rad=CarConfig().largest_steering_rad,
    lateral_acceleration_m_s2=ExpertConfig().lateral_acceleration_m_s2,
    largest_yaw_rate_rad_s=ExpertConfig().highest_yaw_rate_rad_s,
)


def camera_streams(
    cameras: Sequence[CameraConfig] = CAMERAS, size: tuple[int, int] | None = None
) -> tuple[CameraStream, ...]:
    """The cameras by the streams that contracts record them under.

    Args:
        cameras: on the car.
        size: height and width of their pictures, where they are recorded in another resolution.
    """
    if size is not None:
        cameras = [replace(camera, height=size[0], width=size[1]) for camera in cameras]
    return tuple(CameraStream(f"observation.images.{camera.name}", camera.ground_camera) for camera in cameras)
