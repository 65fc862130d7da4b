"""The path that live nodes and recordings share: which samples make an observation, and when."""

from __future__ import annotations

import contextlib
import math
import struct

import numpy as np
import pytest
from observed_robot import IMAGES, MS, STATE, Robot, image, odometry, shades, speeds, stamps
from ros_messages import CAMERA, ODOMETRY, make_contract, state_source, twist_cdr

from il_nodes.observation.assembler import ObservationAssembler
from models.data import Observation
from models.errors import CodecError, ObservationError


def test_one_observation_has_everything() -> None:
    robot = Robot(frames=2)
    robot.assembler.start_episode("drive-1", 0)
    (first,) = robot.both(100)
    (second,) = robot.both(150)
    assert (first.starts_memory, second.starts_memory) == (True, False)
    assert second.stamp_ns == 150 * MS
    assert second.episode_id == "drive-1"
    assert second.source_stamps_ns == {IMAGES: 150 * MS, STATE: 150 * MS}
    pixels, state = second.arrays[IMAGES], second.arrays[STATE]
    assert (pixels.shape, pixels.dtype.str) == ((2, 2, 2, 3), "|u1")
    assert (state.shape, state.dtype.str) == ((2, 2), "<f4")
    assert shades(second) == [2, 3]
    assert state.tolist() == [[100.0, 0.5], [150.0, 0.5]]
    for array in (pixels, state):
        assert array.flags.c_contiguous
        assert array.flags.owndata
        assert array.flags.writeable


def test_topics_are_the_observed_ones() -> None:
    """Catches an assembler that also wants commands, which would wait for them forever."""
    assert ObservationAssembler(make_contract()).topics == (CAMERA, ODOMETRY)
    with pytest.raises(KeyError):
        ObservationAssembler(make_contract()).add("/cmd_vel", b"", 0)


def test_a_tick_takes_the_newest_sample_that_is_not_from_its_future() -> None:
    """Catches peeking into the future, which a recording allows and a robot does not."""
    robot = Robot()
    for stamp_ms in (90, 98, 103):
        robot.odometry(stamp_ms)
    (observation,) = robot.camera(100)
    assert speeds(observation)[-1] == 98.0
    assert observation.source_stamps_ns[STATE] == 98 * MS


def test_a_tick_waits_for_what_may_still_belong_to_it() -> None:
    """Catches observations whose content depends on which of two sensors' messages was a millisecond faster."""
    robot = Robot(settle_s=0.005)
    robot.odometry(90)
    assert robot.camera(100, receive_ms=110) == []
    assert robot.odometry(95, receive_ms=112) == []  # before the tick: a newer one may follow
    (observation,) = robot.odometry(100, receive_ms=114)
    assert speeds(observation)[-1] == 100.0
    assert robot.poll(200) == []


@pytest.mark.parametrize("polled", [True, False])
def test_the_settle_time_ends_the_wait(polled: bool) -> None:
    """Catches a robot that waits for a silent sensor, and content that depends on how often a node polls."""
    robot = Robot(settle_s=0.005)
    robot.odometry(60)
    robot.camera(100, receive_ms=110)
    assert robot.poll(114.999) == []
    observations = robot.poll(115) if polled else []
    observations += robot.odometry(97, receive_ms=115.5)
    assert stamps(observations) == [100]
    assert speeds(observations[0])[-1] == 60.0
    assert robot.assembler.late == {ODOMETRY: 1}


def test_samples_that_come_too_late_are_counted() -> None:
    """Catches a silent difference between what was driven with and what would be trained on."""
    robot = Robot(settle_s=0.005)
    robot.odometry(80)
    robot.camera(100, receive_ms=110)
    assert stamps(robot.poll(116)) == [100]
    robot.odometry(95, receive_ms=117)  # belonged to the tick at 100
    robot.odometry(101, receive_ms=118)  # did not
    assert robot.assembler.late == {ODOMETRY: 1}
    robot.camera(150, receive_ms=160)
    robot.poll(170)
    assert speeds(robot.seen[-1])[-1] == 101.0
    robot.odometry(149, receive_ms=171)
    assert robot.assembler.late == {ODOMETRY: 2}


