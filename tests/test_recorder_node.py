"""The recorder as a process: what it keeps, how it ends, and what it says when it cannot."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest
from recorder_robot import CAMERA, CONTRACT, EPISODE, ODOMETRY, start
from ros_processes import RosEnvironment
from wired_sensors import LifecycleWalker

from il_nodes.bags import BagReader, find_bags

pytestmark = pytest.mark.ros


def test_sigterm_closes_the_open_episode(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Would catch a shutdown that loses the episode, takes over two seconds, or is called complete (FAULTS 29)."""
    recorder, robot = start(ros_environment, tmp_path)
    before_ns = time.time_ns()
    robot.begin("drive")
    for index in range(30):
        robot.tick(index)
    robot.wait_for_status(f"received {CAMERA}", "30")
    asked_s = time.monotonic()
    assert recorder.terminate() == 0
    assert time.monotonic() - asked_s < 2.0
    assert [path.name for path in find_bags(tmp_path, include_partial=True)] == ["drive"]
    reader = BagReader(tmp_path / "drive")
    assert (reader.outcome, reader.quarantine) == ("aborted", "")
    assert (reader.counts[EPISODE], reader.counts[CAMERA], reader.counts[ODOMETRY]) == (1, 30, 30)
    times = [log_time_ns for _, log_time_ns, _ in reader.messages()]
    assert before_ns < times[0] <= times[-1] < time.time_ns(), "log time is not the time of receipt"


def test_missing_ticks_are_counted_and_quarantined(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Would catch an episode with a hole that goes into training, and a hole that spoils the episode after it."""
    ros = ros_environment
    _, robot = start(ros, tmp_path)
    for name, ticks in (("holed", [0, 1, 2, 6, 7]), ("whole", [100, 101, 102])):
        robot.begin(name)
        for index in ticks:
            robot.tick(index)
        robot.wait_for_status(f"received {CAMERA}", str(len(ticks)))
        robot.end(ticks[-1] + 1)
        ros.wait_until((tmp_path / name).is_dir, 10.0, f"episode {name} to be closed")
    holed, whole = BagReader(tmp_path / "holed"), BagReader(tmp_path / "whole")
    assert holed.quarantine == f"3 ticks missing on {CAMERA}"
    assert (whole.outcome, whole.quarantine) == ("complete", "")
    ros.wait_until(lambda: len(robot.closed) >= 2, 10.0, "an acknowledgement of both ends")
    assert [header.frame_id for header in robot.closed] == ["", ""]


def test_services_start_stop_and_discard(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Would catch a recorder that a person at the robot cannot use, or a discarded take that stays."""
    ros = ros_environment
    _, robot = start(ros, tmp_path, auto=False, episode_prefix="take")
    robot.announce("not-followed")
    assert not robot.call("stop").success
    started = robot.call("start")
    assert started.success
    assert not robot.call("start").success, "a second recording over the first"
    robot.tick(0)
    robot.wait_for_status(f"received {CAMERA}", "1")
    assert robot.call("stop").success
    ros.wait_until(lambda: len(find_bags(tmp_path)) == 1, 10.0, "the take to be closed")
    assert robot.call("start").success
    assert robot.call("discard").success
    robot.wait_for_status("discarded", "1")
    assert robot.status()["finished"] == "1", "what was thrown away was not recorded"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("take")] == [started.message]
    assert BagReader(tmp_path / started.message).counts[CAMERA] == 1


def test_a_start_that_leads_to_nothing_is_refused_at_once(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Would catch a person who demonstrates a whole episode that was refused when it began."""
    bags = tmp_path / "bags"
    recorder, robot = start(ros_environment, bags, announces=False, auto=False)
    bags.rmdir()
    answer = robot.call("start")
    assert (answer.success, "recordings" in answer.message) == (False, True), answer.message
    robot.wait_for_status("episode", "")
    bags.mkdir()
    assert robot.call("start").success
    assert robot.call("discard").success
    robot.wait_for_status("discarded", "1")
    assert robot.status()["finished"] == "0"
    assert recorder.terminate() == 0
    _, robot = start(ros_environment, bags, announces=False, auto=False, min_free_mb=1e12)
    answer = robot.call("start")
    assert (answer.success, "too little space left" in answer.message) == (False, True), answer.message
    ros_environment.wait_until(lambda: "too little space" in robot.status().get("message", ""), 10.0, "the error")
    assert robot.call("stop").message == "nothing is being recorded"
    assert list(bags.iterdir()) == []


def test_a_prefix_that_can_begin_no_folder_is_refused_before_anybody_starts(
    ros_environment: RosEnvironment, tmp_path: Path
) -> None:
    """Would catch a typing error that is found out only once the first demonstration is lost."""
    params = {"contract": CONTRACT, "directory": str(tmp_path), "episode_prefix": "pick & place"}
    recorder = ros_environment.spawn_node("recorder", params)
    assert recorder.wait(20.0) != 0
    assert "episode_prefix" in recorder.log
    assert "Traceback" not in recorder.log


def test_attempts_to_configure_that_fail_leave_no_thread(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Would catch a node that somebody configures again and again, and that grows each time."""
    params = {"contract": CONTRACT, "directory": str(tmp_path), "autostart": False}
    recorder = ros_environment.spawn_node("recorder", {**params, "extra_topics": ["/x no_such_package/msg/Thing"]})
    walker = LifecycleWalker(ros_environment, "recorder")

    def threads() -> int:
        return len(list(Path(f"/proc/{recorder.process.pid}/task").iterdir()))

    assert not walker.go("configure")
    first = threads()
    for _ in range(5):
        assert not walker.go("configure")
    ros_environment.wait_until(lambda: threads() <= first, 10.0, f"no more than {first} threads")


def test_a_full_disk_ends_the_episode_only(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Would catch a recorder that dies of a full disk, or that goes on and says nothing (FAULTS 25)."""
    ros = ros_environment
    recorder, robot = start(ros, tmp_path)
    robot.begin("first")
    robot.tick(0)
    robot.wait_for_status(f"received {CAMERA}", "1")
    # The kernel refuses to let this process write beyond that size: the same error path as a full disk.
    resource.prlimit(recorder.process.pid, resource.RLIMIT_FSIZE, (8192, 8192))
    index = 1

    def fill() -> bool:
        nonlocal index
        robot.tick(index)
        index += 1
        return "episode first was closed early" in recorder.log

    ros.wait_until(fill, 20.0, "a word about the disk")
    assert "to do:    free some space" in recorder.log
    assert [path.name for path in find_bags(tmp_path, include_partial=True)] == ["first.partial"]
    robot.end(index)
    ros.wait_until(lambda: bool(robot.closed), 10.0, "the end to be acknowledged all the same")
    assert recorder.returncode is None


def test_too_little_space_is_said_before_an_episode(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Would catch an episode that is begun on a disk that cannot hold it."""
    ros = ros_environment
    recorder, robot = start(ros, tmp_path, min_free_mb=1e12)
    robot.announce("first")
    ros.wait_until(lambda: "too little space left" in recorder.log, 10.0, "a word about the space")
    ros.wait_until(lambda: "too little space" in robot.status().get("message", ""), 10.0, "an error on /diagnostics")
    assert find_bags(tmp_path, include_partial=True) == []
