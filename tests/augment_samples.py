"""Examples, cameras and a vehicle for the tests of augmentations: the simulated car's, without the simulator."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from models.augment import (
    Augmentation,
    CameraStream,
    Chain,
    Examples,
    GroundCamera,
    Photometric,
    Poses,
    ShiftAndRotate,
    SideCameras,
    TrailCameras,
    Vehicle,
    YawRateReading,
)

FRONT_KEY, LEFT_KEY, RIGHT_KEY = (f"observation.images.{side}" for side in ("front", "left", "right"))
STATE_KEY = "observation.state"
PERIOD_S = 0.05


def ground_camera(left_m: float = 0.0, yaw_rad: float = 0.0) -> GroundCamera:
    return GroundCamera((1.4, left_m, 1.0), math.radians(15.0), math.radians(60.0), 96, 64, yaw_rad)


FRONT = CameraStream(FRONT_KEY, ground_camera())
LEFT = CameraStream(LEFT_KEY, ground_camera(0.6))
RIGHT = CameraStream(RIGHT_KEY, ground_camera(-0.6))
VEHICLE = Vehicle(1.2, 0.6, 3.5, 2.4)
YAW_RATE = YawRateReading(STATE_KEY, 1)

AUGMENTATIONS: dict[str, Augmentation] = {
    "shift and rotate": ShiftAndRotate(FRONT_KEY, FRONT.camera, VEHICLE, yaw_rate=YAW_RATE),
    "side cameras": SideCameras(FRONT, (LEFT, RIGHT), VEHICLE, yaw_rate=YAW_RATE),
    "between cameras": SideCameras(FRONT, (LEFT, RIGHT), VEHICLE, between=Poses(), yaw_rate=YAW_RATE),
    "trail cameras": TrailCameras(FRONT, LEFT, RIGHT, 1.5),
    "photometric": Photometric((FRONT_KEY,)),
    "chain": Chain((SideCameras(FRONT, (LEFT, RIGHT), VEHICLE), Photometric((FRONT_KEY,)))),
}
"""Every augmentation; `test_augmentations.py` puts all of them through the same tests."""


def noise_pictures(count: int, frames: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, frames, 64, 96, 3), dtype=np.uint8)


def examples(count: int = 8, frames: int = 3, chunk: int = 2, speed: float = 4.0, yaw_rate: float = 0.4) -> Examples:
    """Noise in three cameras; a constant command, and a state that says what is driven."""
    observations: dict[str, npt.NDArray[np.generic]] = {
        key: noise_pictures(count, frames, seed) for seed, key in enumerate((FRONT_KEY, LEFT_KEY, RIGHT_KEY))
    }
    observations[STATE_KEY] = np.tile(np.array([speed, yaw_rate], np.float32), (count, frames, 1))
    actions = np.tile(np.array([speed, yaw_rate], np.float32), (count, chunk, 1))
    return Examples(observations, actions, PERIOD_S)
