"""What is usual for each robot when a policy is trained for it, where nobody asks for anything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["RobotLearning", "learning_of"]

Options = Mapping[str, Any]


@dataclass(frozen=True)
class RobotLearning:
    """Options that differ from those of the classes that take them.

    Attributes:
        policy: of ``PolicyConfig``.
        learning: of ``BehavioralCloningConfig``.
        safety: of ``SafetyConfig``.
        heads: name of a head to options of it.
    """

    policy: Options = field(default_factory=dict)
    learning: Options = field(default_factory=dict)
    safety: Options = field(default_factory=dict)
    heads: Mapping[str, Options] = field(default_factory=dict)


# Four actions, 200 ms at 20 Hz: a busy machine's late answers are bridged instead of handed to the expert.
_ANY = RobotLearning(policy={"chunk": 4}, learning={"epochs": 25})
_ROBOTS: Mapping[str, RobotLearning] = {
    # Its camera's upper third sees the sky, which only distracts. A turn that is certain is close to the highest yaw
    # rate that the expert commands.
    "understudy_car": RobotLearning(
        policy={"chunk": 4, "crop_top": 0.35}, learning={"epochs": 25}, heads={"trail": {"turn": 2.0}}
    ),
    # The whole picture, for there is no sky over a table; and keypoints: what decides is where the target is. They take
    # their time to be found, and then do not learn by heart: twice as many steps as usual.
    "understudy_arm": RobotLearning(
        policy={"chunk": 4, "encoder": "keypoints", "features": 128, "state_features": 32},
        learning={"epochs": 20, "batch_size": 64},
        # One flagged frame in a hundred, as on the road.
        safety={"deployed_share": 0.01},
    ),
}


def learning_of(robot_type: str) -> RobotLearning:
    """Of the robot that a contract's ``robot_type`` names; of a robot of one's own, what suits most."""
    return _ROBOTS.get(robot_type, _ANY)
