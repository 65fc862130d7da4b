"""ALVINN's augmentation: the road as if the vehicle stood elsewhere, and the steering that brings it back.

Pomerleau 1989, "ALVINN: An Autonomous Land Vehicle in a Neural Network", and 1991, "Efficient Training of Artificial
Neural Networks for Autonomous Navigation": a driver who keeps to the centre never shows how to get back to it, so
pictures are shifted and rotated on the ground plane, and their steering is what returns the vehicle to the driver's
path within a given distance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.augment.augmentation import Augmentation, Examples
from models.augment.ground_plane import Float64Array, GroundCamera, Motion
from models.augment.poses import Poses
from models.augment.relabel import YawRateReading, recovering_actions, with_yaw_rate
from models.augment.vehicle import Vehicle
from models.augment.view import TIGHTEST_PER_M, Fill, View
from models.errors import TrainingError

__all__ = ["ShiftAndRotate", "road_curvature"]

# Unseen ground takes its colour along an arc whose curvature is rounded to this, so that maps can be used again. On
# the few metres that matter, half a step moves it by centimetres.
_CURVATURE_STEP_PER_M = 0.04


@dataclass(frozen=True)
class ShiftAndRotate(Augmentation):
    """Moves a share of the examples to other poses; labels follow by geometry (see ``models.augment.recovery``)."""

    # The stream of pictures that is warped, and the camera that took them, in the resolution of that stream.
    key: str
    camera: GroundCamera
    # What the actions mean.
    vehicle: Vehicle
    # Where the vehicle may stand.
    poses: Poses = field(default_factory=Poses)
    # Distance after which a policy that follows these labels is back on its path, to a hundredth of where it was.
    recovery_m: float = 12.0
    # Share of examples that are moved; the others stay as they were recorded.
    share: float = 0.75
    # Where the observation says how fast the vehicle turns; None where it does not.
    yaw_rate: YawRateReading | None = None
    # How ground that the camera did not see is painted.
    fill: Fill = "road"
    kind: str = field(default="shift_and_rotate", init=False)

    def __post_init__(self) -> None:
        """Reject contradictions with a ``TrainingError``."""
        if not (math.isfinite(self.recovery_m) and self.recovery_m > 0.0):
            raise TrainingError("ShiftAndRotate.recovery_m must be positive", found=self.recovery_m)
        if not 0.0 <= self.share <= 1.0:
            raise TrainingError("ShiftAndRotate.share must be in [0, 1]", found=self.share)

    def __call__(self, examples: Examples, random: np.random.Generator) -> Examples:
        """Move the vehicle of some examples: pictures, actions and the measured yaw rate change together."""
        bank = self.poses.all()
        drawn = bank[random.integers(len(bank), size=len(examples))]
        drawn = drawn * (random.uniform(size=len(examples)) < self.share)[:, None]
        left, turn = drawn[:, 0], drawn[:, 1]
        recovery_m = np.full(len(examples), self.recovery_m)
        actions = recovering_actions(examples, left, turn, recovery_m, self.vehicle)
        observations = dict(examples.observations)
        motions = [Motion(float(shift), float(angle)) for shift, angle in drawn]
        bends = road_curvature(examples, self.vehicle)
        observations[self.key] = self.look(
            examples.pictures(self.key, self.camera.height, self.camera.width), motions, bends
        )
        if self.yaw_rate is not None:
            observations[self.yaw_rate.key] = with_yaw_rate(examples, actions, self.yaw_rate, self.vehicle, random)
        return Examples(observations, actions, examples.period_s)

    def look(
        self, stacks: npt.NDArray[np.uint8], motions: Sequence[Motion], curvatures_per_m: Float64Array
    ) -> npt.NDArray[np.uint8]:
        """Stacks ``(N, frames, height, width, channels)`` from N other places, all frames of a stack from the same."""
        views = (
            View(self.camera, self.camera, motion, float(curvature), self.fill)
            for motion, curvature in zip(motions, curvatures_per_m, strict=True)
        )
        return np.stack([view.warp(stack) for view, stack in zip(views, stacks, strict=True)])


def road_curvature(examples: Examples, vehicle: Vehicle) -> Float64Array:
    """``(N,)`` curvature of the road (1/m), as the driver took it, cut and rounded for the sake of maps used again."""
    _, curvatures = vehicle.read(examples.actions[:, 0])
    curvatures = np.clip(curvatures, -TIGHTEST_PER_M, TIGHTEST_PER_M)
    found: Float64Array = np.round(curvatures / _CURVATURE_STEP_PER_M) * _CURVATURE_STEP_PER_M
    return found
