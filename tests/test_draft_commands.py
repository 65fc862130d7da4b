"""The robot's command in a drafted contract: which topic, which numbers, which limits; and robots that have none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from survey_samples import (
    ARM,
    CAR,
    STAMPED_TWIST,
    TWIST,
    camera,
    comment,
    drafted,
    end,
    heard,
    listened,
    numbers,
    survey,
)

from il_nodes.survey.report import ImageFacts, SurveyReport
from models.errors import DeploymentError
from understudy.contracts.draft import draft_contract

TRAJECTORY, ARRAY = "trajectory_msgs/msg/JointTrajectory", "std_msgs/msg/Float64MultiArray"


# -- commands ----------------------------------------------------------------------------------------------------------


def test_the_driver_that_listens_tells_the_command() -> None:
    """Catches a twist that is measured, or a multiplexer's input, taken for the command."""
    teleoperator = replace(listened("/cmd_vel_joy"), publishers=(end("/joy_teleop", TWIST),))
    report = survey(
        camera(), heard("/base/twist", TWIST, values=numbers(linear__x=0.1, angular__z=0.0)), teleoperator, listened()
    )
    contract = drafted(report)
    assert [source.channel.topic for source in contract.action_sources] == ["/cmd_vel"]
    assert contract.gate.expert_topic == "/cmd_vel_joy"
    assert contract.observations[1].topics == ("/base/twist",)


def test_somebody_who_commands_already_is_told_to_move() -> None:
    """Catches a halt at the first tick: the gate does not share the command topic."""
    report = survey(camera(), replace(listened(), publishers=(end("/teleop_twist_keyboard", TWIST),)))
    assert (
        "/teleop_twist_keyboard publishes here. Only the gate may: remap it to /expert/cmd_vel"
        in draft_contract(report).text
    )


def test_the_gate_is_not_told_to_move() -> None:
    """Catches advice to take the commands away from the one node that may send them, while a stack runs."""
    report = survey(camera(), replace(listened(), publishers=(end("/gate", TWIST),)))
    assert "Only the gate may" not in draft_contract(report).text


@pytest.mark.parametrize(
    ("seen", "limits"),
    [
        ({"linear__x": (0.0, 0.42), "angular__z": (-0.3, 0.9)}, [(0.0, 0.42, 0.84), (-0.9, 0.9, 1.8)]),
        ({"linear__x": (-0.123, -0.05), "angular__z": 0.0}, [(-0.13, 0.0, 0.25), (-0.5, 0.5, 2.0)]),
        ({}, [(-0.2, 0.2, 0.5), (-0.5, 0.5, 2.0)]),
    ],
)
def test_limits_are_what_was_seen_or_very_little(
    seen: dict[str, float | tuple[float, float]], limits: list[tuple[float, float, float]]
) -> None:
    """Catches limits without zero in them, which no robot could stop within, and generous guesses."""
    command = listened(values=numbers(**seen))
    found = drafted(survey(camera(), command)).limits
    for one, expected in zip(found, limits, strict=True):
        assert (one.minimum, one.maximum, one.rate) == pytest.approx(expected)
    assert all(one.minimum <= one.stop <= one.maximum for one in found)


def test_an_arm_is_held_where_it_is() -> None:
    """Catches an arm whose first limits, or whose halt, drive it to zero."""
    report = survey(ARM, listened("/arm_controller/joint_trajectory", TRAJECTORY))
    contract = drafted(report)
    assert contract.action_names == ("positions.pan", "positions.lift")
    pan, lift = contract.limits
    assert (pan.minimum, pan.maximum) == pytest.approx((0.4, 0.6))
    assert (lift.minimum, lift.maximum, lift.unit) == (pytest.approx(-1.3), pytest.approx(-1.1), "rad")
    assert contract.gate.halt_stop == "hold"
    assert "no command was seen" in comment(report, "select: [positions.pan")


@pytest.mark.parametrize(
    ("topic", "unit"), [("/joint_group_velocity_controller/commands", "rad/s"), ("/controller/commands", "")]
)
def test_an_array_without_units_says_so(topic: str, unit: str) -> None:
    """Catches a unit that is made up, and labels that are not the joints'."""
    report = survey(ARM, listened(topic, ARRAY))
    contract = drafted(report)
    assert contract.action_names == ("pan", "lift")
    assert contract.limits[0].unit == unit
    assert ("say its unit too" in comment(report, "pan: ")) == (not unit)


