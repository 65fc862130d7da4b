"""The leader: what is read from it, when its tick is complete, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ros_messages import serialize
from teleop_robots import ARM, CAR

from il_nodes.codecs.action_channels import ActionChannels
from il_nodes.teleop.leader import Leader, leader_sources
from models.contract import Contract
from models.errors import CodecError, DeploymentError

SECOND_NS = 10**9
TICK_NS = 20_000_000


def car_leader(**options: Any) -> Leader:
    return Leader(CAR, leader_sources(CAR, ["/leader/cmd_vel"]), **options)


def car_message(speed: float, turn: float, stamp_ns: int) -> bytes:
    return serialize(ActionChannels(CAR).messages(np.array([speed, turn], np.float32), stamp_ns)[0])


def joint_state(stamp_ns: int, **positions: float) -> bytes:
    from sensor_msgs.msg import JointState

    message = JointState(name=list(positions), position=list(positions.values()))
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, SECOND_NS)
    return serialize(message)


def number(value: float) -> bytes:
    from std_msgs.msg import Float64

    return serialize(Float64(data=value))


def test_a_leader_of_the_robots_own_type_keeps_its_stamp() -> None:
    """Would catch a label that is stamped with when it was read instead of when the leader moved."""
    taken = car_leader().take(0, car_message(1.5, -0.5, 7 * SECOND_NS), 9 * SECOND_NS, 1.0)
    assert taken is not None
    assert (taken[0], taken[1].tolist()) == (7 * SECOND_NS, [1.5, -0.5])


def test_a_stamp_of_zero_is_none() -> None:
    """Would catch a leader that fills in no stamp being older than anything the gate accepts."""
    taken = car_leader().take(0, car_message(1.5, 0.0, 0), 9 * SECOND_NS, 1.0)
    assert taken is not None
    assert taken[0] == 9 * SECOND_NS


def test_scales_and_offsets() -> None:
    """Would catch a gripper whose leader closes at another number, moved the wrong way."""
    leader = car_leader(scales=[2.0, -1.0], offsets=[0.5])
    taken = leader.take(0, car_message(1.0, 1.0, SECOND_NS), 0, 1.0)
    assert taken is not None
    assert taken[1].tolist() == [2.5, -0.5]


def test_a_fast_leader_is_thinned_out_to_the_contracts_rate() -> None:
    """Would catch an expert at 1 kHz, or one that loses every other tick."""
    leader = car_leader()
    stamps = range(SECOND_NS, 3 * SECOND_NS, 5_000_000)
    taken = [leader.take(0, car_message(1.0, 0.0, stamp), 0, stamp * 1e-9) for stamp in stamps]
    assert sum(one is not None for one in taken) == pytest.approx(40, abs=1)
    assert leader.take(0, car_message(1.0, 0.0, stamps[-1]), 0, 3.0) is None, "a repeated stamp is nothing new"


def test_what_cannot_be_used_is_counted_and_does_not_keep_the_leader_alive() -> None:
    """Would catch NaN on its way to the robot, and a leader that counts as there because it sends rubbish."""
    leader = car_leader()
    assert math.isinf(leader.age_s(1.0))
    from geometry_msgs.msg import TwistStamped

    message = TwistStamped()
    message.header.stamp.sec = 1
    message.twist.linear.x = math.nan
    assert leader.take(0, serialize(message), 0, 1.0) is None
    assert "not finite" in leader.problem
    assert leader.take(0, b"\0\1\0\0rubbish", 0, 1.1) is None
    assert leader.refused == 2
    assert math.isinf(leader.age_s(1.1))
    assert leader.take(0, car_message(1.0, 0.0, SECOND_NS), 0, 1.2) is not None
    assert leader.problem == ""
    assert leader.age_s(1.7) == pytest.approx(0.5)


def arm_leader(**options: Any) -> Leader:
    types = ["sensor_msgs/msg/JointState", "std_msgs/msg/Float64"]
    return Leader(ARM, leader_sources(ARM, ["/leader/joint_states", "/leader/gripper"], types, **options))


def test_a_joint_state_leads_a_trajectory_by_joint_names() -> None:
    """Would catch a leader arm whose joints are taken in the order of its driver."""
    leader = arm_leader()
    assert leader.take(0, joint_state(SECOND_NS, lift=0.25, wrist=9.0, elbow=1.5), 0, 1.0) is None, "no gripper yet"
    taken = leader.take(1, number(0.75), SECOND_NS + 1, 1.0)
    assert taken is not None
    assert taken[0] == SECOND_NS, "as old as its oldest part"
    assert taken[1].tolist() == [1.5, 0.25, 0.75]


def test_other_names_by_leader_select() -> None:
    """Would catch a leader whose joints are named differently and that can therefore not be used at all."""
    leader = arm_leader(select=["position.leader_elbow", "position.leader_lift", "data"])
    leader.take(1, number(0.0), SECOND_NS, 1.0)
    taken = leader.take(0, joint_state(SECOND_NS, leader_lift=0.1, leader_elbow=-1.0), SECOND_NS, 1.0)
    assert taken is not None
    assert taken[1].tolist() == pytest.approx([-1.0, 0.1, 0.0])
    assert leader.take(0, joint_state(2 * SECOND_NS, elbow=1.0), 0, 1.1) is None
    assert "leader_elbow" in leader.problem


def test_a_silent_channel_silences_the_leader() -> None:
    """Would catch an arm that goes on under half a leader: the other half is of long ago."""
    leader = arm_leader()
    leader.take(1, number(0.5), SECOND_NS, 1.0)
    for tick in range(1, 20):
        stamp_ns = SECOND_NS + tick * TICK_NS
        taken = leader.take(0, joint_state(0, lift=0.25, elbow=1.5), stamp_ns, 1.0 + tick * 0.02)
        if tick * 0.02 > ARM.gate.expert_max_age_s + 1e-6:
            assert taken is None, tick
    leader.take(1, number(0.5), 2 * SECOND_NS, 1.4)
    assert leader.take(0, joint_state(0, lift=0.25, elbow=1.5), 2 * SECOND_NS + TICK_NS, 1.41) is not None


@pytest.mark.parametrize(
    ("contract", "arguments", "words"),
    [
        (CAR, ([],), "leader_topics"),
        (CAR, (["/a", "/b"],), "leader_topics"),
        (ARM, (["/a"],), "/arm/command, /gripper/command"),
        (ARM, (["/a", "/b"], ["sensor_msgs/msg/JointState"]), "leader_types"),
        (ARM, (["/a", "/b"], [], ["position.elbow"]), "leader_select"),
    ],
)
def test_leaders_that_do_not_fit_the_robot_are_refused(
    contract: Contract, arguments: tuple[list[str], ...], words: str
) -> None:
    """Would catch a leader for one arm on a robot with two, or an error without the robot's channels in it."""
    with pytest.raises(DeploymentError) as caught:
        leader_sources(contract, *arguments)
    assert words in str(caught.value)


def test_a_type_that_cannot_lead() -> None:
    """Would catch a misspelt type that only shows when the first message comes."""
    with pytest.raises(CodecError, match="JointStat"):
        leader_sources(CAR, ["/leader"], ["sensor_msgs/msg/JointStat"])
    named = replace(CAR.action_sources[0], select=("position.x", "position.y"))
    sources = leader_sources(CAR, ["/leader"], ["sensor_msgs/msg/JointState"], named.select or ())
    assert sources[0].channel.type == "sensor_msgs/msg/JointState"
