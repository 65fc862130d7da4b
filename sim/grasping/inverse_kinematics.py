"""Joint angles for a wanted pose of the tool: damped least squares (Nakamura and Hanafusa 1986; Wampler 1986).

With the pose error ``e`` (three of position, three of rotation) and the Jacobian ``J`` an iteration moves the joints by

    J^T (J J^T + lambda**2 I)^-1 e + (I - J^+ J) k (q_rest - q)

where the damping ``lambda`` keeps the step small near a singular pose, and the second term lets the redundant seventh
degree of freedom drift to a rest posture, which moves the elbow and not the tool.
"""

from __future__ import annotations

import math

import numpy as np

from sim.grasping.kinematics import (
    HIGHEST_RAD,
    HOME_RAD,
    LOWEST_RAD,
    Array,
    forward_kinematics,
)

__all__ = ["downward_rotation", "solve"]

# 0.01 costs 1 % of a step where the arm moves 0.1 m/rad, and bounds it where it hardly moves at all.
_DAMPING = 0.01
_REST_GAIN = 0.1
# The largest error that an iteration tries to remove: metres, radians.
_STEP: Array = np.array([0.05, 0.3])
# Distance that the joints keep from their stops.
_MARGIN_RAD = 0.01
_IDENTITY_6, _IDENTITY_7 = np.eye(6), np.eye(7)


def downward_rotation(yaw_rad: float) -> Array:
    """``(3, 3)`` rotation to the base frame of a hand that points straight down, turned by ``yaw_rad``."""
    cos, sin = math.cos(yaw_rad), math.sin(yaw_rad)
    return np.array([[cos, sin, 0.0], [sin, -cos, 0.0], [0.0, 0.0, -1.0]])


def solve(
    start_rad: Array,
    position_m: Array,
    yaw_rad: float,
    iterations: int = 2,
    at_start: tuple[Array, Array, Array] | None = None,
) -> Array:
    """Joint angles ``(7,)`` that bring the tool nearest to a pose with the hand pointing straight down.

    Args:
        start_rad: ``(7,)`` where to start; from close by, two iterations are exact to well below a millimetre.
        position_m: ``(3,)`` of the tool in the base frame.
        yaw_rad: of the tool.
        iterations: how many steps to take.
        at_start: ``forward_kinematics(start_rad)``, from who knows it already.
    """
    joints = start_rad
    wanted = downward_rotation(yaw_rad)
    for _ in range(iterations):
        position, rotation, jacobian = at_start or forward_kinematics(joints)
        at_start = None
        error = np.concatenate([position_m - position, _rotation_error(wanted, rotation)])
        # The Jacobian holds for small steps only; what is farther away is approached.
        error = error * np.minimum(1.0, _STEP / np.maximum(np.linalg.norm(error.reshape(2, 3), axis=1), 1e-9)).repeat(3)
        inverse = jacobian.T @ np.linalg.inv(jacobian @ jacobian.T + _DAMPING**2 * _IDENTITY_6)
        rest = _REST_GAIN * (HOME_RAD - joints)
        # The last joint's rest would fight the wanted yaw; only the elbow is free.
        rest[6] = 0.0
        step = inverse @ error + (_IDENTITY_7 - inverse @ jacobian) @ rest
        joints = np.clip(joints + step, LOWEST_RAD + _MARGIN_RAD, HIGHEST_RAD - _MARGIN_RAD)
    return joints


def _rotation_error(wanted: Array, actual: Array) -> Array:
    """Small rotation (axis times angle, radians) in the base frame from ``actual`` to ``wanted``.

    Half the sum of the axes' cross products (Luh, Walker and Paul 1980), the antisymmetric part of the rotation
    between them: exact to first order, and right in direction up to half a turn.
    """
    turn = wanted @ actual.T
    return 0.5 * np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
