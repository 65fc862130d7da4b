"""From what was measured to a contract: which topics, which numbers, and what only a person can know."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from survey_samples import (
    ARM,
    CAR,
    IMAGE,
    JOINTS,
    TWIST,
    camera,
    comment,
    drafted,
    end,
    heard,
    listened,
    numbers,
    odometry,
    survey,
)

from il_nodes.survey.report import ImageFacts, StampFacts
from models.contract import Contract, parse_contract
from understudy.contracts.check import describe
from understudy.contracts.draft import draft_contract

TRAJECTORY, ARRAY = "trajectory_msgs/msg/JointTrajectory", "std_msgs/msg/Float64MultiArray"


def topics_of(contract: Contract) -> list[str]:
    return [source.channel.topic for stream in contract.observations for source in stream.sources]


# -- the whole ---------------------------------------------------------------------------------------------------------


def test_a_car_with_a_camera() -> None:
    """Catches a draft that does not load, or whose streams are not the robot's."""
    contract = drafted(CAR, robot_type="rover")
    assert (contract.robot_type, contract.fps, contract.trigger) == ("rover", 30.0, "observation.images.front")
    image, state = contract.observations
    assert (image.key, image.image_size) == ("observation.images.front", (96, 128))
    assert state.names == ("twist.twist.linear.x", "twist.twist.angular.z")
    assert contract.action_names == ("linear.x", "angular.z")
    assert contract.gate.expert_topic == "/expert/cmd_vel"
    contract.require_limits()


def test_facts_stand_beside_their_keys() -> None:
    """Catches numbers without the measurement that they come from."""
    topic = comment(CAR, "topic: /camera/front/image_raw")
    assert re.search(r"measured: 29\.9 Hz .*640x480 rgb8.*best effort, from /robot/driver", topic)
    assert "wall clock, 10 ms old on arrival" in comment(CAR, "align:")
    assert "640x480" in comment(CAR, "apply:")
    assert "/camera/front/image_raw is the slowest stream, 29.9 Hz" in comment(CAR, "fps:")
    assert "/robot/driver listens" in comment(CAR, "topic: /cmd_vel")


def test_every_placeholder_is_named_by_the_check_until_it_is_changed() -> None:
    """Catches limits that nobody chose and nobody is told of; the file's own words about the mark do not count."""
    draft = draft_contract(CAR)
    warnings = [text for text in describe(parse_contract(draft.text)).warnings if "placeholder" in text]
    assert (draft.placeholders, len(warnings)) == (2, 2)
    assert "linear.x: {min: -0.2" in warnings[0]
    changed = re.sub(r"  # CHANGE ME:.*", "", draft.text)
    assert not [text for text in describe(parse_contract(changed)).warnings if "placeholder" in text]


def test_the_dry_run_is_mentioned() -> None:
    """Catches a newcomer who thinks that the drafted policy will move the robot at once."""
    assert "dry run" in draft_contract(CAR).text
    assert "enable_control: false" in draft_contract(CAR).text


# -- streams -----------------------------------------------------------------------------------------------------------


def test_what_cannot_be_used_is_listed_with_the_reason() -> None:
    """Catches a topic that disappears without a word."""
    report = survey(
        *CAR.topics,
        heard("/map", "nav_msgs/msg/OccupancyGrid", 1.0),
        heard("/battery", "std_msgs/msg/Float32", 0.5),
        heard("/depth", IMAGE, problem="/depth: this image encoding is not supported"),
        replace(heard("/dead", JOINTS), count=0, rate_hz=None),
        heard("/joy", "sensor_msgs/msg/Joy"),
        replace(heard("/twice", JOINTS), types=(JOINTS, TWIST)),
        heard("/gate/echo", TWIST),
        heard("/rosout", "rcl_interfaces/msg/Log"),
    )
    draft = draft_contract(report)
    reasons = dict(draft.unused)
    assert reasons["/map (nav_msgs/msg/OccupancyGrid)"] == "no codec for this type"
    assert "too slow" in reasons["/battery (std_msgs/msg/Float32)"]
    assert "encoding" in reasons[f"/depth ({IMAGE})"]
    assert "no message came in 3 s" in reasons[f"/dead ({JOINTS})"]
    assert "joystick" in reasons["/joy (sensor_msgs/msg/Joy)"]
    assert reasons[f"/twice ({JOINTS} or {TWIST})"] == "two types on one topic"
    assert reasons[f"/gate/echo ({TWIST})"] == "Understudy's own"
    assert not any("rosout" in topic for topic in reasons)
    for topic, why in draft.unused:
        assert f"#   {topic}: {why}" in draft.text


