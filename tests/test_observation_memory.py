"""Memory: what is stacked, and when it starts anew."""

from __future__ import annotations

import pytest
from observed_robot import MS, Robot, shades, speeds, stamps
from ros_messages import CAMERA, ODOMETRY


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


def test_a_sensor_that_is_ahead_of_the_trigger_on_the_new_time_is_kept() -> None:
    """Catches a clock's jump that costs the first samples of sensors whose messages were faster than the camera's."""
    robot = Robot(frames=1)
    robot.both(10_000)
    for stamp_ms in (0, 20):
        robot.odometry(stamp_ms)
    robot.camera(10)
    assert speeds(robot.seen[-1]) == [0.0]
    assert robot.camera(60) == []
    (observation,) = robot.poll(70)
    assert speeds(observation) == [20.0]


def test_a_latched_start_that_is_heard_twice_changes_nothing() -> None:
    robot = Robot(frames=2)
    for _ in range(2):
        robot.assembler.start_episode("one", 100 * MS)
        robot.both(*([100] if not robot.seen else [150]))
    assert [o.starts_memory for o in robot.seen] == [True, False]


@pytest.mark.parametrize(("pause_ms", "resets"), [(500, False), (550, True)])
def test_a_pause_starts_memory_anew(pause_ms: int, resets: bool) -> None:
    """Catches velocities guessed from two frames that lie half a second apart."""
    robot = Robot(frames=2)
    robot.both(0, 50, 50 + pause_ms)
    assert robot.seen[-1].starts_memory is resets
    assert len(set(shades(robot.seen[-1]))) == (1 if resets else 2)
