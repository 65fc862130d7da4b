"""The doctor between a contract and its robot: one thing is wrong at a time, and one row must name it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from survey_samples import (
    DRIVER,
    IMAGE,
    ODOMETRY,
    STAMPED_TWIST,
    TWIST,
    camera,
    end,
    heard,
    listened,
    numbers,
    odometry,
    survey,
)

from il_nodes.survey.report import ImageFacts, StampFacts, SurveyReport, TopicReport, ValueFacts
from models.contract import Contract, parse_contract
from understudy.doctor.contract import judge_robot
from understudy.doctor.diagnosis import OK, PROBLEM, WARNING, Row

TEXT = """
robot_type: rover
fps: 20
observations:
  observation.images.front:
    channel: {topic: /camera/front/image_raw, type: sensor_msgs/msg/Image}
    align: {strategy: hold, timeline: header}
    apply: [resize: [96, 128]]
    max_age: 150 ms
  observation.state:
    channel: {topic: /odom, type: nav_msgs/msg/Odometry}
    align: {strategy: hold, timeline: header}
    select: [twist.twist.linear.x, twist.twist.angular.z]
    max_age: 150 ms
actions:
  action:
    channel: {topic: /cmd_vel, type: geometry_msgs/msg/TwistStamped}
    align: {strategy: hold, timeline: header}
    select: [twist.linear.x, twist.angular.z]
limits:
  action:
    twist.linear.x: {min: 0, max: 0.3, rate: 1}
    twist.angular.z: {min: -1, max: 1, rate: 4}
gate:
  expert: {topic: /expert/cmd_vel, max_age: 150 ms}
