"""Which observation says where a held joint is, and in which units."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from gated_robot import ARM, CONTRACT
from ros_messages import joints_cdr

from il_nodes.gate.measured_positions import MeasuredPositions
from il_nodes.teleop.watch import PositionWatch
from models.contract import Contract, Source, parse_contract
from models.errors import CodecError


def test_held_joints_are_found_by_name_in_the_units_of_the_wire() -> None:
    """The observation is in degrees, and the position is its second number; a command is in radians."""
    measured = MeasuredPositions(ARM)
    assert {topic: channel.type for topic, channel in measured.channels.items()} == {
        "/joint_states": "sensor_msgs/msg/JointState"
    }
    cdr = joints_cdr(1, ("wrist", "elbow"), positions=(9.0, 0.75), velocities=(8.0, 7.0))
    found = measured.positions("/joint_states", cdr)
    assert found.dtype == np.float32
    assert found[0] == pytest.approx(0.75)
    assert math.isnan(found[1]), "the base's speed is no position"


def test_where_nothing_is_held_nothing_is_listened_to() -> None:
    assert not MeasuredPositions(CONTRACT).channels
    assert not MeasuredPositions(replace(ARM, gate=replace(ARM.gate, halt_stop="limits"))).channels


def test_a_position_that_nobody_measures() -> None:
    state = ARM.observations[0]
    other = replace(state, sources=(replace(state.sources[0], select=("velocity.elbow",)),))
    assert not MeasuredPositions(replace(ARM, observations=(other,))).channels


def test_images_measure_nothing() -> None:
    image = CONTRACT.observations[0]
    measured = MeasuredPositions(replace(ARM, observations=(image, *ARM.observations)))
    assert list(measured.channels) == ["/joint_states"]


def test_a_message_without_the_joint_is_an_error() -> None:
    with pytest.raises(CodecError, match="elbow"):
        MeasuredPositions(ARM).positions(
            "/joint_states", joints_cdr(1, ("wrist",), positions=(1.0,), velocities=(0.0,))
        )


def arm(commanded: tuple[str, str], observed: tuple[str, str], topic: str = "/joint_states") -> Contract:
    """One elbow, commanded and observed by (message type, name of the value)."""
    return parse_contract(f"""
robot_type: arm
fps: 20
observations:
  observation.state:
    channel: {{topic: {topic}, type: {observed[0]}}}
    align: {{strategy: hold, timeline: header}}
    select: [{observed[1]}]
actions:
  action:
    channel: {{topic: /arm/command, type: {commanded[0]}}}
    align: {{strategy: hold, timeline: header}}
    select: [{commanded[1]}]
limits:
  action: {{{commanded[1]}: {{min: -2, max: 2, rate: 1, unit: rad}}}}
gate: {{expert: {{topic: /expert/arm}}, halt: {{stop: hold}}}}
""")


STATE, TRAJECTORY = "sensor_msgs/msg/JointState", "trajectory_msgs/msg/JointTrajectory"


@pytest.mark.parametrize(
    ("commanded", "observed", "is_measured"),
    [
        ((TRAJECTORY, "positions.elbow"), (STATE, "position.elbow"), True),
        ((TRAJECTORY, "elbow"), (STATE, "position.elbow"), True),
        ((TRAJECTORY, "positions.elbow"), (STATE, "elbow"), True),
        ((TRAJECTORY, "positions.left.elbow"), (STATE, "position.left.elbow"), True),
        ((STATE, "position.elbow"), (TRAJECTORY, "positions.elbow"), True),
        ((TRAJECTORY, "positions.elbow"), (STATE, "position.wrist"), False),
        ((TRAJECTORY, "positions.elbow"), (STATE, "velocity.elbow"), False),
        ((TRAJECTORY, "positions.elbow"), (STATE, "effort.elbow"), False),
    ],
)
def test_a_trajectory_is_measured_by_joint_states_however_both_are_spelled(
    commanded: tuple[str, str], observed: tuple[str, str], is_measured: bool
) -> None:
    """Would catch an arm under joint_trajectory_controller that jumps to wherever its expert's first command is."""
    robot = arm(commanded, observed)
    assert MeasuredPositions(robot).dimensions.tolist() == [is_measured]
    assert list(PositionWatch(robot).channels) == ["/joint_states"] * is_measured, "gate and teleoperator disagree"


def test_a_command_topic_measures_nothing() -> None:
    """A policy may see the last command; the gate that waited for it to say where the arm is would wait for ever."""
    elbow = (TRAJECTORY, "positions.elbow")
    assert MeasuredPositions(arm(elbow, elbow, "/arm/state")).channels
    assert not MeasuredPositions(arm(elbow, elbow, "/arm/command")).channels
    assert not MeasuredPositions(arm(elbow, elbow, "arm/command")).channels


def test_values_of_other_messages_keep_their_names() -> None:
    """Labels of plain numbers are the contract's own words."""
    plain = "std_msgs/msg/Float64MultiArray"
    text = arm((STATE, "position.elbow"), (STATE, "position.elbow")).text

    def measured(label: str) -> list[bool]:
        lines = text.replace(f"/joint_states, type: {STATE}", f"/angles, type: {plain}").splitlines()
        start = next(number for number, line in enumerate(lines) if "/angles" in line)
        lines[start + 1 : start + 3] = ["    align: {strategy: hold, timeline: receive}", f"    select: [{label}]"]
        return MeasuredPositions(parse_contract("\n".join(lines))).dimensions.tolist()

    assert measured("position.elbow") == [True]
    assert measured("positions.elbow") == [True]
    assert measured("elbow") == [False]


def test_a_name_that_two_dimensions_have_measures_neither() -> None:
    """Two arms under keys of their own: nobody can say whose elbow it is that an observation names."""
    robot = arm((TRAJECTORY, "positions.elbow"), (STATE, "position.elbow"))
    [stream], [limit] = robot.actions, robot.limits
    other = replace(stream.sources[0], channel=replace(stream.sources[0].channel, topic="/right/command"))
    two = replace(robot, actions=(stream, replace(stream, key="action.right", sources=(other,))), limits=(limit, limit))
    assert MeasuredPositions(two).dimensions.tolist() == [False, False]


def test_two_sources_of_one_stream_are_told_apart_by_their_topics() -> None:
    robot = arm((TRAJECTORY, "positions.elbow"), (STATE, "position.elbow"))

    def on(source: Source, topic: str) -> Source:
        return replace(source, channel=replace(source.channel, topic=topic))

    [action], [state], [limit] = robot.actions, robot.observations, robot.limits
    two = replace(
        robot,
        actions=(replace(action, sources=tuple(on(action.sources[0], f"/{side}/command") for side in SIDES)),),
        observations=(replace(state, sources=tuple(on(state.sources[0], f"/{side}/joint_states") for side in SIDES)),),
        limits=(limit, limit),
    )
    measured = MeasuredPositions(two)
    assert list(measured.channels) == ["/left/joint_states", "/right/joint_states"]
    cdr = joints_cdr(1, ("elbow",), positions=(0.75,), velocities=(0.0,))
    np.testing.assert_array_equal(measured.positions("/right/joint_states", cdr), [np.nan, np.float32(0.75)])


SIDES = ("left", "right")
