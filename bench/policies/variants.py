"""What the recovery experiment compares: behavioural cloning of the same frames, augmented or not."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from models.augment import (
    Augmentation,
    Examples,
    Poses,
    ShiftAndRotate,
    SideCameras,
    TrailCameras,
    YawRateReading,
)
from models.policies import PolicyConfig
from models.policies.heads import TrailOptions
from sim.driving.cameras import CAMERAS
from sim.driving.rig import VEHICLE, camera_streams
from understudy.training.robots import learning_of

__all__ = ["FRONT", "RIG", "VARIANTS", "VEHICLE", "Variant"]

_, _LEFT, _RIGHT = CAMERAS
# As those of the trail's hiker, turned away from the front; he carried them 30 degrees apart, and a field of view of
# 82 degrees (the car's, across) shows too little road then.
_AWAY_RAD = math.radians(20.0)
RIG = (
    *CAMERAS,
    replace(_LEFT, name="trail_left", yaw_rad=_AWAY_RAD),
    replace(_RIGHT, name="trail_right", yaw_rad=-_AWAY_RAD),
)
"""The cameras of the car that demonstrates; the one that drives has the front one only."""

FRONT, LEFT, RIGHT, TRAIL_LEFT, TRAIL_RIGHT = camera_streams(RIG)
YAW_RATE = YawRateReading("observation.state", 1)
_CAR = learning_of("understudy_car")
CAR_CROP_TOP: float = _CAR.policy["crop_top"]
TRAIL_TURN_RAD_S: float = _CAR.heads["trail"]["turn"]


@dataclass(frozen=True)
class Unlabelled(Augmentation):
    """The negative control: pictures are moved as ALVINN moves them, and everything else stays as it was recorded."""

    moved: ShiftAndRotate

    def __call__(self, examples: Examples, random: np.random.Generator) -> Examples:
        """Take the pictures from ``moved``, nothing else."""
        pictures = self.moved(examples, random).observations[self.moved.key]
        return Examples(dict(examples.observations) | {self.moved.key: pictures}, examples.actions, examples.period_s)


@dataclass(frozen=True)
class Variant:
    """One way of learning from the same frames.

    Attributes:
        title: for people.
        augmentation: of the training examples.
        policy: the network.
    """

    title: str
    augmentation: Augmentation | None
    policy: PolicyConfig = field(default_factory=lambda: PolicyConfig(crop_top=CAR_CROP_TOP))


_ALVINN = ShiftAndRotate(FRONT.key, FRONT.camera, VEHICLE, Poses(0.8, 0.2), yaw_rate=YAW_RATE)

VARIANTS = {
    "none": Variant("none", None),
    "alvinn": Variant("ALVINN", _ALVINN),
    "side_cameras": Variant("side cameras", SideCameras(FRONT, (LEFT, RIGHT), VEHICLE, yaw_rate=YAW_RATE)),
    "trail": Variant(
        "trail cameras",
        TrailCameras(FRONT, TRAIL_LEFT, TRAIL_RIGHT, TRAIL_TURN_RAD_S),
        PolicyConfig(head=TrailOptions(turn=TRAIL_TURN_RAD_S), crop_top=CAR_CROP_TOP),
    ),
    "not_relabelled": Variant("not relabelled", Unlabelled(_ALVINN)),
}