"""
CONTRACT = parse_contract(TEXT)
CAMERA, ODOM, COMMAND = camera(rate_hz=20.0), odometry(), listened("/cmd_vel", STAMPED_TWIST)
COMMANDS = numbers(twist__linear__x=(0.0, 0.3), twist__angular__z=(-1.0, 1.0))
TELEOP = end("/teleop", STAMPED_TWIST, "reliable")
EXPERT = heard("/expert/cmd_vel", STAMPED_TWIST, values=COMMANDS, publishers=(TELEOP,))
WELL = survey(CAMERA, ODOM, COMMAND, EXPERT)


def with_topic(topic: TopicReport) -> SurveyReport:
    """The robot in good health, but for one topic."""
    return replace(WELL, topics=tuple(topic if one.topic == topic.topic else one for one in WELL.topics))


def without(name: str, *others: TopicReport) -> SurveyReport:
    return replace(WELL, topics=(*(one for one in WELL.topics if one.topic != name), *others))


def complaints(report: SurveyReport, contract: Contract = CONTRACT) -> list[Row]:
    return [row for row in judge_robot(contract, report) if row.level != OK]


def test_a_robot_in_good_health_has_no_complaint() -> None:
    """Catches a doctor that cries wolf, and one that forgets to look at a stream."""
    rows = judge_robot(CONTRACT, WELL)
    assert [row for row in rows if row.level != OK] == []
    groups = dict.fromkeys(row.group for row in rows)
    assert list(groups) == [
        "the robot",
        "observation.images.front: /camera/front/image_raw",
        "observation.state: /odom",
        "together",
        "action: /cmd_vel",
        "expert: /expert/cmd_vel",
    ]


def stamps(*facts: Any) -> TopicReport:
    return replace(CAMERA, stamps=StampFacts(*facts))


FINDINGS: dict[str, tuple[SurveyReport, str, str, str]] = {
    "silent: no publisher": (without("/odom"), "publisher", PROBLEM, "nobody publishes it"),
    "silent: misspelt": (
        without("/odom", replace(ODOM, topic="/odomm")),
        "publisher",
        PROBLEM,
        "did you mean '/odomm'?",
    ),
    "silent: of that type": (
        without("/odom", replace(ODOM, topic="/base/wheels")),
        "publisher",
        PROBLEM,
        "of this type there is /base/wheels",
    ),
    "silent: no message": (
        with_topic(TopicReport("/odom", (ODOMETRY,), publishers=ODOM.publishers)),
        "messages",
        PROBLEM,
        "nothing came in 3 s",
    ),
    "wrong type": (
        with_topic(replace(ODOM, types=(TWIST,), publishers=(end(DRIVER, TWIST),))),
        "type",
        PROBLEM,
        f"publishes {TWIST}",
    ),
    "unreadable": (with_topic(replace(ODOM, problem="no joint named 'elbo'")), "content", PROBLEM, "elbo"),
    "slow trigger": (with_topic(camera(rate_hz=12.0)), "slow", PROBLEM, "fps: 10"),
    "slow sense": (with_topic(odometry(9.0)), "slow", WARNING, "its samples serve several ticks"),
    "jittery": (with_topic(replace(CAMERA, jitter_s=0.04)), "jittery", WARNING, "40 ms"),
    "gap": (with_topic(replace(CAMERA, longest_gap_s=0.4)), "gaps", WARNING, "a gap of 400 ms"),
    "losses": (with_topic(replace(CAMERA, lost=9)), "losses", WARNING, "9 of 69"),
    "stamps missing": (with_topic(stamps("unset", 1e9, 1e9, 59)), "stamps", PROBLEM, "zero"),
    "stamps not advancing": (with_topic(stamps("wall", 0.01, 0.012, 59)), "stamps", PROBLEM, "59 of 60 repeat"),
    "stamps backward": (with_topic(stamps("wall", 0.01, 0.012, 0, 3)), "stamps in order", WARNING, "3 of 60"),
    "another clock": (with_topic(stamps("monotonic", 0.01, 0.012)), "stamps", PROBLEM, "the monotonic clock"),
    "simulated clock": (with_topic(stamps("simulated", 0.0, 0.0)), "stamps", PROBLEM, "use_sim_time"),
    "no clock": (with_topic(stamps("unknown", 1e7, 1e7)), "stamps", PROBLEM, "no clock of this machine"),
    "future": (with_topic(stamps("wall", -0.3, -0.29)), "stamps", PROBLEM, "300 ms in the future"),
    "a little ahead": (with_topic(stamps("wall", -0.02, -0.01)), "stamps", WARNING, "20 ms in the future"),
    "too old": (with_topic(stamps("wall", 0.4, 0.5)), "stamps", PROBLEM, "max_age is 150 ms"),
    "too old at times": (with_topic(stamps("wall", 0.1, 0.2)), "stamps", WARNING, "at times 200 ms"),
    "enlarged": (with_topic(replace(CAMERA, image=ImageFacts(48, 64, "rgb8"))), "image", WARNING, "enlarged"),
    "squeezed": (with_topic(replace(CAMERA, image=ImageFacts(720, 1280, "rgb8"))), "image", WARNING, "squeezed"),
    "changing size": (with_topic(replace(CAMERA, image=ImageFacts(480, 640, "rgb8", 2))), "image", PROBLEM, "2 diff"),
    "NaN": (
        with_topic(replace(ODOM, values=(ODOM.values[0], ODOM.values[1], replace(ODOM.values[2], not_finite=7)))),
        "values",
        PROBLEM,
        "twist.twist.angular.z in 7 of 150",
    ),
    "frozen": (with_topic(replace(ODOM, still_s=2.0)), "changes", WARNING, "the same for 2.0 s"),
    "second commander": (
        with_topic(replace(COMMAND, publishers=(end("/nav/teleop", STAMPED_TWIST),))),
        "publishers",
        PROBLEM,
        "/nav/teleop publishes commands",
    ),
    "no driver": (without("/cmd_vel"), "listeners", PROBLEM, "nobody listens"),
    "another driver": (with_topic(listened("/cmd_vel", TWIST)), "type", PROBLEM, f"expects {TWIST}"),
    "latched driver": (
        with_topic(replace(COMMAND, subscribers=(end(DRIVER, STAMPED_TWIST, "reliable", "transient_local"),))),
        "quality of service",
        PROBLEM,
        "latched",
    ),
    "no expert": (without("/expert/cmd_vel"), "publisher", WARNING, "nobody publishes it"),
    "expert that nobody hears": (
        with_topic(replace(EXPERT, publishers=(end("/joy", STAMPED_TWIST),))),
        "quality of service",
        PROBLEM,
        "/joy offers best_effort, the contract asks for reliable",
    ),
    "expert of another type": (
        with_topic(replace(EXPERT, publishers=(end("/joy", TWIST),))),
        "type",
        PROBLEM,
        f"/joy publishes {TWIST}",
    ),
    "silent expert": (
        with_topic(TopicReport("/expert/cmd_vel", (STAMPED_TWIST,), publishers=EXPERT.publishers)),
        "messages",
        WARNING,
        "dead-man button",
    ),
    "slow expert": (
        with_topic(heard("/expert/cmd_vel", STAMPED_TWIST, 5.0, values=COMMANDS, publishers=(TELEOP,))),
        "messages",
        PROBLEM,
        "5.0 Hz",
    ),
    "wild expert": (
        with_topic(replace(EXPERT, values=(ValueFacts("twist.linear.x", -1.0, 9.0, 9.0), COMMANDS[1]))),
        "values",
        WARNING,
        "twist.linear.x -1 to 9, allowed 0 to 0.3",
    ),
}


@pytest.mark.parametrize(("report", "check", "level", "says"), FINDINGS.values(), ids=FINDINGS)
def test_what_is_wrong_is_the_one_row_that_complains(report: SurveyReport, check: str, level: str, says: str) -> None:
    """Catches a finding that is missed, or buried under others that follow from it."""
    # A stream that is slow, or on another clock, is apart from the others too; that has a test of its own below.
    found = [row for row in complaints(report) if row.group != "together"]
    assert [(row.check, row.level) for row in found] == [(check, level)], found
    assert says in f"{found[0].found} {found[0].mend}"
    assert found[0].mend


def test_a_mismatch_of_quality_of_service_is_explained() -> None:
    """Catches "nothing came" where both ends are there and only their QoS keeps them apart."""
    text = TEXT.replace("type: sensor_msgs/msg/Image}", "type: sensor_msgs/msg/Image, qos: {reliability: reliable}}")
    contract = parse_contract(text)
    (row,) = complaints(WELL, contract)
    assert (row.check, row.level) == ("quality of service", PROBLEM)
    assert f"{DRIVER} offers best_effort, the contract asks for reliable" in row.found
    assert "qos: {reliability: best_effort}" in row.mend
    offered = with_topic(replace(CAMERA, publishers=(end(DRIVER, IMAGE, "reliable"),)))
    assert complaints(offered, contract) == []


def test_the_gate_itself_is_no_second_commander() -> None:
    """Catches a doctor that asks for the gate to be removed."""
    assert complaints(with_topic(replace(COMMAND, publishers=(end("/gate", STAMPED_TWIST),)))) == []


def shifted(topic: TopicReport, by_s: float, age_s: float) -> TopicReport:
    moved = tuple(stamp + round(by_s * 1e9) for stamp in topic.stamps_ns)
    return replace(topic, stamps_ns=moved, stamps=StampFacts("wall", age_s, age_s + 0.002))


@pytest.mark.parametrize(
    ("other", "level"),
    [
        (ODOM, OK),
        (shifted(ODOM, 0.005, 0.01), OK),
        (shifted(ODOM, -0.1, 0.11), PROBLEM),  # stamped by a clock that is 100 ms behind
        (shifted(ODOM, 0.0, 0.11), PROBLEM),  # takes 100 ms longer to arrive
        (odometry(11.0), WARNING),  # 45 ms old on average, and up to 90
    ],
    ids=["together", "between", "skewed", "late", "slow"],
)
def test_streams_that_are_apart_are_no_observation(other: TopicReport, level: str) -> None:
    """Catches a skew that only shows up as an expert who drives all the time, for reasons nobody sees."""
    (row,) = [row for row in judge_robot(CONTRACT, with_topic(other)) if row.group == "together"]
    assert row.level == level, row
    assert ("sync_tolerance is 50 ms" in row.mend) == (level != OK)


def test_simulated_time_is_the_clock_to_be_on() -> None:
    """Catches a simulated robot whose stamps are called wrong, and one without use_sim_time that is called right."""
    on_clock = [
        replace(topic, stamps=StampFacts("simulated", 0.0, 0.01)) if topic.stamps else topic for topic in WELL.topics
    ]
    report = survey(*on_clock, simulated_time=True)
    assert complaints(report) == []
    assert any("use_sim_time" in row.found for row in judge_robot(CONTRACT, report))
    mixed = complaints(replace(report, topics=(CAMERA, *on_clock[1:])))
    assert [(row.check, row.level) for row in mixed] == [("stamps", PROBLEM)]


def test_nobody_there_is_one_row_and_not_one_a_stream() -> None:
    """Catches twelve complaints about a robot that is switched off."""
    asked = [TopicReport(topic, ()) for topic in CONTRACT.topics()]
    (row,) = judge_robot(CONTRACT, survey(*asked, nodes=(), domain=7))
    assert (row.check, row.level) == ("nodes", PROBLEM)
    assert "ROS domain 7" in row.found
    assert "--domain" in row.mend


@pytest.mark.parametrize("names", [[], ["twist.linear.x"]])
def test_numbers_that_were_not_seen_are_no_finding(names: Sequence[str]) -> None:
    """Catches a crash on a silent command, or on one of which only a part is known."""
    values = tuple(ValueFacts(name, None, None, None) for name in names)
    assert complaints(with_topic(replace(EXPERT, values=values))) == []


def test_stamps_ahead_of_the_simulators_clock_are_not_two_machines() -> None:
    """Catches chrony recommended for a simulator whose ``/clock`` comes after the picture that is stamped with it."""
    ahead = replace(CAMERA, stamps=StampFacts("simulated", -0.011, -0.011))
    others = [replace(one, stamps=StampFacts("simulated", 0.0, 0.0)) for one in (ODOM, EXPERT)]
    found = [row for row in complaints(survey(ahead, *others, COMMAND, simulated_time=True)) if row.check == "stamps"]
    assert [(row.level, row.found) for row in found] == [(WARNING, "they lie 11 ms ahead of /clock")]
    assert "/clock" in found[0].mend
    assert "machines" not in found[0].mend