def test_one_picture_of_each_camera_and_not_too_many_cameras() -> None:
    """Catches the same frames twice, and a robot with six cameras whose policy never keeps up."""
    cameras = [camera(f"/camera_{index}/image_raw") for index in range(6)]
    packed = heard(
        "/camera_0/image_raw/compressed", "sensor_msgs/msg/CompressedImage", image=ImageFacts(480, 640, "jpeg")
    )
    report = survey(*cameras, packed, listened())
    contract = drafted(report)
    assert topics_of(contract) == [f"/camera_{index}/image_raw" for index in range(4)]
    alone = drafted(report, observe=["/camera_0/image_raw/compressed", "/camera_5/image_raw"])
    assert topics_of(alone) == ["/camera_0/image_raw/compressed", "/camera_5/image_raw"]


@pytest.mark.parametrize(
    ("topics", "keys"),
    [
        (["/camera/image_raw"], ["camera"]),
        (["/camera/front/image_raw", "/camera/left/image_raw"], ["front", "left"]),
        (["/left_camera/image_raw", "/wrist/color/image_raw"], ["left_camera", "wrist"]),
        (["/a/front/image_raw", "/b/front/image_raw"], ["a_front_image_raw", "b_front_image_raw"]),
    ],
)
def test_cameras_are_named_by_what_tells_them_apart(topics: list[str], keys: list[str]) -> None:
    """Catches two cameras under one key, which is no contract, and keys that say image_raw."""
    contract = drafted(survey(*map(camera, topics), listened()))
    assert [stream.key.removeprefix("observation.images.") for stream in contract.observations] == keys


def test_several_senses_become_one_state() -> None:
    """Catches a source in a list without a select, and joints whose names two arms share."""
    arms = [replace(ARM, topic=f"/{side}/joint_states") for side in ("left", "right")]
    report = survey(odometry(), *arms, heard("/gap", "std_msgs/msg/Float64", values=numbers(data=0.1)), listened())
    (state,) = drafted(report).observations
    assert state.key == "observation.state"
    assert {"left.position.pan", "right.position.lift", "gap", "twist.twist.linear.x"} <= set(state.names)
    assert "velocity.pan" not in state.names
    assert "also in it: velocity.pan" in comment(report, "select: [position.pan")


def test_numbers_that_are_nan_are_left_out_and_named() -> None:
    """Catches a state that no observation can ever be made of."""
    broken = replace(ARM.values[1], minimum=None, maximum=None, last=None, not_finite=300)
    report = survey(replace(ARM, values=(ARM.values[0], broken)), listened())
    assert drafted(report).observations[0].names == ("position.pan",)
    assert "NaN, so left out: position.lift" in comment(report, "select: [position.pan")


def test_a_robot_that_moves_sideways_has_a_sideways_speed() -> None:
    """Catches an omnidirectional base that is drafted as a car."""
    values = numbers(twist__twist__linear__x=0.1, twist__twist__linear__y=(-0.2, 0.3), twist__twist__angular__z=0.0)
    command = listened(
        publishers=(end("/teleop", TWIST),), values=numbers(linear__x=0.1, linear__y=(-0.2, 0.3), angular__z=0.0)
    )
    contract = drafted(survey(odometry(values=values), command))
    assert "twist.twist.linear.y" in contract.observations[0].names
    assert contract.action_names == ("linear.x", "linear.y", "angular.z")


@pytest.mark.parametrize(
    ("stamps", "count", "timeline", "why"),
    [
        (StampFacts("wall", 0.01, 0.012), 60, "header", "wall clock"),
        (StampFacts("unset", 1e9, 1e9, 59), 60, "receive", "at zero"),
        (StampFacts("unknown", 1e7, 1e7), 60, "receive", "on no clock of this machine"),
        (StampFacts("monotonic", 0.01, 0.01), 60, "receive", "the monotonic clock, which is not the robot's"),
        (StampFacts("wall", 0.01, 0.012, 59), 60, "receive", "do not advance (59 of 60)"),
        (StampFacts("wall", 0.01, 0.012, 2), 60, "header", "wall clock"),
    ],
)
def test_stamps_that_cannot_be_aligned_by_are_not(stamps: StampFacts, count: int, timeline: str, why: str) -> None:
    """Catches a robot of which no observation is ever made, because its stamps are zero or another machine's."""
    report = survey(camera(stamps=stamps, count=count), listened())
    assert drafted(report).observations[0].sources[0].align.timeline == timeline
    assert why in comment(report, "align:")


def test_simulated_time_is_the_robots_time() -> None:
    """Catches a simulated robot aligned by arrival, and one camera on wall time mixed in."""
    simulated = camera(stamps=StampFacts("simulated", 0.0, 0.01))
    report = survey(simulated, odometry(), listened(), simulated_time=True)
    image, state = drafted(report).observations
    assert (image.sources[0].align.timeline, state.sources[0].align.timeline) == ("header", "receive")
    assert "use_sim_time: true" in draft_contract(report).text


