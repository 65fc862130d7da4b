"""Episodes that a person starts at a robot, announced by the recorder because nobody else would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from recorder_robot import CAMERA, CONTRACT, EPISODE, ODOMETRY, start
from ros_processes import REPOSITORY, RosEnvironment

from il_nodes.bags import BagReader, find_bags

pytestmark = pytest.mark.ros


def test_a_robots_episodes_are_announced(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Would catch noise that never disturbs a real robot, and a recorder that reacts to its own announcement."""
    from diagnostic_msgs.msg import DiagnosticArray
    from std_msgs.msg import Header

    ros = ros_environment
    noise_file = REPOSITORY / "contracts" / "noise" / "driving.yaml"
    ros.spawn_node("noise", {"contract": CONTRACT, "file": str(noise_file)})
    injected: list[Any] = ros.collect("/noise/injected", DiagnosticArray, latched=True)
    heard: list[Any] = ros.collect(EPISODE, Header, latched=True)
    recorder, robot = start(ros, tmp_path, announces=False, auto=True)
    names: list[str] = []
    for take in range(2):
        names.append(robot.call("start").message)
        ros.wait_until(lambda: len(injected) == len(names), 10.0, "the noise of the episode")
        robot.wait_for_status("episode", names[-1])
        robot.tick(take)
        robot.wait_for_status(f"received {CAMERA}", "1")
        assert robot.call("stop").success
        ros.wait_until(lambda: len(heard) == 2 * len(names), 10.0, "its end")
    assert [header.frame_id for header in heard] == [names[0], "", names[1], ""]
    assert [next(p.value for p in m.status[0].values if p.key == "episode") for m in injected] == names
    ros.wait_until(lambda: len(find_bags(tmp_path)) == 2, 10.0, "both episodes")
    assert [(path.name, BagReader(path).counts[EPISODE]) for path in find_bags(tmp_path)] == [(n, 2) for n in names]
    name = robot.call("start").message
    ros.wait_until(lambda: heard[-1].frame_id == name, 10.0, "the third episode")
    assert recorder.terminate() == 0
    assert BagReader(tmp_path / name).outcome == "aborted"


def test_beside_somebody_who_announces_the_recorder_is_silent(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Would catch two sources of episodes, of which nobody knows the truth."""
    ros = ros_environment
    _, robot = start(ros, tmp_path, auto=False)
    assert robot.call("start").success
    robot.tick(0)
    robot.wait_for_status(f"received {CAMERA}", "1")
    assert ros.probe.count_publishers(EPISODE) == 1


def test_a_recorder_whose_topics_are_remapped_counts_their_publishers(
    ros_environment: RosEnvironment, tmp_path: Path
) -> None:
    """Would catch two sources of episodes, and losses that nobody suffered: two publishers count each for itself."""
    from diagnostic_msgs.msg import DiagnosticArray
    from nav_msgs.msg import Odometry
    from std_msgs.msg import Header
    from std_srvs.srv import Trigger

    from il_nodes.ros.qos import LATCHED

    ros = ros_environment
    speaker = ros.probe.create_publisher(Header, "/robot/episode", LATCHED)
    heard: list[Any] = ros.collect("/robot/episode", Header, latched=True)
    diagnostics: list[Any] = ros.collect("/diagnostics", DiagnosticArray)
    one, other = (ros.probe.create_publisher(Odometry, "/robot/odom", 100) for _ in range(2))
    ros.spawn_node(
        "recorder",
        {"contract": CONTRACT, "directory": str(tmp_path)},
        arguments=["-r", f"{EPISODE}:=/robot/episode", "-r", f"{ODOMETRY}:=/robot/odom"],
    )
    # The probe hears its own episodes too.
    ros.wait_until(lambda: speaker.get_subscription_count() >= 2, 30.0, "the recorder to hear of episodes")
    ros.wait_until(lambda: one.get_subscription_count() and other.get_subscription_count(), 30.0, "and of odometry")

    def value(key: str) -> str:
        found = [s for array in diagnostics for s in array.status if s.name == "recorder: recording"]
        return next((pair.value for pair in found[-1].values if pair.key == key), "0") if found else ""

    def call(name: str) -> Any:
        client = ros.probe.create_client(Trigger, f"/recorder/{name}")
        ros.wait_until(client.service_is_ready, 10.0, name)
        future = client.call_async(Trigger.Request())
        ros.wait_until(future.done, 10.0, f"the answer to {name}")
        return future.result()

    for _ in range(5):
        one.publish(Odometry())  # its numbers run ahead of the other's
    name = call("start").message
    for sent, publisher in enumerate((other, one, other, one), 1):
        publisher.publish(Odometry())
        ros.wait_until(lambda: int(value(f"received {ODOMETRY}") or 0) >= sent, 10.0, "the message")  # noqa: B023
    assert value(f"lost {ODOMETRY}") == "0"
    assert call("stop").success
    ros.wait_until((tmp_path / name).is_dir, 10.0, "the recording")
    assert BagReader(tmp_path / name).quarantine == f"0 messages on {CAMERA} in the whole episode"
    assert heard == [], "the recorder spoke where somebody else announces episodes"
