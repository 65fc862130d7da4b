"""DAVE-2's side cameras: what they see is what the front camera would see from beside the path.

Bojarski et al. 2016, "End to End Learning for Self-Driving Cars", sections 2 and 5.2: frames of a left and a right
camera are used as if the front camera had taken them, each with the steering that brings the vehicle back "to the
desired location and orientation in two seconds". That paper adds other shifts, and all rotations, by warping the
picture of the nearest camera; ``between`` does the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.augment.alvinn import road_curvature
from models.augment.augmentation import Augmentation, Examples
from models.augment.ground_plane import GroundCamera, Motion
from models.augment.poses import Poses
from models.augment.relabel import YawRateReading, recovering_actions, with_yaw_rate
from models.augment.vehicle import Vehicle
from models.augment.view import View
from models.errors import TrainingError

__all__ = ["CameraStream", "SideCameras", "stand_in_motion"]

# Between cameras that stand for each other. A hundredth of a degree, a millimetre: what a calibration can tell.
_SAME = 1e-3
# However slowly a vehicle moves, it needs some distance to come back: this many wheelbases, 5 m of the simulated car.
_SHORTEST_RECOVERY = 25.0 / 6.0


@dataclass(frozen=True, slots=True)
class CameraStream:
    """A camera and the stream that its pictures are recorded under."""

    key: str
    camera: GroundCamera


@dataclass(frozen=True)
class SideCameras(Augmentation):
    """Lets each example be seen through one of several cameras, drawn at random, in place of the front one."""

    # The camera that the robot will drive with, and those beside it.
    front: CameraStream
    sides: tuple[CameraStream, ...]
    # What the actions mean.
    vehicle: Vehicle
    # Time after which a policy that follows these labels is back on its path, to a hundredth of where it was, at the
    # speed of the recorded action.
    recovery_s: float = 2.0
    # Other places, made by warping the nearest camera's picture; None for the cameras' own places only.
    between: Poses | None = None
    # Where the observation says how fast the vehicle turns; None where it does not.
    yaw_rate: YawRateReading | None = None
    kind: str = field(default="side_cameras", init=False)

    def __post_init__(self) -> None:
        """Reject cameras that cannot stand for the front one with a ``TrainingError``."""
        if not self.sides:
            raise TrainingError("side cameras are missing", found="none", expected="at least one")
        if not (math.isfinite(self.recovery_s) and self.recovery_s > 0.0):
            raise TrainingError("SideCameras.recovery_s must be positive", found=self.recovery_s)
        for side in self.sides:
            stand_in_motion(self.front.camera, side.camera)

    @property
    def reads(self) -> tuple[str, ...]:
        """The side cameras' streams."""
        return tuple(side.key for side in self.sides)

    @property
    def places(self) -> tuple[Motion, ...]:
        """Where the vehicle would stand if the front camera were in the place of each camera, the front one first."""
        return tuple(stand_in_motion(self.front.camera, camera.camera) for camera in (self.front, *self.sides))

    def __call__(self, examples: Examples, random: np.random.Generator) -> Examples:
        """Draw a camera for every example; pictures, actions and the measured yaw rate change together."""
        chosen, motions = self._draw(len(examples), random)
        left = np.array([motion.left_m for motion in motions])
        turn = np.array([motion.turn_rad for motion in motions])
        speeds, _ = self.vehicle.read(examples.actions[:, 0])
        recovery_m = np.maximum(self.recovery_s * speeds, _SHORTEST_RECOVERY * self.vehicle.wheelbase_m)
        actions = recovering_actions(examples, left, turn, recovery_m, self.vehicle)
        observations = {key: rows for key, rows in examples.observations.items() if key not in self.reads}
        observations[self.front.key] = self._look(examples, chosen, motions)
        if self.yaw_rate is not None:
            observations[self.yaw_rate.key] = with_yaw_rate(examples, actions, self.yaw_rate, self.vehicle, random)
        return Examples(observations, actions, examples.period_s)

    def _draw(self, count: int, random: np.random.Generator) -> tuple[npt.NDArray[np.int64], list[Motion]]:
        """For each example the camera, ``(count,)``, and the place that its picture stands for."""
        places = self.places
        if self.between is None:
            chosen = random.integers(len(places), size=count)
            return chosen, [places[index] for index in chosen]
        bank = self.between.all()
        drawn = bank[random.integers(len(bank), size=count)]
        shifts = np.array([place.left_m for place in places])
        nearest = np.argmin(np.abs(drawn[:, :1] - shifts), axis=1)
        return nearest, [Motion(float(left), float(turn)) for left, turn in drawn]

    def _look(
        self, examples: Examples, chosen: npt.NDArray[np.int64], motions: Sequence[Motion]
    ) -> npt.NDArray[np.uint8]:
        """Each example's stack through its camera, ``(N, frames, height, width, channels)``."""
        cameras = (self.front, *self.sides)
        stacks = [examples.pictures(one.key, one.camera.height, one.camera.width) for one in cameras]
        picked = [stacks[index][row] for row, index in enumerate(chosen)]
        if self.between is not None:
            bends = road_curvature(examples, self.vehicle)
            picked = [
                View(cameras[index].camera, self.front.camera, motion, float(bend)).warp(stack)
                for index, motion, bend, stack in zip(chosen, motions, bends, picked, strict=True)
            ]
        return np.stack(picked)


def stand_in_motion(front: GroundCamera, other: GroundCamera) -> Motion:
    """How the vehicle would have to move for ``front`` to be where ``other`` is.

    Raises:
        TrainingError: no motion on flat ground does that, since they differ in height, pitch, lens or size.
    """
    differences = (
        front.position_m[2] - other.position_m[2],
        front.pitch_rad - other.pitch_rad,
        front.vertical_field_of_view_rad - other.vertical_field_of_view_rad,
        front.width - other.width,
        front.height - other.height,
    )
    if max(map(abs, differences)) > _SAME:
        raise TrainingError(
            "one camera cannot stand for the other",
            found=f"{front} and {other}",
            expected="equal height, pitch, field of view and size",
            fix="mount and set them alike, or warp one camera's pictures with `ShiftAndRotate`",
        )
    turn = other.yaw_rad - front.yaw_rad
    cos, sin = math.cos(turn), math.sin(turn)
    x, y, _ = front.position_m
    forward, left = other.position_m[0] - (cos * x - sin * y), other.position_m[1] - (sin * x + cos * y)
    return Motion(left, turn, forward)
