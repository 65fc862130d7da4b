"""Three cameras that teach where a trail leads: left of here, straight on, or right.

Giusti et al. 2016, "A Machine Learning Approach to the Visual Perception of Forest Trails for Mobile Robots": a hiker
walks along the trail with three cameras. Whatever the left one sees means "turn right", the right one "turn left", the
middle one "go straight": no steering is recorded at all. A network classifies pictures into the three, and the robot
steers by the difference of the probabilities (see ``models.policies.heads.trail``).

The classes are written as steering commands, ``turn``, 0 and ``-turn``, so that they take the way of any other label.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from models.augment.augmentation import Augmentation, Examples
from models.augment.side_cameras import CameraStream, stand_in_motion
from models.augment.vehicle import require_dimensions
from models.errors import TrainingError

__all__ = ["TrailCameras"]


@dataclass(frozen=True)
class TrailCameras(Augmentation):
    """Lets each example be seen through one of three cameras, drawn at random; its steering says only which side."""

    # The camera that the robot will drive with, and one on either side: beside it, turned away from it, or both.
    front: CameraStream
    left: CameraStream
    right: CameraStream
    # Steering command, in the action's unit, that stands for "turn left"; `turn` of the policy's TrailOptions.
    turn: float
    # Of the action: which number steers.
    steering_dimension: int = 1
    kind: str = field(default="trail_cameras", init=False)

    def __post_init__(self) -> None:
        """Reject cameras on the wrong sides with a ``TrainingError``."""
        if not (math.isfinite(self.turn) and self.turn > 0.0):
            raise TrainingError("TrailCameras.turn must be positive", found=self.turn)
        if self.steering_dimension < 0:
            raise TrainingError("TrailCameras.steering_dimension counts from 0", found=self.steering_dimension)
        for camera, side in ((self.left, 1.0), (self.right, -1.0)):
            motion = stand_in_motion(self.front.camera, camera.camera)
            away = motion.turn_rad if motion.turn_rad != 0.0 else motion.left_m
            if away * side <= 0.0:
                name = "left" if side > 0.0 else "right"
                raise TrainingError(f"the {name} camera neither stands nor looks to the {name}", found=motion)

    @property
    def reads(self) -> tuple[str, ...]:
        """The side cameras' streams."""
        return (self.left.key, self.right.key)

    def __call__(self, examples: Examples, random: np.random.Generator) -> Examples:
        """Draw a camera for every example; what the right one sees calls for a left turn."""
        cameras = (self.right, self.front, self.left)
        chosen = random.integers(len(cameras), size=len(examples))
        stacks = [examples.pictures(one.key, one.camera.height, one.camera.width) for one in cameras]
        observations = {key: rows for key, rows in examples.observations.items() if key not in self.reads}
        observations[self.front.key] = np.stack([stacks[index][row] for row, index in enumerate(chosen)])
        require_dimensions(examples.actions, self.steering_dimension)
        actions = np.array(examples.actions)
        actions[..., self.steering_dimension] = (self.turn * (1.0 - chosen))[:, None]
        return Examples(observations, actions, examples.period_s)
