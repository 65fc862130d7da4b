"""The arm in PyBullet: seven joints that follow a Cartesian velocity (shape and masses: ``arm.urdf``).

Commands move a setpoint, the pose where the tool should be; each control step the joints are sent, at one speed all
through the step, to the angles that inverse kinematics finds for it. The motors are velocity servos with limited torque
inside PyBullet's solver, so an arm that meets an obstacle pushes with what they have, and no more; the setpoint waits
for it. A zero command holds the pose.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np
import pybullet

from models.errors import SimulationError
from sim.grasping.inverse_kinematics import solve
from sim.grasping.kinematics import ARM_JOINTS, HOME_RAD, TOP_SPEED_RAD_S, Array, forward_kinematics, tool_yaw
from sim.grasping.state import ToolState

__all__ = ["Arm", "ArmConfig"]

# What is left to push with, Nm: about 20 N at the tool, so that it stops on what lies under it.
_TORQUES_NM = (12.0, 12.0, 12.0, 12.0, 4.0, 4.0, 4.0)
# How far the setpoint may run ahead of a tool that is held up.
_LEASH_M = 0.02
_LEASH_RAD = 0.15


@dataclass(frozen=True, slots=True)
class ArmConfig:
    """What the arm may do.

    Attributes:
        top_speed_m_s: along each axis of the base frame; commands above it are cut.
        top_yaw_rate_rad_s: about the vertical.
        x_m: range of the tool in the base frame.
        y_m: range of the tool in the base frame.
        z_m: range of the tool; at the lowest the fingertips are 2 mm above the table.
        yaw_rad: range of the tool's yaw. More than half a turn, so that two fingers have every grasp; the middle is
            where the last joint has as far to go either way.
    """

    top_speed_m_s: float = 0.25
    top_yaw_rate_rad_s: float = 1.5
    x_m: tuple[float, float] = (0.28, 0.68)
    y_m: tuple[float, float] = (-0.32, 0.32)
    z_m: tuple[float, float] = (0.012, 0.40)
    yaw_rad: tuple[float, float] = (-1.0, 2.3)

    def __post_init__(self) -> None:
        """Reject an arm that cannot move.

        Raises:
            SimulationError: when a speed is not positive or a range is empty.
        """
        for name in ("top_speed_m_s", "top_yaw_rate_rad_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise SimulationError(f"ArmConfig.{name} must be positive", found=value)
        for name in ("x_m", "y_m", "z_m", "yaw_rad"):
            low, high = getattr(self, name)
            if not low < high:
                raise SimulationError(f"ArmConfig.{name} is an empty range", found=(low, high))


class Arm:
    """One arm in one PyBullet client. It is gone when that client's simulation is reset."""

    def __init__(self, client: int, config: ArmConfig) -> None:
        self.config = config
        self._client = client
        with resources.as_file(resources.files("sim.grasping") / "arm.urdf") as urdf:
            # Without the flag, PyBullet makes inertias of its own from whatever is solid, and most links are not.
            flags = pybullet.URDF_USE_INERTIA_FROM_FILE
            self.body = int(pybullet.loadURDF(str(urdf), useFixedBase=1, flags=flags, physicsClientId=client))
        self.links = {
            pybullet.getJointInfo(self.body, index, physicsClientId=client)[1].decode(): index
            for index in range(pybullet.getNumJoints(self.body, physicsClientId=client))
        }
        self.joints = tuple(self.links[name] for name in ARM_JOINTS)
        for link in (-1, *self.links.values()):
            pybullet.changeDynamics(self.body, link, linearDamping=0.0, angularDamping=0.0, physicsClientId=client)
        self._lowest = np.array([config.x_m[0], config.y_m[0], config.z_m[0]])
        self._highest = np.array([config.x_m[1], config.y_m[1], config.z_m[1]])
        self.place(HOME_RAD)

    def place(self, joints_rad: Array) -> None:
        """Put the joints there, standing still, and the setpoint with them."""
        for joint, angle in zip(self.joints, joints_rad.tolist(), strict=True):
            pybullet.resetJointState(self.body, joint, angle, 0.0, physicsClientId=self._client)
        self.read()
        self._setpoint_m, self._setpoint_rad = self.tool.position_m.copy(), self.tool.yaw_rad

    def read(self) -> ToolState:
        """Read the exact state."""
        states = pybullet.getJointStates(self.body, self.joints, physicsClientId=self._client)
        joints = np.array([state[0] for state in states])
        self._kinematics = position, rotation, _ = forward_kinematics(joints)
        self.tool = ToolState(joints, position, rotation, tool_yaw(rotation))
        return self.tool

    def joint_speeds(self, velocity_m_s: Sequence[float], yaw_rate_rad_s: float, period_s: float) -> list[float]:
        """Move the setpoint for a control step; the seven joints' speeds (rad/s) that bring the tool to it.

        Args:
            velocity_m_s: x, y, z in the base frame.
            yaw_rate_rad_s: about the vertical, counter-clockwise seen from above.
            period_s: of the control step.
        """
        top, turn = self.config.top_speed_m_s, self.config.top_yaw_rate_rad_s
        wanted = self._setpoint_m + np.clip(np.asarray(velocity_m_s), -top, top) * period_s
        leashed = np.clip(wanted, self.tool.position_m - _LEASH_M, self.tool.position_m + _LEASH_M)
        self._setpoint_m = np.clip(leashed, self._lowest, self._highest)
        yaw = self._setpoint_rad + max(-turn, min(turn, yaw_rate_rad_s)) * period_s
        yaw = max(self.tool.yaw_rad - _LEASH_RAD, min(self.tool.yaw_rad + _LEASH_RAD, yaw))
        self._setpoint_rad = max(self.config.yaw_rad[0], min(self.config.yaw_rad[1], yaw))
        joints = solve(self.tool.joints_rad, self._setpoint_m, self._setpoint_rad, at_start=self._kinematics)
        speeds = (joints - self.tool.joints_rad) / period_s
        # All slower alike, so that the tool stays on its way.
        slowed: list[float] = (speeds / max(1.0, float(np.max(np.abs(speeds) / TOP_SPEED_RAD_S)))).tolist()
        return slowed

    def drive(self, speeds_rad_s: Sequence[float]) -> None:
        """Hand the joints' speeds to the motors."""
        pybullet.setJointMotorControlArray(
            self.body,
            self.joints,
            pybullet.VELOCITY_CONTROL,
            targetVelocities=speeds_rad_s,
            forces=_TORQUES_NM,
            physicsClientId=self._client,
        )
