"""Augmentations by name, for robots whose cameras and steering are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.contract import Contract, Stream
from models.errors import TrainingError

if TYPE_CHECKING:
    from models.augment import Augmentation, CameraStream, Vehicle, YawRateReading

__all__ = ["GEOMETRIC", "RECIPES", "Recipe", "build_augmentation"]

Recipe = str
GEOMETRIC: tuple[Recipe, ...] = ("alvinn", "side_cameras", "between_cameras", "trail")
"""Those that put the vehicle elsewhere: one at most."""

RECIPES: tuple[Recipe, ...] = (*GEOMETRIC, "photometric")
"""Every name."""

_SIDES = ("left", "right")
_YAW_RATE = "twist.twist.angular.z"


@dataclass(frozen=True)
class _Rig:
    """What geometry has to know of a robot: the cameras, front one first, and the vehicle below them."""

    front: CameraStream
    sides: tuple[CameraStream, CameraStream]
    vehicle: Vehicle
    yaw_rate: YawRateReading | None


def build_augmentation(
    asked: Sequence[Recipe | Augmentation], recorded: Contract, robot: Contract, turn: float
) -> Augmentation | None:
    """One augmentation of all that was asked for, what moves the vehicle first; ``None`` for nothing.

    Args:
        asked: names, or augmentations that somebody described in full.
        recorded: the contract of the recordings.
        robot: that of the robot, which may see less.
        turn: steering command of a turn that is certain, of a trail head.

    Raises:
        TrainingError: a camera that was not recorded, or that the policy would see itself; a robot of which too little
            is known.
    """
    from models.augment import Chain

    parts = [_recipe(one, recorded, robot, turn) if isinstance(one, str) else one for one in asked]
    for part in parts:
        _require_recorded(part.reads, recorded, robot)
    parts.sort(key=lambda part: getattr(part, "kind", "") == "photometric")
    if len(parts) <= 1:
        return parts[0] if parts else None
    return Chain(tuple(parts))


def _recipe(name: Recipe, recorded: Contract, robot: Contract, turn: float) -> Augmentation:
    from models.augment import Photometric, Poses, ShiftAndRotate, SideCameras, TrailCameras

    if name == "photometric":
        keys = tuple(stream.key for stream in robot.observations if stream.is_image)
        if not keys:
            raise TrainingError("there are no pictures to vary", found="photometric, for a robot without a camera")
        return Photometric(keys)
    rig = _rig(name, robot)
    if name == "alvinn":
        return ShiftAndRotate(rig.front.key, rig.front.camera, rig.vehicle, yaw_rate=rig.yaw_rate)
    _require_recorded([side.key for side in rig.sides], recorded, robot)
    if name == "trail":
        return TrailCameras(rig.front, *rig.sides, turn)
    between = Poses() if name == "between_cameras" else None
    return SideCameras(rig.front, rig.sides, rig.vehicle, between=between, yaw_rate=rig.yaw_rate)


def _require_recorded(keys: Sequence[str], recorded: Contract, robot: Contract) -> None:
    streams = [stream.key for stream in recorded.observations]
    missing = [key for key in keys if key not in streams]
    if missing:
        raise TrainingError(
            "the side cameras were not recorded",
            found=f"no {', '.join(missing)} among {', '.join(streams)}",
            fix="record with a contract that names them, such as contracts/driving_three_cameras.yaml",
        )
    seen = [stream.key for stream in robot.observations if stream.key in keys]
    if seen:
        raise TrainingError(
            "the policy itself would see the side cameras, which only show it where else it could be",
            found=f"{', '.join(seen)} in the contract of {robot.robot_type}",
            expected="the contract of the robot that has the front camera only",
            fix="add --contract with that contract, such as contracts/driving.yaml",
        )


def _rig(name: Recipe, robot: Contract) -> _Rig:
    from models.augment import YawRateReading

    if robot.robot_type != "understudy_car":
        raise TrainingError(
            f"{name} needs to know where the cameras are and how the robot steers",
            found=f"nothing of that about {robot.robot_type}",
            fix='describe it in a file, as in docs/augmentation.md, and give that with "--config"',
        )
    from sim.driving.rig import VEHICLE, camera_streams

    image = next((stream for stream in robot.observations if stream.is_image), None)
    front, left, right = camera_streams(size=image.image_size if image else None)
    if image is None or image.key != front.key:
        raise TrainingError(
            f"{name} needs the car's front camera",
            found=image.key if image else "no camera in the contract",
            expected=front.key,
        )
    readings = (YawRateReading(stream.key, place) for stream, place in _places(robot, _YAW_RATE))
    return _Rig(front, (left, right), VEHICLE, next(readings, None))


def _places(robot: Contract, name: str) -> list[tuple[Stream, int]]:
    """Streams with a number of that name, and which it is."""
    return [(stream, stream.names.index(name)) for stream in robot.observations if name in stream.names]
