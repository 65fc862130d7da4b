"""The action vector over several topics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from gated_robot import CONTRACT
from teleop_robots import ARM

from il_nodes.codecs.action_channels import ActionChannels
from models.errors import CodecError


def test_commands_are_split_and_the_experts_parts_joined() -> None:
    """Two command topics: each gets its part, and the expert's command is as old as its oldest part."""
    pytest.importorskip("rclpy")
    from rclpy.serialization import serialize_message

    (stream,) = CONTRACT.actions
    (source,) = stream.sources
    speed = replace(source, select=("twist.linear.x",))
    turn = replace(source, select=("twist.angular.z",), channel=replace(source.channel, topic="/turn"))
    channels = ActionChannels(replace(CONTRACT, actions=(replace(stream, sources=(speed, turn)),)))
    messages = channels.messages(np.array([1.5, -0.5], np.float32), 2_000_000_001)
    assert (messages[0].twist.linear.x, messages[0].twist.angular.z) == (1.5, 0.0)
    assert (messages[1].twist.linear.x, messages[1].twist.angular.z) == (0.0, -0.5)
    assert messages[1].header.stamp.nanosec == 1
    assert channels.join(0, serialize_message(messages[0]), 0) is None
    older = channels.messages(np.array([0.0, 0.25], np.float32), 1_000_000_000)[1]
    action = channels.join(1, serialize_message(older), 0)
    assert action is not None
    assert action.stamp_ns == 1_000_000_000
    assert action.values.tolist() == [1.5, 0.25]
    assert channels.join(1, serialize_message(older), -1) is None, "the clock went back: the other part is of before"
    cloud = replace(speed, channel=replace(speed.channel, type="sensor_msgs/msg/PointCloud2"))
    with pytest.raises(CodecError, match="PointCloud2"):  # at once, not at the first command
        ActionChannels(replace(CONTRACT, actions=(replace(stream, sources=(cloud, turn)),)))
    with pytest.raises(CodecError):
        channels.join(0, b"\0\1\0\0rubbish", 0)


@pytest.mark.parametrize(
    ("now_ns", "reach_ns"),
    [
        (None, 20_000_000),
        (5_000_000_000, 20_000_000),
        (5_005_000_000, 25_000_000),
        (6_990_000_000, 2_010_000_000),
        (4_000_000_000, 20_000_000),
    ],
)
def test_a_trajectory_is_to_be_reached_one_period_from_now(now_ns: int | None, reach_ns: int) -> None:
    """Would catch commands that joint_trajectory_controller drops: stamped in the past, they must not end there too."""
    pytest.importorskip("rclpy")
    stamp_ns = 5_000_000_000
    arm, gripper = ActionChannels(ARM).messages(np.array([0.5, 0.1, 1.0], np.float32), stamp_ns, now_ns)
    [point] = arm.points
    found_ns = point.time_from_start.sec * 10**9 + point.time_from_start.nanosec
    assert found_ns == reach_ns
    assert stamp_ns + found_ns > (now_ns or 0)
    assert (arm.header.stamp.sec, arm.header.stamp.nanosec) == (5, 0), "recordings go by what a command answers"
    assert list(point.positions) == pytest.approx([0.5, 0.1])
    assert gripper.data == 1.0
