"""What is known of a scene at one control step, exactly. Plain data, no PyBullet."""

from __future__ import annotations

import math
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
    def tool_quaternion(self) -> tuple[float, float, float, float]:
        """x, y, z, w of the tool in the base frame, with x positive.

        A hand that points down and is turned by ``yaw`` has ``(cos(yaw / 2), sin(yaw / 2), 0, 0)``: within half a turn
        to either side, x is positive, and there is no jump between the two quaternions of one pose.
        """
        r = self.tool.rotation
        # The hand points down, so x or y is the largest; which of the two may change on the way.
        if r[0, 0] >= r[1, 1]:
            x = 0.5 * math.sqrt(max(0.0, 1.0 + r[0, 0] - r[1, 1] - r[2, 2]))
            y, z, w = (r[0, 1] + r[1, 0]) / (4.0 * x), (r[0, 2] + r[2, 0]) / (4.0 * x), (r[2, 1] - r[1, 2]) / (4.0 * x)
        else:
            y = 0.5 * math.sqrt(max(0.0, 1.0 + r[1, 1] - r[0, 0] - r[2, 2]))
            x, z, w = (r[0, 1] + r[1, 0]) / (4.0 * y), (r[1, 2] + r[2, 1]) / (4.0 * y), (r[0, 2] - r[2, 0]) / (4.0 * y)
            if x < 0.0:
                x, y, z, w = -x, -y, -z, -w
        return float(x), float(y), float(z), float(w)

    @property
    def gap_m(self) -> float:
        """Distance between the fingers' pads."""
        return self.fingers_m[0] + self.fingers_m[1]

    @property
    def target(self) -> SceneObject:
        """What is to be grasped."""
        return self.objects[0]
