"""Two fingers that open and close together, in PyBullet.

The gap between the pads follows a commanded speed. Its setpoint runs ahead of fingers that something stops, by at most
a centimetre: enough to squeeze with the whole force, little enough to let go at once. Without a command the setpoint,
and with it the grip, stays.
"""

from __future__ import annotations

import pybullet

__all__ = ["FINGER_JOINTS", "WIDEST_M", "Gripper"]

FINGER_JOINTS = ("panda_finger_joint1", "panda_finger_joint2")
#: The widest gap; as arm.urdf's joint limits.
WIDEST_M = 0.08
TOP_SPEED_M_S = 0.1
# Holds ten times what lies on the table. Much more would press the pads into light things, which the solver cannot keep
# apart within its iterations.
_FORCE_N = 6.0
_LEASH_M = 0.01
_FRICTION = 1.5


class Gripper:
    """The fingers of an arm that is loaded already."""

    def __init__(self, client: int, body: int, links: dict[str, int]) -> None:
        self._client, self._body = client, body
        self.joints = tuple(links[name] for name in FINGER_JOINTS)
        for joint in self.joints:
            # A little friction against turning too, as a soft pad has; anchored, or what is held would creep.
            pybullet.changeDynamics(
                body,
                joint,
                lateralFriction=_FRICTION,
                spinningFriction=0.01,
                frictionAnchor=1,
                restitution=0.0,
                physicsClientId=client,
            )
        # A rack and pinion: without it, one finger alone would push whatever it meets to the far side.
        gear = pybullet.createConstraint(
            body,
            self.joints[0],
            body,
            self.joints[1],
            pybullet.JOINT_GEAR,
            (0.0, 1.0, 0.0),
            (0.0, 0.0, 0.0),
            (0.0, 0.0, 0.0),
            physicsClientId=client,
        )
        pybullet.changeConstraint(gear, gearRatio=-1.0, erp=0.1, maxForce=2.0 * _FORCE_N, physicsClientId=client)
        self.place(WIDEST_M)

    def place(self, gap_m: float) -> None:
        """Put the fingers there, standing still."""
        for joint in self.joints:
            pybullet.resetJointState(self._body, joint, gap_m / 2.0, 0.0, physicsClientId=self._client)
        self._setpoint_m = gap_m
        self.read()

    def read(self) -> float:
        """Read the gap between the pads, metres."""
        states = pybullet.getJointStates(self._body, self.joints, physicsClientId=self._client)
        self.positions_m: tuple[float, float] = (states[0][0], states[1][0])
        self.gap_m = self.positions_m[0] + self.positions_m[1]
        return self.gap_m

    def target(self, opening_m_s: float, period_s: float) -> float:
        """Move the setpoint for a control step; where each finger should be at its end, metres.

        Args:
            opening_m_s: speed of the gap; negative closes.
            period_s: of the control step.
        """
        wanted = self._setpoint_m + max(-TOP_SPEED_M_S, min(TOP_SPEED_M_S, opening_m_s)) * period_s
        wanted = max(self.gap_m - _LEASH_M, min(self.gap_m + _LEASH_M, wanted))
        self._setpoint_m = max(0.0, min(WIDEST_M, wanted))
        return self._setpoint_m / 2.0

    def drive(self, finger_m: float) -> None:
        """Hand both fingers' target to the motors."""
        pybullet.setJointMotorControlArray(
            self._body,
            self.joints,
            pybullet.POSITION_CONTROL,
            targetPositions=(finger_m, finger_m),
            forces=(_FORCE_N, _FORCE_N),
            physicsClientId=self._client,
        )
