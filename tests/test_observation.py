"""The path that live nodes and recordings share: which samples make an observation, and when."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest
from ros_messages import CAMERA, ODOMETRY, image_cdr, make_contract, odometry_cdr, state_source, twist_cdr

from il_nodes.observation import ObservationAssembler
from models.data import Observation
from models.errors import CodecError, ObservationError

MS = 1_000_000
IMAGES, STATE = "observation.images.front", "observation.state"


def image(stamp_ns: int, value: int | None = None, size: int = 2) -> bytes:
    """An image whose pixels tell its time, in ticks of 50 ms unless told otherwise."""
    shade = (stamp_ns // (50 * MS) if value is None else value) % 256
    return image_cdr(stamp_ns, np.full((size, size, 3), shade, np.uint8))


def odometry(stamp_ns: int, speed: float | None = None) -> bytes:
    """Odometry whose speed tells its time in milliseconds unless told otherwise."""
    return odometry_cdr(stamp_ns, stamp_ns / MS if speed is None else speed, 0.5)


class Robot:
    """An assembler with a clock; every call collects what is emitted."""

    def __init__(self, settle_s: float = 0.005, **contract: object) -> None:
        self.assembler = ObservationAssembler(make_contract(**contract), settle_s)  # type: ignore[arg-type]
        self.seen: list[Observation] = []

    def camera(self, stamp_ms: float, receive_ms: float | None = None, **rest: int) -> list[Observation]:
        stamp = round(stamp_ms * MS)
        return self._add(CAMERA, image(stamp, **rest), stamp if receive_ms is None else round(receive_ms * MS))

    def odometry(
        self, stamp_ms: float, receive_ms: float | None = None, speed: float | None = None
    ) -> list[Observation]:
        stamp = round(stamp_ms * MS)
        return self._add(ODOMETRY, odometry(stamp, speed), stamp if receive_ms is None else round(receive_ms * MS))

    def poll(self, receive_ms: float) -> list[Observation]:
        return self._drain(self.assembler.poll(round(receive_ms * MS)), round(receive_ms * MS))

    def both(self, *stamps_ms: float) -> list[Observation]:
        """Odometry, then camera, with equal stamps."""
        found = []
        for stamp_ms in stamps_ms:
            found += self.odometry(stamp_ms) + self.camera(stamp_ms)
        return found

    def _add(self, topic: str, cdr: bytes, receive_ns: int) -> list[Observation]:
        return self._drain(self.assembler.add(topic, cdr, receive_ns), receive_ns)

    def _drain(self, first: Observation | None, receive_ns: int) -> list[Observation]:
        found = []
        while first is not None:
            found.append(first)
            first = self.assembler.poll(receive_ns)
        self.seen += found
        return found


def stamps(observations: Iterable[Observation]) -> list[float]:
    return [observation.stamp_ns / MS for observation in observations]


def shades(observation: Observation) -> list[int]:
    """Which frames are stacked, oldest first."""
    return [int(frame[0, 0, 0]) for frame in observation.arrays[IMAGES]]


def speeds(observation: Observation) -> list[float]:
    return [float(row[0]) for row in observation.arrays[STATE]]


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


def test_stacks_begin_with_the_first_frame_repeated_and_respect_the_stride() -> None:
    """Catches zero frames before an episode's start, and stacks in the wrong order."""
    robot = Robot(frames=3, stride=2)
    robot.both(*range(0, 350, 50))
    assert [shades(o) for o in robot.seen] == [
        [0, 0, 0],
        [0, 0, 1],
        [0, 0, 2],
        [0, 1, 3],
        [0, 2, 4],
        [1, 3, 5],
        [2, 4, 6],
    ]
    assert speeds(robot.seen[-1]) == [100.0, 200.0, 300.0]
    assert [o.starts_memory for o in robot.seen] == [True] + [False] * 6


def test_a_new_episode_starts_memory_anew() -> None:
    robot = Robot(frames=2)
    robot.assembler.start_episode("one", 0)
    robot.both(0, 50)
    robot.assembler.start_episode("two", 100 * MS)
    robot.both(50, 75)  # still on its way when the episode began
    robot.both(100, 150)
    assert [(o.episode_id, o.starts_memory, shades(o)) for o in robot.seen] == [
        ("one", True, [0, 0]),
        ("one", False, [0, 1]),
        ("two", True, [2, 2]),
        ("two", False, [2, 3]),
    ]
    assert robot.assembler.counts().before_episode == {CAMERA: 2, ODOMETRY: 2}


def test_samples_that_overtook_the_episodes_start_belong_to_it() -> None:
    """Catches a lost or wrongly labelled first frame: topics overtake each other."""
    robot = Robot(frames=2)
    robot.assembler.start_episode("one", 0)
    robot.both(0, 50)
    robot.camera(100)
    robot.assembler.start_episode("two", 100 * MS)
    (observation,) = robot.odometry(100)
    assert (observation.episode_id, observation.starts_memory, observation.stamp_ns) == ("two", True, 100 * MS)


@pytest.mark.parametrize("back_to_ms", [0, 10_000, 19_980])
def test_a_clock_set_back_by_a_new_episode_forgets_the_old_time(back_to_ms: int) -> None:
    """Catches a simulator's reset after which the robot sees the old episode's speed, or nothing at all."""
    robot = Robot(frames=2)
    robot.assembler.start_episode("one", 20_000 * MS)
    robot.both(20_000, 20_050)
    robot.assembler.start_episode("two", back_to_ms * MS)
    (observation,) = robot.both(back_to_ms)
    assert (observation.stamp_ns, observation.episode_id) == (back_to_ms * MS, "two")
    assert speeds(observation) == [float(back_to_ms)] * 2


@pytest.mark.parametrize("camera_first", [True, False])
def test_a_clock_set_back_without_notice_starts_memory_anew(camera_first: bool) -> None:
    """Catches stacks that mix the time before and after a jump (fault 28)."""
    robot = Robot(frames=2)
    robot.both(10_000, 10_050)
    robot.camera(10_100)  # still waits for its odometry
    if camera_first:
        robot.camera(0)
        robot.odometry(0)
    else:
        robot.odometry(0)
        robot.camera(0)
    robot.both(50)
    assert stamps(robot.seen) == [10_000, 10_050, 10_100, 0, 50]
    assert [o.starts_memory for o in robot.seen] == [True, False, False, True, False]
    assert speeds(robot.seen[2]) == [10_050.0, 10_050.0]  # not the new time's zero
    assert speeds(robot.seen[3]) == [0.0, 0.0]
    assert speeds(robot.seen[4]) == [0.0, 50.0]


@pytest.mark.parametrize(("pause_ms", "resets"), [(500, False), (550, True)])
def test_a_pause_starts_memory_anew(pause_ms: int, resets: bool) -> None:
    """Catches velocities guessed from two frames that lie half a second apart."""
    robot = Robot(frames=2)
    robot.both(0, 50, 50 + pause_ms)
    assert robot.seen[-1].starts_memory is resets
    assert len(set(shades(robot.seen[-1]))) == (1 if resets else 2)


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
