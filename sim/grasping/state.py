"""What is known of a scene at one control step, exactly. Plain data, no PyBullet."""

from __future__ import annotations

from dataclasses import dataclass

from sim.grasping.kinematics import Array
from sim.grasping.objects import SceneObject

__all__ = ["ACTION_NAMES", "Command", "GraspingState", "ToolState"]

#: A command in the contract's order: linear x, y, z (m/s, base frame), yaw rate (rad/s), speed of the gap (m/s).
Command = tuple[float, float, float, float, float]
ACTION_NAMES = ("twist.linear.x", "twist.linear.y", "twist.linear.z", "twist.angular.z", "velocity.gripper")


@dataclass(frozen=True, slots=True)
class ToolState:
    """Where the tool is: the point between the fingertips.

    Attributes:
        joints_rad: ``(7,)``.
        position_m: ``(3,)`` in the base frame.
        rotation: ``(3, 3)`` to the base frame.
        yaw_rad: of the hand about the vertical.
    """

    joints_rad: Array
    position_m: Array
    rotation: Array
    yaw_rad: float


@dataclass(frozen=True, slots=True)
class GraspingState:
    """Arm, gripper and table at the end of a control step.

    Attributes:
        tick: control steps since the reset.
        stamp_ns: simulated time since the reset.
        tool: where the arm is.
        fingers_m: each finger's way from the middle.
        objects: the target, then the clutter.
        disturbance: what was added to the command in this step, in its order and units.
    """

    tick: int
    stamp_ns: int
    tool: ToolState
    fingers_m: tuple[float, float]
    objects: tuple[SceneObject, ...]
    disturbance: Command

    @property
    def gap_m(self) -> float:
        """Distance between the fingers' pads."""
        return self.fingers_m[0] + self.fingers_m[1]

    @property
    def target(self) -> SceneObject:
        """What is to be grasped."""
        return self.objects[0]
