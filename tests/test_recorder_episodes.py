"""The recorder as a process: marks, lifecycle, repeated episodes, and messages that never arrived."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from recorder_robot import CAMERA, ODOMETRY, Robot, start
from ros_processes import RosEnvironment
from wired_sensors import LifecycleWalker

from il_nodes.bags import BagReader, find_bags
from il_nodes.bags.files import MANIFEST, METADATA, Manifest

pytestmark = pytest.mark.ros

TOPICS = (CAMERA, ODOMETRY)


def drive(robot: Robot, name: str, first: int = 0, ticks: int = 3) -> None:
    """One episode from its announcement to its end."""
    robot.begin(name)
    for index in range(first, first + ticks):
        robot.tick(index)
    robot.wait_for_status(f"received {CAMERA}", str(ticks))
    robot.end(first + ticks)


def outcomes(directory: Path) -> dict[str, str]:
    return {path.name: BagReader(path).outcome for path in find_bags(directory)}


def test_success_and_failure_are_marked(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Would catch a mark that lands on another episode, breaks its checksums, or vanishes."""
    ros = ros_environment
    _, robot = start(ros, tmp_path, mark_within_s=3.0)
    assert not robot.call("success").success, "there was no episode yet"
    robot.begin("first")
    robot.tick(0)
    assert robot.call("failure").success
    assert robot.call("success").success, "a person may think again"
    robot.wait_for_status("mark", "success")
    robot.end(1)
    ros.wait_until(lambda: outcomes(tmp_path) == {"first": "success"}, 10.0, "the first episode")
    assert "outcome: success" in (tmp_path / "first" / METADATA).read_text()
    drive(robot, "second", 100)
    ros.wait_until(lambda: "second" in outcomes(tmp_path), 10.0, "the second episode")
    answer = robot.call("failure")
    assert answer.success, answer.message
    assert answer.message == "second: failure (was complete)"
    assert outcomes(tmp_path) == {"first": "success", "second": "failure"}
    ended_s = time.monotonic()
    ros.wait_until(lambda: time.monotonic() - ended_s > 3.0, 10.0, "the time for marks to be over")
    refused = robot.call("success")
    assert not refused.success
    assert "within the last 3 s" in refused.message
    drive(robot, "third", 200)
    assert robot.call("discard").success
    assert not robot.call("success").success, "a discarded episode cannot be marked"
    assert outcomes(tmp_path) == {"first": "success", "second": "failure"}