def test_repeated_and_disordered_samples_are_dropped_and_counted() -> None:
    robot = Robot()
    robot.odometry(100, speed=1.0)
    robot.odometry(100, speed=2.0)
    robot.odometry(95, speed=3.0)
    (observation,) = robot.camera(100)
    assert speeds(observation)[-1] == 1.0
    assert robot.camera(100) == []
    counts = robot.assembler.counts()
    assert counts.repeated == {ODOMETRY: 1, CAMERA: 1}
    assert counts.out_of_order == {ODOMETRY: 1}
    assert counts.late == {}


def test_nothing_before_every_stream_has_spoken() -> None:
    """Catches zeros in place of a sensor that has not come up yet."""
    robot = Robot()
    for stamp_ms in (0, 50, 100):
        robot.camera(stamp_ms)
    robot.poll(120)
    assert robot.seen == []
    assert robot.assembler.counts().warming_up == 3
    (observation,) = robot.both(150)
    assert (observation.starts_memory, shades(observation)) == (True, [3, 3, 3])


def test_a_sample_from_the_ticks_future_does_not_end_the_warm_up() -> None:
    robot = Robot()
    robot.odometry(105)
    assert robot.camera(100) == []
    assert robot.assembler.counts().warming_up == 1


def test_a_fast_camera_is_thinned_out_to_the_contracts_rate() -> None:
    """Catches 30 Hz of policy steps where the policy was trained on 20; 2 of 3 frames make ticks."""
    robot = Robot(fps=20)
    for frame in range(90):
        stamp_ms = frame * 1000 / 30
        robot.odometry(stamp_ms)
        robot.camera(stamp_ms)
    assert len(robot.seen) == 60
    assert robot.assembler.counts().decimated == 30
    gaps = np.diff(stamps(robot.seen))
    assert gaps.mean() == pytest.approx(50, abs=0.6)
    assert gaps.max() < 67
    # Each tick lies within half a tick of its place on the grid: the error does not accumulate.
    assert np.abs(np.array(stamps(robot.seen)) - 50 * np.arange(60)).max() <= 25.001


@pytest.mark.parametrize("jitter_ms", [0.0, 3.0, 12.0])
def test_a_camera_of_the_right_rate_loses_no_frame_to_jitter(jitter_ms: float) -> None:
    robot = Robot(fps=20)
    rng = np.random.default_rng(5)
    for frame in range(200):
        stamp_ms = 1000 + 50 * frame + (rng.uniform(-jitter_ms, jitter_ms) if frame else 0.0)
        robot.odometry(stamp_ms)
        robot.camera(stamp_ms)
    assert len(robot.seen) == 200


@pytest.mark.parametrize(
    ("align", "age_ms", "emitted"),
    [
        ("{strategy: hold, timeline: header}", 5000, True),
        ("{strategy: asof, timeline: header, tolerance_ms: 30}", 30, True),
        ("{strategy: asof, timeline: header, tolerance_ms: 30}", 31, False),
        ("{strategy: drop, timeline: header}", 49, True),
        ("{strategy: drop, timeline: header}", 50, False),
    ],
)
def test_how_old_a_sample_may_be(align: str, age_ms: int, emitted: bool) -> None:
    """Catches a gap that is filled with something old, or with zeros: a gap is no observation, and it is counted."""
    robot = Robot(state=state_source(align=align))
    robot.both(0)
    robot.odometry(10_000 - age_ms)
    robot.camera(10_000)
    robot.poll(10_010)
    assert (stamps(robot.seen) == [0, 10_000]) is emitted
    assert robot.assembler.counts().gaps == ({} if emitted else {STATE: 1})