def test_quality_of_service_is_only_written_where_it_differs() -> None:
    """Catches a reliable request that a best-effort publisher cannot meet."""
    reliable = replace(odometry(), publishers=(end("/base", "nav_msgs/msg/Odometry", "reliable"),))
    mixed = replace(ARM, publishers=(end("/a", JOINTS, "reliable"), end("/b", JOINTS)))
    report = survey(camera(), reliable, mixed, listened())
    reliabilities = {
        source.channel.topic: source.channel.qos.reliability
        for stream in drafted(report).observations
        for source in stream.sources
    }
    assert reliabilities == {
        "/camera/front/image_raw": "best_effort",
        "/odom": "reliable",
        "/joint_states": "best_effort",
    }


def test_a_simulation_that_runs_slowly_has_the_rates_of_its_own_time() -> None:
    """Catches half the frame rate, and twice the age, because the simulator ran at half of real time."""
    slow = camera(rate_hz=10.0, stamps=StampFacts("simulated", 0.0, 0.01, period_s=0.05))
    contract = drafted(survey(slow, listened(), simulated_time=True))
    assert contract.fps == 20.0
    assert contract.observations[0].sources[0].max_age_s == pytest.approx(0.15)
    wall = camera(rate_hz=10.0, stamps=StampFacts("wall", 0.0, 0.01, period_s=0.05))
    assert drafted(survey(wall, listened())).fps == 10.0


def test_a_gap_is_no_slower_camera() -> None:
    """Catches a contract at 15 Hz because a busy machine swallowed some frames of a 20 Hz camera."""
    assert drafted(survey(replace(camera(rate_hz=20.0), rate_hz=17.0), listened())).fps == 20.0


# -- rates, ages, sizes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rates", "fps"),
    [
        ((29.9,), 30),
        ((28.0,), 25),
        ((14.2, 30.0), 10),
        ((200.0,), 50),
        ((60.0, 2.0), 50),
        ((1.5,), 1),
        ((19.98, 50.0), 20),
    ],
)
def test_the_rate_is_a_usual_one_that_every_sensible_stream_can_feed(rates: Sequence[float], fps: float) -> None:
    """Catches fps that the trigger cannot feed, and a GPS that slows the whole policy down to its rate."""
    report = survey(
        *(heard(f"/sensor_{i}", JOINTS, rate, values=ARM.values) for i, rate in enumerate(rates)), listened()
    )
    contract = drafted(report)
    assert contract.fps == fps
    assert drafted(report, fps=7.5).fps == 7.5
    trigger = contract.observation(contract.trigger).sources[0].channel.topic
    assert report.topic(trigger).rate_hz * 1.05 >= contract.fps  # type: ignore[union-attr, operator]


def test_ages_come_from_period_and_jitter() -> None:
    """Catches a max_age that ordinary operation exceeds, or one that lets a dead sensor live for seconds."""
    calm = drafted(survey(camera(rate_hz=20.0), odometry(), listened()))
    assert [s.max_age_s for stream in calm.observations for s in stream.sources] == pytest.approx([0.15, 0.1])
    jittery = drafted(survey(camera(rate_hz=20.0, jitter_s=0.06), odometry(), listened()))
    assert jittery.observations[0].sources[0].max_age_s == pytest.approx(0.23)
    slow = survey(camera(rate_hz=20.0), odometry(5.0, stamps=StampFacts("wall", 0.06, 0.07)), listened())
    contract = drafted(slow)
    assert contract.observations[1].sources[0].max_age_s == pytest.approx(0.65)
    assert contract.gate.sync_tolerance_s >= 0.25


def test_a_slow_robot_has_patient_commands() -> None:
    """Catches a gate at 5 Hz that forgets every command before the next one comes."""
    gate = drafted(survey(camera(rate_hz=5.0), listened())).gate
    assert gate.expert_max_age_s == gate.proposal_max_age_s == pytest.approx(0.6)
    assert drafted(CAR).gate.expert_max_age_s == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("size", "resized"),
    [
        ((480, 640), (96, 128)),
        ((64, 96), (64, 96)),
        ((1080, 1920), (72, 128)),
        ((640, 480), (128, 96)),
        ((4, 4000), (2, 128)),
    ],
)
def test_large_images_are_made_small_in_their_own_shape(size: tuple[int, int], resized: tuple[int, int]) -> None:
    """Catches squeezed pictures, sides of nothing, and small images that are blown up."""
    assert drafted(survey(camera(image=ImageFacts(*size, "rgb8")), listened())).observations[0].image_size == resized


def test_a_robot_at_rest_is_not_frozen() -> None:
    """Catches a policy that never starts to drive because the joints of a resting arm count as a dead sensor."""
    resting = survey(camera(), replace(ARM, still_s=3.0), listened())
    assert drafted(resting).gate.frozen_after_ticks == 0
    assert "/joint_states for 3.0 s" in draft_contract(resting).text
    assert drafted(CAR).gate.frozen_after_ticks == 10
