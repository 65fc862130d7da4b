"""The simulator and expert nodes as processes: what a driver, a misconfigured peer, or a person at a terminal meets."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from typing import Any

import pytest
from ros_processes import RosEnvironment

pytestmark = [pytest.mark.ros, pytest.mark.sim]

#: One endless episode, started without waiting for anybody.
ALONE = {"wait_for_nodes": [""], "track_seeds": [3], "max_episode_s": 600.0, "laps": 0, "seed": 1}


def values(message: Any) -> dict[str, str]:
    return {item.key: item.value for status in message.status for item in status.values}


def test_the_car_stops_when_commands_cease(ros_environment: RosEnvironment) -> None:
    """Would catch a simulator that keeps driving on the last command of a gate that died (FAULTS 18)."""
    from diagnostic_msgs.msg import DiagnosticArray
    from geometry_msgs.msg import TwistStamped
    from nav_msgs.msg import Odometry

    ros = ros_environment
    odometry = ros.collect("/odom", Odometry)
    status = ros.collect("/sim/status", DiagnosticArray)
    publisher = ros.probe.create_publisher(TwistStamped, "/cmd_vel", 10)
    ros.spawn_node("sim", ALONE)
    answered = 0

    def drive() -> bool:
        nonlocal answered
        if len(odometry) > answered:
            answered = len(odometry)
            command = TwistStamped(header=odometry[-1].header)
            command.twist.linear.x = 3.0
            publisher.publish(command)
        return bool(odometry) and odometry[-1].twist.twist.linear.x > 1.5

    ros.wait_until(drive, 30.0, "the car drives at 1.5 m/s")
    assert any("command_age_ms" in values(message) for message in status), "latency is not reported"
    driving = len(status)
    ros.wait_until(lambda: values(status[-1])["command_timeouts"] == "1", 2.0, "the watchdog to notice the silence")
    # Two ticks of patience, one for the tick that was under way, one for this process being scheduled late.
    assert len(status) - driving <= 4
    ros.wait_until(lambda: odometry[-1].twist.twist.linear.x < 0.05, 5.0, "the car stands")


def test_episode_track_and_side_cameras_belong_together(ros_environment: RosEnvironment) -> None:
    """Would catch a path without its episode's stamp, an image under another tick's stamp, or a silent side camera."""
    from geometry_msgs.msg import TwistStamped
    from nav_msgs.msg import Path
    from rosgraph_msgs.msg import Clock
    from sensor_msgs.msg import Image
    from std_msgs.msg import Header
    from std_srvs.srv import Trigger

    ros = ros_environment
    episodes = ros.collect("/episode", Header, latched=True)
    paths = ros.collect("/track/centerline", Path, latched=True)
    clocks = ros.collect("/clock", Clock)
    images = {name: ros.collect(f"/camera/{name}/image_raw", Image) for name in ("front", "left")}
    ros.probe.create_publisher(TwistStamped, "/cmd_vel", 10)
    ros.spawn_node("sim", ALONE)
    ros.wait_until(lambda: all(len(found) >= 5 for found in images.values()), 30.0, "five frames of two cameras")
    front, left = (
        images["front"][-1],
        next(i for i in images["left"] if i.header.stamp == images["front"][-1].header.stamp),
    )
    assert (front.width, front.height, front.step, front.encoding) == (96, 64, 288, "rgb8")
    assert (front.header.frame_id, left.header.frame_id) == ("camera_front", "camera_left")
    assert bytes(front.data) != bytes(left.data)
    assert episodes[0].frame_id == "drive-000-track-3"
    assert paths[0].header.stamp == episodes[0].stamp
    points = [(pose.pose.position.x, pose.pose.position.y) for pose in paths[0].poses]
    assert len(points) > 100
    assert points[0] != points[-1]

    reset = ros.probe.create_client(Trigger, "/sim/reset")
    ros.wait_until(reset.service_is_ready, 10.0, "/sim/reset")
    reset.call_async(Trigger.Request())
    ros.wait_until(lambda: episodes[-1].frame_id == "drive-000-track-3-again-1", 10.0, "a new episode after a reset")
    assert [header.frame_id for header in episodes[:-1]][-1] == "", "the old episode was not ended"
    count = len(images["front"])
    ros.wait_until(lambda: len(images["front"]) > count + 2, 10.0, "frames of the new episode")
    times = [message.clock.sec * 10**9 + message.clock.nanosec for message in clocks]
    assert times == sorted(times), "simulated time went back"
    assert times[0] >= 10**9


def test_an_incompatible_publisher_is_named(ros_environment: RosEnvironment) -> None:
    """Would catch the silence in which a best-effort command never reaches a reliable subscriber."""
    from geometry_msgs.msg import TwistStamped
    from rclpy.qos import QoSProfile, ReliabilityPolicy

    ros = ros_environment
    qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    ros.probe.create_publisher(TwistStamped, "/cmd_vel", qos)
    sim = ros.spawn_node("sim", ALONE)
    ros.wait_until(lambda: "incompatible QoS" in sim.log, 30.0, "a word about the publisher")
    assert "incompatible QoS on /cmd_vel: reliability offered: best_effort by probe, requested: reliable" in sim.log


def test_a_second_node_of_a_name_is_refused(ros_environment: RosEnvironment) -> None:
    """Would catch two experts that drive one car because somebody forgot a run in another terminal."""
    from diagnostic_msgs.msg import DiagnosticArray

    from il_nodes.ros.namesakes import YOUNG_S

    ros = ros_environment
    diagnostics = ros.collect("/diagnostics", DiagnosticArray)
    first = ros.spawn_node("expert")
    ros.wait_until(lambda: bool(diagnostics), 30.0, "the first expert")
    # A younger one may give way itself when discovery is slow; which of the two is then chance.
    settled_s = time.monotonic() + YOUNG_S
    ros.wait_until(lambda: time.monotonic() > settled_s, 2 * YOUNG_S, "the first expert to settle")
    second = ros.spawn_node("expert")
    ros.wait_until(lambda: second.returncode is not None, 30.0, "the second expert to give way")
    assert second.returncode == 7
    assert f"domain busy: another node named /expert runs in ROS domain {ros.domain_id}" in second.log
    assert "Traceback" not in second.log
    assert first.returncode is None
    assert first.terminate() == 0


def test_missing_nodes_and_bad_parameters_are_explained(ros_environment: RosEnvironment) -> None:
    """Would catch a run that waits forever, and a traceback for a typing error."""
    ros = ros_environment
    waiting = ros.spawn_node("sim", {**ALONE, "wait_for_nodes": ["expert", "gate"], "wait_timeout_s": 1.0})
    assert waiting.wait(30.0) == 7
    assert "expert: has not been heard from; gate: has not been heard from" in waiting.log
    wrong = ros.spawn_node("sim", {**ALONE, "real_time_factor": "fast"})
    endless = ros.spawn_node("sim", {**ALONE, "max_episode_s": 0.0}, arguments=["-r", "__node:=endless"])
    assert wrong.wait(30.0) == 7
    assert "parameter real_time_factor of node sim" in wrong.log
    assert endless.wait(30.0) == 7
    assert "an episode without an end" in endless.log
    assert not any("Traceback" in node.log for node in ros.processes)


def test_a_lock_step_run_without_an_answer_ends(ros_environment: RosEnvironment) -> None:
    """Would catch a lock-step run that hangs when nobody answers a tick, or that does not say who."""
    ros = ros_environment
    sim = ros.spawn_node("sim", {**ALONE, "lock_step": True, "lock_step_timeout_s": 0.5})
    assert sim.wait(30.0) == 7
    assert "the lock-step run stands still at 1.00 s" in sim.log
    assert "no /cmd_vel for this tick" in sim.log


def test_sigint_ends_a_node_cleanly(ros_environment: RosEnvironment) -> None:
    """Would catch a Ctrl-C that prints a traceback or leaves an exit code that looks like a crash."""
    ros = ros_environment
    sim = ros.spawn_node("sim", ALONE)
    ros.wait_until(lambda: "episode drive-000" in sim.log, 30.0, "the simulator to run")
    sim.send(signal.SIGINT)
    assert sim.wait(5.0) == 0
    assert "Traceback" not in sim.log


def test_a_killed_subscriber_does_not_stop_the_robot_at_every_start(ros_environment: RosEnvironment) -> None:
    """For 20 s the middleware waits for the word of a process that is gone: the first frame must not wait as long, or
    the gate takes the policy for hung.
    """
    from rosgraph_msgs.msg import Clock
    from std_msgs.msg import Header

    from il_nodes.ros.qos import LATCHED

    settings = {"track_seeds": list(range(1, 30)), "max_episode_s": 1.0, "wait_for_nodes": ["expert"]}
    expert = ros_environment.spawn_node("expert")
    starts: list[int] = []
    clocks: list[int] = []

    def on_episode(message: Header, info: Mapping[str, Any]) -> None:
        if message.frame_id:
            starts.append(info["source_timestamp"])

    def on_clock(_message: Clock, info: Mapping[str, Any]) -> None:
        clocks.append(info["source_timestamp"])

    ros_environment.probe.create_subscription(Header, "/episode", on_episode, LATCHED)
    ros_environment.probe.create_subscription(Clock, "/clock", on_clock, 100)
    ros_environment.spawn_node("sim", settings)
    ros_environment.wait_until(lambda: starts and clocks, 60.0, "the first episode")
    expert.send(signal.SIGKILL)
    expert.wait()
    seen = len(starts)
    ros_environment.wait_until(lambda: len(starts) > seen + 2, 30.0, "two more episodes")
    for start in starts[seen : seen + 2]:
        pause_s = (min(at for at in clocks if at > start) - start) * 1e-9
        assert pause_s < 0.9, "0.25 s of waiting in all; it was half a second for each topic"