def test_max_age_makes_a_gap_of_a_sensor_that_went_silent() -> None:
    """Catches driving on held odometry of a dead sensor (fault 11)."""
    assembler = ObservationAssembler(make_contract(state=state_source(max_age="100 ms")), 0.0)
    assembler.add(ODOMETRY, odometry(0), 0)
    assert assembler.add(CAMERA, image(100 * MS), 100 * MS) is not None
    assert assembler.add(CAMERA, image(150 * MS), 150 * MS) is None
    assert assembler.counts().gaps == {STATE: 1}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_make_no_observation(bad: float) -> None:
    """Catches NaN that reaches a network, and an older value in its place without a word (fault 13)."""
    robot = Robot(frames=2)
    robot.both(0)
    robot.odometry(50, speed=bad)
    with pytest.raises(ObservationError, match=rf"/odom(.|\n)*twist\.twist\.linear\.x = {bad}"):
        robot.camera(50)
    (observation,) = robot.both(100)
    assert speeds(observation) == [0.0, 100.0]
    assert not observation.starts_memory
    assert robot.assembler.counts().refused == 1


def test_an_image_that_changes_its_size_is_refused() -> None:
    robot = Robot()
    robot.both(0)
    robot.odometry(50)
    with pytest.raises(ObservationError, match=r"/camera/front/image_raw(.|\n)*\(4, 4, 3\)"):
        robot.camera(50, size=4)
    assert len(robot.both(100)) == 1


def test_a_broken_message_concerns_its_tick_only() -> None:
    robot = Robot()
    robot.both(0)
    with pytest.raises(CodecError):
        robot.assembler.add(ODOMETRY, b"\x00\x01", 40 * MS)
    robot.odometry(50)
    with pytest.raises(CodecError, match=CAMERA):
        robot.assembler.add(CAMERA, image(50 * MS)[:60], 50 * MS)
    assert len(robot.both(100)) == 1
    assert robot.assembler.counts().refused == 1


