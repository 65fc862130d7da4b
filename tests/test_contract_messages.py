"""What is known of ROS message types: headers, fields and units."""

from __future__ import annotations

import pytest

from models.contract.messages import (
    LABEL_TYPES,
    NAMED_FIELDS,
    SCALAR_TYPES,
    field_unit,
    has_header,
    known_types,
    select_problem,
)


def test_header_knowledge_matches_the_message_definitions() -> None:
    """Catches a header timeline accepted for a type without one, for the types that robots use most."""
    for name in (
        "sensor_msgs/msg/Image",
        "geometry_msgs/msg/TwistStamped",
        "nav_msgs/msg/Odometry",
        "sensor_msgs/msg/Joy",
    ):
        assert has_header(name) is True
    for name in (
        "geometry_msgs/msg/Twist",
        "std_msgs/msg/Float64MultiArray",
        "std_msgs/msg/Header",
        "tf2_msgs/msg/TFMessage",
    ):
        assert has_header(name) is False
    assert has_header("my_msgs/msg/Thing") is None


def test_message_tables_name_real_types() -> None:
    """Catches a misspelt type in our own tables, which would make its rule dead."""
    assert set(NAMED_FIELDS) <= known_types()
    assert known_types() >= LABEL_TYPES | SCALAR_TYPES


@pytest.mark.parametrize(
    ("message_type", "path"),
    [
        ("nav_msgs/msg/Odometry", "pose.pose.position.z"),
        ("nav_msgs/msg/Odometry", "twist.covariance.0"),
        ("sensor_msgs/msg/LaserScan", "ranges.359"),
        ("sensor_msgs/msg/LaserScan", "header.stamp.sec"),
        ("sensor_msgs/msg/JointState", "elbow"),
        ("sensor_msgs/msg/JointState", "velocity.arm.elbow"),
        ("trajectory_msgs/msg/JointTrajectory", "positions.elbow"),
        ("sensor_msgs/msg/Joy", "3"),
        ("nav_msgs/msg/Path", "poses.0.pose.position.x"),
        ("my_msgs/msg/Thing", "whatever"),
        ("std_msgs/msg/Float32MultiArray", "any label"),
    ],
)
def test_paths_to_numbers_are_accepted(message_type: str, path: str) -> None:
    """Catches a select that is right and refused."""
    assert select_problem(message_type, path) is None


@pytest.mark.parametrize(
    ("message_type", "path", "unit"),
    [
        ("geometry_msgs/msg/TwistStamped", "twist.linear.x", ("m/s",)),
        ("geometry_msgs/msg/Twist", "angular.z", ("rad/s",)),
        ("geometry_msgs/msg/AccelStamped", "accel.linear.y", ("m/s^2",)),
        ("geometry_msgs/msg/WrenchStamped", "wrench.torque.z", ("Nm",)),
        ("geometry_msgs/msg/PoseStamped", "pose.position.x", ("m",)),
        ("sensor_msgs/msg/JointState", "elbow", ("rad", "m")),
        ("trajectory_msgs/msg/JointTrajectory", "velocities.elbow", ("rad/s", "m/s")),
        ("std_msgs/msg/Float64", "data", ()),
        ("sensor_msgs/msg/Imu", "orientation.x", ()),
    ],
)
def test_units_of_fields(message_type: str, path: str, unit: tuple[str, ...]) -> None:
    """Catches a yaw rate that could be limited in metres per second."""
    assert field_unit(message_type, path) == unit
