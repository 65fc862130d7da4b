"""The arm's kinematics: the Franka Panda's Denavit-Hartenberg parameters and limits. Plain NumPy, no PyBullet.

Frames follow Craig's (modified) convention: joint ``i`` turns about its own ``z``, and the frame before it is moved by
``RotX(alpha) TransX(a) RotZ(q) TransZ(d)``. The *tool* is the point between the fingertips; its ``z`` points out of the
hand, its ``y`` along the way the fingers close. The base frame is the table's and the world's: ``z`` up, ``x`` from the
arm over the table, ``z = 0`` on the table's top. ``arm.urdf`` holds the same geometry; a test compares.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = [
    "ARM_JOINTS",
    "HIGHEST_RAD",
    "HOME_RAD",
    "LOWEST_RAD",
    "TOOL_OFFSET_M",
    "TOP_SPEED_RAD_S",
    "forward_kinematics",
    "tool_yaw",
]

Array = npt.NDArray[np.float64]

# Franka Emika, "Robot and interface specifications" (Panda): lengths in metres, angles in radians.
_A_M = (0.0, 0.0, 0.0, 0.0825, -0.0825, 0.0, 0.088)
_ALPHA_RAD = (0.0, -math.pi / 2, math.pi / 2, math.pi / 2, -math.pi / 2, math.pi / 2, math.pi / 2)
_TWISTS = tuple((math.sin(alpha), math.cos(alpha)) for alpha in _ALPHA_RAD)
_D_M = (0.333, 0.0, 0.316, 0.0, 0.384, 0.0, 0.0)
_FLANGE_M = 0.107
# The hand is mounted turned by this much against the flange.
_HAND_TURN_RAD = -math.pi / 4
#: From the hand's frame to the tool: 5 cm of hand, 7 cm of finger, less 1 cm, so that the tool lies inside the pads.
TOOL_OFFSET_M = 0.11

LOWEST_RAD: Array = np.array([-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973])
HIGHEST_RAD: Array = np.array([2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973])
TOP_SPEED_RAD_S: Array = np.array([2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61])
#: The arm over the middle of the table, elbow up, the tool pointing straight down with yaw 0.
HOME_RAD: Array = np.array([0.0, -0.2725, 0.0, -2.4085, 0.0, 2.1360, math.pi / 4])
ARM_JOINTS = tuple(f"panda_joint{index}" for index in range(1, 8))


def forward_kinematics(joints_rad: Array) -> tuple[Array, Array, Array]:
    """Where the tool is, and how each joint moves it.

    Args:
        joints_rad: ``(7,)``.

    Returns:
        The tool's position ``(3,)`` in metres and rotation ``(3, 3)`` to the base frame, and the geometric Jacobian
        ``(6, 7)``: three rows of linear (m/rad) and three of angular (rad/rad) velocity in the base frame.
    """
    # Rows of plain numbers: seven products of small matrices are several times faster so than with NumPy.
    x, y, z = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
    origin = [0.0, 0.0, 0.0]
    axes, origins = [], []
    for angle, a, (sin_alpha, cos_alpha), d in zip(joints_rad.tolist(), _A_M, _TWISTS, _D_M, strict=True):
        # RotX(alpha) turns y and z about x; then RotZ(q) turns x and y about the new z.
        turned = [cos_alpha * y[i] + sin_alpha * z[i] for i in range(3)]
        z = [cos_alpha * z[i] - sin_alpha * y[i] for i in range(3)]
        origin = [origin[i] + a * x[i] + d * z[i] for i in range(3)]
        sin, cos = math.sin(angle), math.cos(angle)
        x, y = [cos * x[i] + sin * turned[i] for i in range(3)], [cos * turned[i] - sin * x[i] for i in range(3)]
        axes.append(z)
        origins.append(origin)
    sin, cos = math.sin(_HAND_TURN_RAD), math.cos(_HAND_TURN_RAD)
    x, y = [cos * x[i] + sin * y[i] for i in range(3)], [cos * y[i] - sin * x[i] for i in range(3)]
    tool = [origin[i] + (_FLANGE_M + TOOL_OFFSET_M) * z[i] for i in range(3)]
    jacobian = np.empty((6, 7))
    for index, ((ax, ay, az), base) in enumerate(zip(axes, origins, strict=True)):
        rx, ry, rz = tool[0] - base[0], tool[1] - base[1], tool[2] - base[2]
        jacobian[:, index] = (ay * rz - az * ry, az * rx - ax * rz, ax * ry - ay * rx, ax, ay, az)
    return np.array(tool), np.array([x, y, z]).T, jacobian


def tool_yaw(rotation: npt.ArrayLike) -> float:
    """How far the hand is turned about the vertical, in radians: the heading of its ``x`` axis in the base frame."""
    matrix = np.asarray(rotation)
    return math.atan2(matrix[1, 0], matrix[0, 0])
