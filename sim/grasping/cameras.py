"""Cameras over the table and at the wrist: where they sit.

The overhead camera looks from the far side of the table back towards the arm, so that the hand does not hide what it
is about to grasp; its mount is the base frame. The wrist camera's mount is the *palm*: at the hand's frame, but with
``z`` pointing back up the arm, so that it equals the base frame turned by the tool's yaw while the hand points down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sim.camera import Camera, CameraConfig, Image, Light
from sim.grasping.kinematics import TOOL_OFFSET_M, Array
from sim.grasping.look import Look, LookConfig

__all__ = [
    "CAMERAS",
    "OVERHEAD",
    "SHOW_CAMERA",
    "WRIST",
    "Camera",
    "CameraConfig",
    "Image",
    "draw_cameras",
    "palm_pose",
]

OVERHEAD = CameraConfig(
    "overhead",
    (0.98, 0.0, 0.72),
    yaw_rad=math.pi,
    pitch_rad=math.radians(57.0),
    width=128,
    height=96,
    vertical_field_of_view_rad=math.radians(29.0),
    near_m=0.05,
    far_m=3.0,
)
# In front of the hand and tilted back, so that the fingertips stand at the lower edge and the hand is out of view.
WRIST = CameraConfig(
    "wrist",
    (0.07, 0.0, -0.03),
    pitch_rad=math.radians(105.0),
    width=64,
    height=64,
    vertical_field_of_view_rad=math.radians(75.0),
    near_m=0.01,
    far_m=3.0,
)
# For people, not for policies: the whole arm from the side.
SHOW_CAMERA = CameraConfig(
    "show",
    (1.15, -0.85, 0.65),
    yaw_rad=math.radians(130.0),
    pitch_rad=math.radians(22.0),
    width=320,
    height=240,
    vertical_field_of_view_rad=math.radians(45.0),
    near_m=0.05,
    far_m=5.0,
)
CAMERAS = (OVERHEAD, WRIST, SHOW_CAMERA)


def draw_cameras(
    configs: Sequence[CameraConfig], client: int, look: Look, config: LookConfig, rng: np.random.Generator
) -> dict[str, Camera]:
    """Cameras by name under a look's light, each moved and turned a little where the configuration says so."""
    light = Light(direction=look.lamp, ambient=look.ambient, diffuse=look.diffuse)
    cameras = {}
    for camera in configs:
        shift = (config.camera_shift_m * rng.uniform(-1.0, 1.0, 3)).tolist()
        yaw, pitch = (config.camera_turn_rad * rng.uniform(-1.0, 1.0, 2)).tolist()
        x, y, z = camera.position_m
        moved = replace(
            camera,
            position_m=(x + shift[0], y + shift[1], z + shift[2]),
            yaw_rad=camera.yaw_rad + yaw,
            pitch_rad=camera.pitch_rad + pitch,
        )
        cameras[camera.name] = Camera(moved, client, light)
    return cameras


def palm_pose(tool_position_m: Array, tool_rotation: Array) -> tuple[list[float], list[float]]:
    """Position (metres) and rotation (row by row, 9 numbers) of the wrist camera's mount in the base frame.

    Args:
        tool_position_m: ``(3,)``.
        tool_rotation: ``(3, 3)`` to the base frame.
    """
    position: list[float] = (tool_position_m - TOOL_OFFSET_M * tool_rotation[:, 2]).tolist()
    rotation: list[float] = (tool_rotation * np.array([1.0, -1.0, -1.0])).ravel().tolist()
    return position, rotation