def test_several_commands_on_request() -> None:
    """Catches limits under labels that the contract does not have, and two commands with one expert."""
    arms = [listened(f"/{side}/joint_trajectory", TRAJECTORY) for side in ("left", "right")]
    contract = drafted(survey(ARM, *arms), actions=[arm.topic for arm in arms])
    assert contract.action_names == (
        "left.positions.pan",
        "left.positions.lift",
        "right.positions.pan",
        "right.positions.lift",
    )
    assert contract.gate.expert_topics == ("/expert/left/joint_trajectory", "/expert/right/joint_trajectory")


def test_other_commands_are_offered() -> None:
    """Catches an arm beside a base that nobody learns how to ask for."""
    report = survey(camera(), listened(), listened("/arm_controller/joint_trajectory", TRAJECTORY))
    assert (
        "--actions /arm_controller/joint_trajectory"
        in dict(draft_contract(report).unused)[f"/arm_controller/joint_trajectory ({TRAJECTORY})"]
    )


def test_a_stamped_command_is_aligned_by_its_stamp() -> None:
    """Catches a timeline that the type does not have."""
    assert drafted(survey(camera(), listened("/cmd_vel", STAMPED_TWIST))).action_sources[0].align.timeline == "header"
    assert drafted(CAR).action_sources[0].align.timeline == "receive"


def test_names_that_yaml_would_read_otherwise_are_quoted() -> None:
    """Catches a joint called "on", "1" or "a: b" that becomes a truth value, a number or a syntax error."""
    values = numbers(**{"position__on": 0.0, "position__1": 0.0, "position__a: b": 0.0, "position__#x": 0.0})
    names = [value.name for value in values]
    contract = drafted(survey(replace(ARM, values=values), listened("/commands", ARRAY)), robot_type="no")
    assert contract.robot_type == "no"
    assert contract.observations[0].names == tuple(names)
    assert contract.action_names == ("on", "1", "a: b", "#x")


def test_comments_cannot_break_out() -> None:
    """Catches a driver whose encoding or node name ends the comment and writes into the contract."""
    nasty = "rgb8\nlimits: {}\x00\u2028fps: 1000"
    report = survey(camera(image=ImageFacts(48, 64, nasty)), listened())
    assert drafted(report).fps == 30.0


# -- nothing to draft from ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("report", "options", "says"),
    [
        (survey(nodes=()), {}, ("no robot in ROS domain 0 on this machine", "--domain", "--network")),
        (survey(nodes=(), network=True), {}, ("no robot in ROS domain 0 on this machine and its network", "--domain")),
        (survey(heard("/rosout", "rcl_interfaces/msg/Log")), {}, ("no robot", "but no topics")),
        (survey(camera()), {}, ("no topic looks like the robot's command", "--actions /cmd_vel")),
        (survey(listened()), {}, ("nothing can be observed", "nobody publishes anything", "--domain")),
        (survey(listened(), heard("/map", "nav_msgs/msg/Path")), {}, ("nothing can be observed", "/map", "no codec")),
        (CAR, {"observe": ["/odm"]}, ("no topic /odm", "did you mean '/odom'?")),
        (CAR, {"actions": ["cmd_val"]}, ("no topic cmd_val", "did you mean '/cmd_vel'?")),
        (survey(*CAR.topics, heard("/map", "nav_msgs/msg/Path")), {"observe": ["/map"]}, ("/map cannot be used",)),
        (
            survey(replace(camera(), count=0, rate_hz=None), listened()),
            {"observe": ["/camera/front/image_raw"]},
            ("--seconds",),
        ),
    ],
)
def test_a_robot_that_is_not_there_is_an_error_that_says_where_to_look(
    report: SurveyReport, options: dict[str, Any], says: tuple[str, ...]
) -> None:
    """Catches an empty contract, a traceback, and an error after which nobody knows what to try."""
    with pytest.raises(DeploymentError) as caught:
        draft_contract(report, **options)
    for words in says:
        assert words in str(caught.value)
