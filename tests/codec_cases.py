"""One message of every type that a codec serves, for the tests of codecs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from il_nodes.codecs import (
    import_message_class,
)

JOINTS = ["lift", "shoulder.pan", "elbow"]


@dataclass(frozen=True)
class Case:
    """One message of one type, what to select from it, and what must come out."""

    fill: Callable[[Any], None]
    select: tuple[str, ...] | None
    expected: Any
    round_trip: bool = True


def fill_twist(twist: Any) -> None:
    twist.linear.x, twist.linear.y, twist.linear.z = 1.5, -0.0, 3.25
    twist.angular.x, twist.angular.y, twist.angular.z = 4.0, 5.0, -6.125


def fill_pose(pose: Any) -> None:
    pose.position.x, pose.position.y, pose.position.z = 1.0, 2.0, 3.0
    pose.orientation.x, pose.orientation.w = 0.6, 0.8


def fill_odometry(message: Any) -> None:
    message.child_frame_id = "base_link"
    fill_pose(message.pose.pose)
    fill_twist(message.twist.twist)
    message.pose.covariance = np.arange(36.0)
    message.twist.covariance = np.arange(100.0, 136.0)


def fill_imu(message: Any) -> None:
    message.orientation.z = -0.25
    message.angular_velocity.y = 2.5
    message.linear_acceleration.z = 9.75
    message.angular_velocity_covariance = np.arange(9.0)


def fill_joints(message: Any) -> None:
    message.name = JOINTS
    message.position = [0.1, 0.2, 0.3]
    message.velocity = [1.0, 2.0, 3.0]


def fill_trajectory(message: Any) -> None:
    message.joint_names = JOINTS
    point_class = import_message_class("trajectory_msgs/msg/JointTrajectoryPoint")
    message.points = [
        point_class(positions=[1.0, 2.0, 3.0], velocities=[4.0, 5.0, 6.0]),
        point_class(positions=[7.0, 8.0, 9.0]),
    ]


def fill_image(message: Any) -> None:
    message.height, message.width, message.encoding, message.step = 2, 3, "bgr8", 11  # two bytes of row padding
    message.data = bytes(range(22))


def fill_png(message: Any) -> None:
    import cv2

    pixels = np.array([[[255, 0, 0], [0, 255, 0]]], np.uint8)  # RGB
    message.format = "png"
    message.data = cv2.imencode(".png", pixels[:, :, ::-1])[1].tobytes()


def fill_joy(message: Any) -> None:
    message.axes, message.buttons = [0.5, -1.0, 0.25], [0, 1]


def fill_multi_array(message: Any) -> None:
    dimension = import_message_class("std_msgs/msg/MultiArrayDimension")
    message.layout.dim = [dimension(label="odd", size=3, stride=3)]
    message.layout.data_offset = 1
    message.data = [99.0, 1.5, 2.5, 3.5]


def fill_scalar(message: Any) -> None:
    message.data = 0.75


BGR_AS_RGB = [[[2, 1, 0], [5, 4, 3], [8, 7, 6]], [[13, 12, 11], [16, 15, 14], [19, 18, 17]]]
CASES: dict[str, list[Case]] = {
    "geometry_msgs/msg/Twist": [
        Case(fill_twist, ("linear.x", "angular.z"), [1.5, -6.125]),
        Case(fill_twist, None, [1.5, -0.0, 3.25, 4.0, 5.0, -6.125]),
    ],
    "geometry_msgs/msg/TwistStamped": [
        Case(lambda m: fill_twist(m.twist), ("twist.angular.z", "twist.linear.x"), [-6.125, 1.5])
    ],
    "geometry_msgs/msg/PoseStamped": [
        Case(lambda m: fill_pose(m.pose), ("pose.position.z", "pose.orientation.w"), [3.0, 0.8])
    ],
    "geometry_msgs/msg/WrenchStamped": [
        Case(lambda m: setattr(m.wrench.torque, "y", 7.0), ("wrench.torque.y", "wrench.force.x"), [7.0, 0.0])
    ],
    "nav_msgs/msg/Odometry": [
        Case(
            fill_odometry,
            ("twist.twist.linear.x", "twist.twist.angular.z", "pose.pose.orientation.x", "twist.covariance.35"),
            [1.5, -6.125, 0.6, 135.0],
        ),
        Case(fill_odometry, None, [1.0, 2.0, 3.0, 0.6, 0.0, 0.0, 0.8, 1.5, -0.0, 3.25, 4.0, 5.0, -6.125]),
    ],
    "sensor_msgs/msg/Imu": [
        Case(
            fill_imu,
            ("orientation.z", "angular_velocity.y", "linear_acceleration.z", "angular_velocity_covariance.8"),
            [-0.25, 2.5, 9.75, 8.0],
        )
    ],
    "sensor_msgs/msg/JointState": [
        Case(fill_joints, ("position.elbow", "velocity.elbow"), [0.3, 3.0]),
        Case(fill_joints, ("shoulder.pan", "position.lift"), [0.2, 0.1]),
    ],
    "trajectory_msgs/msg/JointTrajectory": [
        Case(fill_trajectory, ("positions.elbow", "velocities.elbow"), [3.0, 6.0]),
        Case(fill_trajectory, ("position.lift", "shoulder.pan"), [1.0, 2.0]),
    ],
    "sensor_msgs/msg/Joy": [
        Case(fill_joy, ("axes.1", "buttons.1", "0"), [-1.0, 1.0, 0.5]),
        Case(fill_joy, None, [0.5, -1.0, 0.25, 0.0, 1.0], round_trip=False),
    ],
    "sensor_msgs/msg/Image": [Case(fill_image, None, BGR_AS_RGB)],
    "sensor_msgs/msg/CompressedImage": [Case(fill_png, None, [[[255, 0, 0], [0, 255, 0]]], round_trip=False)],
    "std_msgs/msg/Float64MultiArray": [
        Case(fill_multi_array, ("data.2", "0", "1"), [3.5, 1.5, 2.5]),
        Case(fill_multi_array, ("x", "y", "z"), [1.5, 2.5, 3.5]),
    ],
    "std_msgs/msg/Float32MultiArray": [Case(fill_multi_array, None, [1.5, 2.5, 3.5])],
    "std_msgs/msg/Float64": [Case(fill_scalar, None, [0.75])],
    "std_msgs/msg/Float32": [Case(fill_scalar, ("throttle",), [0.75])],
}
