"""Which observation says where a held joint is, and in which units."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from gated_robot import ARM, CONTRACT
from ros_messages import joints_cdr

from il_nodes.gate.measured_positions import MeasuredPositions
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