def test_a_backlog_comes_out_one_by_one_in_order() -> None:
    """Catches ticks lost because one message completed several of them."""
    robot = Robot(settle_s=10.0)
    robot.odometry(0)
    for stamp_ms in (50, 100, 150):
        robot.camera(stamp_ms)
    first = robot.assembler.add(ODOMETRY, odometry(160 * MS), 160 * MS)
    rest = [robot.assembler.poll(160 * MS) for _ in range(3)]
    assert first is not None
    assert [o.stamp_ns // MS if o else None for o in [first, *rest]] == [50, 100, 150, None]


def test_the_end_of_a_recording_needs_no_settling() -> None:
    robot = Robot(settle_s=10.0)
    robot.both(0)
    robot.camera(50)
    (last,) = robot.assembler.finish()
    assert isinstance(last, Observation)
    assert last.stamp_ns == 50 * MS


def test_times_of_reception_are_a_timeline_of_their_own() -> None:
    """Catches header stamps compared with arrival times, where the two clocks differ."""
    robot = Robot(state=state_source(align="{strategy: asof, timeline: receive, tolerance_ms: 20}"))
    robot.odometry(900_000, receive_ms=95)
    (observation,) = robot.camera(100, receive_ms=110)  # nothing to wait for: what is received later is not for it
    assert speeds(observation)[-1] == 900_000.0
    robot.odometry(900_050, receive_ms=155)
    robot.camera(150, receive_ms=176)
    assert robot.assembler.counts().gaps == {STATE: 1}


def test_messages_without_a_header_count_from_their_reception() -> None:
    state = state_source(
        "linear.x, angular.z", type_name="geometry_msgs/msg/Twist", align="{strategy: hold, timeline: receive}"
    )
    assembler = ObservationAssembler(make_contract(state=state))
    assembler.add(ODOMETRY, twist_cdr(3.0, 0.0), 7 * MS)
    observation = assembler.add(CAMERA, image(100 * MS), 8 * MS)
    assert observation is not None
    assert observation.arrays[STATE][-1].tolist() == [3.0, 0.0]


def test_two_sources_make_one_vector() -> None:
    """Catches a stream whose parts are swapped, or aligned to each other instead of to the tick."""
    state = f"[{state_source('twist.twist.linear.x')}, {state_source(topic='/wheels')}]"
    assembler = ObservationAssembler(make_contract(frames=1, state=state))
    assembler.add("/odom", odometry(95 * MS, 1.0), 95 * MS)
    assembler.add("/wheels", odometry(90 * MS, 2.0), 96 * MS)
    assembler.add("/wheels", odometry(101 * MS, 9.0), 102 * MS)
    assembler.add("/odom", odometry(102 * MS, 9.0), 102 * MS)
    observation = assembler.add(CAMERA, image(100 * MS), 103 * MS)
    assert observation is not None
    assert observation.arrays[STATE].tolist() == [[1.0, 2.0, 0.5]]
    assert observation.source_stamps_ns[STATE] == 90 * MS  # the older of the two


def test_ages() -> None:
    robot = Robot()
    assert robot.assembler.age_s(STATE, 0) == math.inf
    robot.odometry(100)
    robot.odometry(120)
    assert robot.assembler.age_s(STATE, 170 * MS) == pytest.approx(0.05)


def test_memory_does_not_grow_while_the_camera_is_away() -> None:
    """Catches an hour of 1 kHz odometry kept for a trigger that never comes."""
    robot = Robot()
    for stamp_ms in range(5000):
        robot.odometry(stamp_ms)
    kept = sum(1 for history in robot.assembler._by_topic[ODOMETRY] for _ in history)
    assert kept <= 2001
    assert speeds(robot.camera(4990)[0])[-1] == 4990.0


def test_ticks_without_an_observation_are_told_in_order() -> None:
    """Catches a tick that nobody answers: before the first state, with a state too old, with NaN in it."""
    robot = Robot(state=state_source(max_age="60 ms"))
    take = robot.assembler.take_unanswerable
    robot.camera(50)
    robot.poll(60)
    assert [(tick.stamp_ns / MS, tick.problem) for tick in take()] == [(50, f"{STATE}: nothing received yet")]
    robot.both(100)
    assert take() == ()
    robot.camera(200)
    robot.odometry(205)
    (gap,) = take()
    assert (gap.stamp_ns / MS, gap.problem) == (200, f"{STATE}: no sample that is young enough")
    robot.odometry(250, speed=math.nan)
    with pytest.raises(ObservationError):
        robot.camera(250)
    (refused,) = take()
    assert refused.stamp_ns / MS == 250
    assert "not finite" in refused.problem
    assert take() == (), "each is told once"


def test_nobody_s_unanswerable_ticks_are_forgotten_in_the_end() -> None:
    """Catches memory that grows where nobody asks, as in a dataset's builder."""
    robot = Robot()
    for number in range(200):
        robot.camera(50 * number)
        robot.poll(50 * number + 20)
    told = robot.assembler.take_unanswerable()
    assert len(told) == 64
    assert told[-1].stamp_ns == 199 * 50 * MS
    robot.camera(20_000)
    robot.poll(20_020)
    robot.assembler.start_episode("next", 20_010 * MS)
    assert robot.assembler.take_unanswerable() == ()


@pytest.mark.parametrize(
    ("frame", "known"), [(b"cam\xe9ra\x00", "cam\ufffdra"), (b"camera\x00", "camera"), (b"", ""), (None, "")]
)
def test_a_frame_that_cannot_be_read_costs_no_observation(frame: bytes | None, known: str) -> None:
    """Catches a driver that writes Latin-1, or a length that leads beyond the message, and ends the node with it."""
    assembler = ObservationAssembler(make_contract())
    length = 2**31 if frame is None else len(frame)
    cdr = b"\x00\x01\x00\x00" + struct.pack("<iII", 1, 0, length) + (frame or b"")
    with contextlib.suppress(CodecError, ObservationError):
        assembler.add(CAMERA, cdr, 0)
    assert assembler.frame_id(IMAGES) == known


def test_the_frame_of_a_camera_is_known_once_it_has_sent() -> None:
    robot = Robot()
    assert robot.assembler.frame_id(IMAGES) == ""
    robot.camera(50)
    assert robot.assembler.frame_id(IMAGES) == "camera_front"