def test_an_episode_of_the_same_id_right_after_its_end(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Would catch the second take swallowed while the first one's last messages are still waited for."""
    ros = ros_environment
    _, robot = start(ros, tmp_path, grace_s=5.0)
    drive(robot, "take", 0)
    robot.announce("take")
    robot.wait_for_status("episode", "take-2")
    for index in range(2):
        robot.tick(index)
    robot.wait_for_status(f"received {CAMERA}", "2")
    assert robot.call("stop").success
    robot.announce("take")  # the robot goes on with it, but a person has stopped it here
    ros.wait_until(lambda: len(find_bags(tmp_path)) == 2, 10.0, "both takes")
    robot.wait_for_status("episode", "")
    assert {path.name: BagReader(path).counts[CAMERA] for path in find_bags(tmp_path)} == {"take": 3, "take-2": 2}
    assert BagReader(tmp_path / "take").quarantine == ""


def transition(ros: RosEnvironment, number: int) -> bool:
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    client = ros.probe.create_client(ChangeState, "/recorder/change_state")
    ros.wait_until(client.service_is_ready, 10.0, "the recorder's lifecycle")
    future: Any = client.call_async(ChangeState.Request(transition=Transition(id=number)))
    ros.wait_until(future.done, 15.0, "the transition")
    return bool(future.result().success)


def test_deactivation_closes_the_episode(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Would catch a resting recorder that records, loses what it had, or does not take up what goes on meanwhile."""
    from lifecycle_msgs.msg import Transition

    ros = ros_environment
    recorder, robot = start(ros, tmp_path)
    robot.begin("drive")
    for index in range(5):
        robot.tick(index)
    robot.wait_for_status(f"received {ODOMETRY}", "5")
    assert transition(ros, Transition.TRANSITION_DEACTIVATE)
    ros.wait_until(lambda: outcomes(tmp_path) == {"drive": "aborted"}, 10.0, "the episode to be closed")
    robot.wait_for_status("message", "inactive")
    refused = robot.call("start")
    assert (refused.success, refused.message) == (False, "the recorder is not active")
    robot.announce("while-resting")
    robot.tick(6)
    robot.wait_for_status("episode", "")
    assert transition(ros, Transition.TRANSITION_ACTIVATE)
    robot.wait_for_status("episode", "while-resting")
    robot.tick(7)
    robot.wait_for_status(f"received {CAMERA}", "1")
    assert transition(ros, Transition.TRANSITION_DEACTIVATE)
    assert transition(ros, Transition.TRANSITION_CLEANUP)
    assert outcomes(tmp_path) == {"drive": "aborted", "while-resting": "aborted"}, "the clean-up waits for the disk"
    assert transition(ros, Transition.TRANSITION_CONFIGURE)
    assert transition(ros, Transition.TRANSITION_ACTIVATE)
    robot.wait_for_status("episode", "while-resting-2")
    assert recorder.terminate() == 0
    assert [BagReader(path).outcome for path in find_bags(tmp_path)] == ["aborted"] * 3


def test_messages_that_found_no_room_are_counted(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Would catch FAULTS 26: the middleware drops old messages of a busy process in silence."""
    ros = ros_environment
    recorder, robot = start(ros, tmp_path)
    robot.begin("drive")
    robot.tick(0)
    robot.wait_for_status(f"received {CAMERA}", "1")
    recorder.send(signal.SIGSTOP)
    for index in range(1, 251):  # the subscription to the camera keeps a hundred
        robot.tick(index)
    recorder.send(signal.SIGCONT)
    robot.tick(251)

    def is_accounted_for() -> bool:
        status = robot.status()
        told = [int(status.get(f"received {topic}", 0)) + int(status.get(f"lost {topic}", 0)) for topic in TOPICS]
        return told == [252, 252]

    ros.wait_until(is_accounted_for, 10.0, "every message to be accounted for")
    assert int(robot.status()["missing_ticks"]) > 100
    robot.end(252)
    ros.wait_until(lambda: "drive" in outcomes(tmp_path), 10.0, "the episode to be closed")
    reader = BagReader(tmp_path / "drive")
    manifest = Manifest.read(tmp_path / "drive" / MANIFEST)
    sent = {topic: reader.counts[topic] + manifest.losses["lost"].get(topic, 0) for topic in TOPICS}
    assert sent == {CAMERA: 252, ODOMETRY: 252}
    assert manifest.losses["lost"][CAMERA] > 100
    assert f"{manifest.losses['lost'][CAMERA]} messages lost on {CAMERA}" in reader.quarantine


def test_a_camera_that_had_died_when_a_person_stopped(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Would catch FAULTS 26 on a robot, where every episode is stopped by hand: its end is announced by nobody."""
    ros = ros_environment
    _, robot = start(ros, tmp_path, announces=False, auto=False)
    name = robot.call("start").message
    robot.tick(0)
    robot.wait_for_status(f"received {CAMERA}", "1")
    ticked_s = time.monotonic()
    ros.wait_until(lambda: time.monotonic() - ticked_s > 1.0, 5.0, "a second without a picture")
    assert robot.call("stop").success
    ros.wait_until((tmp_path / name).is_dir, 10.0, "the episode to be closed")
    assert f"ticks missing on {CAMERA}" in BagReader(tmp_path / name).quarantine


def test_a_stream_that_never_spoke_keeps_its_episode_from_training(
    ros_environment: RosEnvironment, tmp_path: Path
) -> None:
    """Would catch a robot whose odometry is not running: complete or cut off, the episode gives no observation."""
    ros = ros_environment
    recorder, robot = start(ros, tmp_path)

    def show(first: int) -> None:
        for index in range(first, first + 3):
            robot.tick(index, odometry=False)
        robot.wait_for_status(f"received {CAMERA}", "3")

    robot.begin("complete")
    show(0)
    ros.wait_until(lambda: "nothing comes on" in robot.status()["message"], 10.0, "a warning in mid-episode")
    assert robot.status()["message"] == f"nothing comes on {ODOMETRY}: not for training"
    robot.end(3)
    ros.wait_until(lambda: "complete" in outcomes(tmp_path), 10.0, "the episode to be closed")
    robot.begin("cut-off")
    show(100)
    assert recorder.terminate() == 0
    assert outcomes(tmp_path) == {"complete": "complete", "cut-off": "aborted"}
    for path in find_bags(tmp_path):
        manifest = Manifest.read(path / MANIFEST)
        assert manifest.losses == {"absent": {ODOMETRY: 0}}
        assert manifest.quarantine == f"0 messages on {ODOMETRY} in the whole episode"


def test_bytes_that_are_no_message_cost_one_episode(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Would catch a recorder that dies of what any process may publish, and takes the robot's run with it."""
    from nav_msgs.msg import Odometry

    ros = ros_environment
    recorder, robot = start(ros, tmp_path)
    garbage = ros.probe.create_publisher(Odometry, ODOMETRY, 10)
    ros.wait_until(garbage.get_subscription_count, 10.0, "the recorder to listen")
    robot.begin("spoiled")
    robot.tick(0)
    garbage.publish(b"\x00\x01\x00\x00")
    robot.wait_for_status(f"unreadable {ODOMETRY}", "1")
    robot.end(1)
    ros.wait_until(lambda: "spoiled" in outcomes(tmp_path), 10.0, "the episode to be closed")
    assert f"1 message on {ODOMETRY} could not be read" in BagReader(tmp_path / "spoiled").quarantine
    drive(robot, "after", 10)
    ros.wait_until(lambda: "after" in outcomes(tmp_path), 10.0, "the next episode")
    assert recorder.returncode is None


def test_messages_that_are_stamped_outside_are_no_whole_episode(
    ros_environment: RosEnvironment, tmp_path: Path
) -> None:
    """Would catch streams that are dropped for their stamps without a word."""
    ros = ros_environment
    _, robot = start(ros, tmp_path)
    robot.begin("first")
    for index in range(3):
        robot.tick(index - 15)
    robot.wait_for_status(f"outside {CAMERA}", "3")
    robot.wait_for_status(f"outside {ODOMETRY}", "3")
    assert "are all clocks the same?" in robot.status()["message"]
    robot.end(3)
    ros.wait_until(lambda: find_bags(tmp_path), 10.0, "the episode")
    manifest = Manifest.read(tmp_path / "first" / MANIFEST)
    assert manifest.losses["outside"] == {CAMERA: 3, ODOMETRY: 3}
    assert f"3 messages on {CAMERA} stamped outside the episode, and none inside" in manifest.quarantine


def test_an_episode_that_was_refused_is_never_said_to_be_recorded(
    ros_environment: RosEnvironment, tmp_path: Path
) -> None:
    """Would catch a person who goes on demonstrating for nothing."""
    _, robot = start(ros_environment, tmp_path, min_free_mb=1e12)
    robot.announce("refused")
    ros_environment.wait_until(lambda: "too little space" in robot.status().get("message", ""), 10.0, "the refusal")
    assert (robot.status()["episode"], robot.status()["finished"]) == ("", "0")
    for service in ("success", "failure", "stop"):
        answer = robot.call(service)
        assert not answer.success, service
        assert "too little space left" in answer.message
    assert robot.call("stop").message == "nothing is being recorded"
    said = len(robot.diagnostics)
    ros_environment.wait_until(lambda: len(robot.diagnostics) > said, 10.0, "the next report")
    assert robot.status()["finished"] == "0"


def test_an_episode_that_was_deleted_meanwhile_is_not_said_to_be_complete(
    ros_environment: RosEnvironment, tmp_path: Path
) -> None:
    """Would catch a person who leaves with the word "complete", and finds no recording at home."""
    ros = ros_environment
    recorder, robot = start(ros, tmp_path, announces=False, auto=False)
    names = []
    # Deleted right before the stop; long before it, which the recorder notices by itself; only the file in the folder.
    for case in ("right before", "long before", "the file alone"):
        name = robot.call("start").message
        names.append(name)
        first = len(names) * 100
        robot.tick(first)
        robot.wait_for_status(f"received {CAMERA}", "1")
        partial = tmp_path / f"{name}.partial"
        ros.wait_until(lambda partial=partial: list(partial.glob("*.mcap")), 10.0, "the file")
        if case == "the file alone":
            next(partial.glob("*.mcap")).unlink()
        else:
            shutil.rmtree(partial)
        if case == "long before":

            def is_noticed(first: int = first) -> bool:
                robot.tick(first + 1)
                return "it was deleted" in robot.status().get("message", "")

            ros.wait_until(is_noticed, 15.0, "the recorder to notice")
        answer = robot.call("stop")
        assert not answer.success, case
        assert "is lost: it was deleted, or moved away, while it was written" in answer.message, case
        assert "leave folders alone" in answer.message
    assert find_bags(tmp_path) == []
    assert robot.status()["finished"] == "0"
    assert robot.call("start").success
    robot.tick(900)
    robot.wait_for_status(f"received {CAMERA}", "1")
    whole = robot.call("stop")
    assert whole.success
    assert whole.message.endswith("messages, complete"), whole.message
    assert len(find_bags(tmp_path)) == 1, "who hears that it is complete finds it there"
    assert "Traceback" not in recorder.log


def test_a_mark_that_waits_for_the_disk_outlives_a_clean_up(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Would catch a recorder that ends because the one whom it owes an answer is still waiting for it."""
    from std_srvs.srv import Trigger

    ros = ros_environment
    recorder, robot = start(ros, tmp_path, announces=False, auto=False, close_timeout_s=0.2)
    walker = LifecycleWalker(ros, "recorder")
    name = robot.call("start").message
    assert robot.call("stop").success
    ros.wait_until((tmp_path / name).is_dir, 10.0, "the episode to be closed")
    manifest = tmp_path / name / MANIFEST
    manifest.unlink()
    os.mkfifo(manifest)  # a disk that does not answer
    client = ros.probe.create_client(Trigger, "/recorder/success")
    ros.wait_until(client.service_is_ready, 10.0, "the service")
    asked = client.call_async(Trigger.Request())
    disk = -1

    def reads() -> bool:
        nonlocal disk
        with contextlib.suppress(OSError):
            disk = os.open(manifest, os.O_WRONLY | os.O_NONBLOCK)
        return disk >= 0

    ros.wait_until(reads, 10.0, "the recorder to ask the disk")
    assert walker.go("deactivate")
    assert walker.go("cleanup")
    ros.wait_until(asked.done, 10.0, "an answer all the same")
    assert not asked.result().success
    assert "cleaned up" in asked.result().message
    os.close(disk)  # now the disk answers, and nobody waits for it any more
    for service in ("start", "stop", "success"):
        answer = robot.call(service)
        assert (answer.success, "not" in answer.message) == (False, True), service
    assert walker.go("configure")
    assert walker.go("activate")
    assert robot.call("start").success
    assert recorder.terminate() == 0
