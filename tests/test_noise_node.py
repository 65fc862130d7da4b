"""The noise node as a process: between a real expert and whoever listens, and never beside a policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ros_processes import REPOSITORY, RosEnvironment
from wired_sensors import LifecycleWalker

from il_nodes.expert.noise import EpisodeNoise
from models.contract import load_contract
from models.noise_file import load_noise

pytestmark = pytest.mark.ros

CONTRACT = REPOSITORY / "contracts" / "driving.yaml"
START_NS, PERIOD_NS = 100_000_000_000, 50_000_000


def noise_file(directory: Path, **changes: object) -> Path:
    path = directory / "noise.yaml"
    content = yaml.safe_load((REPOSITORY / "contracts" / "noise" / "driving.yaml").read_text()) | changes
    path.write_text(yaml.safe_dump(content))
    return path


class Stage:
    """A noise node, the expert's seat, and what comes out behind ``/noise``."""

    def __init__(self, ros: RosEnvironment, file: Path, **params: object) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from geometry_msgs.msg import TwistStamped
        from std_msgs.msg import Header

        from il_nodes.ros.qos import LATCHED, RELIABLE

        self.ros = ros
        self.node = ros.spawn_node("noise", {"contract": str(CONTRACT), "file": str(file), **params})
        self.executed: list[Any] = ros.collect("/noise/expert/cmd_vel", TwistStamped)
        self.injected: list[Any] = ros.collect("/noise/injected", DiagnosticArray, latched=True)
        self.diagnostics: list[Any] = ros.collect("/diagnostics", DiagnosticArray)
        self.expert = ros.probe.create_publisher(TwistStamped, "/expert/cmd_vel", RELIABLE)
        self.episodes = ros.probe.create_publisher(Header, "/episode", LATCHED)
        self.decisions = ros.probe.create_publisher(DiagnosticArray, "/gate/decision", RELIABLE)
        self.tick = 0
        publishers = (self.expert, self.episodes, self.decisions)
        ros.wait_until(lambda: all(p.get_subscription_count() for p in publishers), 20.0, "the noise node to listen")
        self.until("it is active", lambda: self.status() is not None)

    def until(self, what: str, condition: Any, timeout_s: float = 10.0) -> None:
        self.ros.wait_until(condition, timeout_s, what)

    def begin(self, episode: str) -> None:
        """Start an episode, and wait until the node has announced its noise."""
        from std_msgs.msg import Header

        from il_nodes.ros.stamps import ns_to_stamp

        before = len(self.injected)
        stamp = ns_to_stamp(START_NS + self.tick * PERIOD_NS - 1_000_000)
        self.episodes.publish(Header(stamp=stamp, frame_id=episode))
        self.until("the announcement", lambda: len(self.injected) > before)

    def drive(self, count: int, speed: float = 4.0) -> list[tuple[float, float]]:
        """Commands at successive ticks; what is executed instead."""
        from geometry_msgs.msg import TwistStamped

        from il_nodes.ros.stamps import ns_to_stamp, stamp_to_ns

        before = len(self.executed)
        for sent in range(1, count + 1):
            command = TwistStamped()
            command.header.stamp = ns_to_stamp(START_NS + self.tick * PERIOD_NS)
            command.header.frame_id = "base_link"
            command.twist.linear.x, command.twist.linear.y = speed, 0.125
            self.expert.publish(command)
            self.tick += 1
            wanted = before + (sent if np.isfinite(speed) else 0)
            self.until("the executed command", lambda wanted=wanted: len(self.executed) >= wanted)
        made = self.executed[before:]
        ticks = [(stamp_to_ns(message.header.stamp) - START_NS) // PERIOD_NS for message in made]
        assert ticks == list(range(self.tick - count, self.tick))[: len(ticks)], "another stamp, order or number"
        return [(message.twist.linear.x, message.twist.angular.z) for message in made]

    def decide(self, source: str) -> None:
        from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

        status = DiagnosticStatus(name="gate", values=[KeyValue(key="source", value=source)])
        self.decisions.publish(DiagnosticArray(status=[status]))

    def status(self) -> Any:
        return next((s for a in reversed(self.diagnostics) for s in a.status if s.name == "noise: noise"), None)

    def values(self) -> dict[str, str]:
        return {pair.key: pair.value for pair in self.status().values}


def test_the_expert_is_disturbed_in_an_episode_and_nowhere_else(
    ros_environment: RosEnvironment, tmp_path: Path
) -> None:
    """Catches noise without an episode, noise that nobody can draw again, and a NaN that is passed on."""
    file = noise_file(tmp_path)
    stage = Stage(ros_environment, file)
    assert stage.drive(3) == [(4.0, 0.0)] * 3
    assert stage.executed[-1].twist.linear.y == 0.125, "what passes is the expert's own message"
    stage.begin("drive")
    executed = stage.drive(40)
    contract = load_contract(CONTRACT)
    noise = load_noise(file, contract)
    drawn = EpisodeNoise(noise, "drive", contract.period_s)
    for tick in range(15, 40):  # 4 m/s is reached after eight ticks at most
        np.testing.assert_allclose(executed[tick], np.array([4.0, 0.0]) + drawn.at(tick), rtol=1e-6, atol=1e-6)
    assert stage.drive(2, float("nan")) == []
    assert len(stage.drive(1)) == 1
    stage.until("the counters", lambda: stage.values()["disturbed"] == "41")
    assert (stage.values()["passed"], stage.values()["not_finite"]) == ("3", "2")
    (status,) = stage.injected[-1].status
    announced = {pair.key: pair.value for pair in status.values}
    assert (announced["episode"], announced["seed"], announced["time_constant_s"]) == ("drive", "0", "0.5")
    assert announced["file_sha256"] == noise.sha256
    rows = [[float(cell) for cell in row.split(",")] for row in announced["covariance"].split(";")]
    assert rows == noise.covariance.tolist()
    assert stage.status().message == "disturbing"
    assert LifecycleWalker(ros_environment, "noise").go("deactivate")
    stage.until("it to say that it rests", lambda: stage.status().message == "inactive")
    assert stage.node.terminate() == 0


def test_a_policy_that_turns_up_ends_the_noise_at_once(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """FAULTS 23: catches a disturbed robot beside a policy, and noise that comes back when the policy leaves."""
    from trajectory_msgs.msg import JointTrajectory

    stage = Stage(ros_environment, noise_file(tmp_path))
    stage.begin("drive")
    stage.drive(20)
    stage.until("it is past its refusal", lambda: stage.values()["guard"] == "watching")
    assert any(turn != 0.0 for _, turn in stage.drive(20))
    policy = ros_environment.probe.create_publisher(JointTrajectory, "/policy/proposal", 10)
    stage.until("an error", lambda: stage.status().level == b"\2" and "/probe publishes" in stage.status().message)
    assert stage.drive(5) == [(4.0, 0.0)] * 5
    assert "no more noise: /probe publishes on /policy/proposal" in stage.node.log
    ros_environment.probe.destroy_publisher(policy)
    stage.begin("another")
    assert stage.drive(5) == [(4.0, 0.0)] * 5
    assert stage.node.returncode is None


def test_a_clock_that_leaps_keeps_nobody_waiting(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Catches a minute of noise drawn at once, while the robot has no command."""
    stage = Stage(ros_environment, noise_file(tmp_path, time_constant=60.0))
    stage.begin("drive")
    stage.drive(3)
    stage.tick += 200_000
    stage.drive(3)
    stage.until("the count", lambda: stage.values()["restarts"] == "1")
    assert float(stage.values()["latency_p99_ms"]) < 300.0, "catching up took 48,000 draws"


def test_it_refuses_to_start_beside_a_policy(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """FAULTS 23: catches a noise node in a deployment, proposing or driving."""
    from trajectory_msgs.msg import JointTrajectory

    stage = Stage(ros_environment, noise_file(tmp_path))
    stage.decide("expert")
    stage.decide("policy")
    assert stage.node.wait() == 7
    assert "/gate/decision said that a policy drives" in stage.node.log

    ros_environment.probe.create_publisher(JointTrajectory, "/policy/proposal", 10)
    params = {"contract": str(CONTRACT), "file": str(noise_file(tmp_path))}
    node = ros_environment.spawn_node("noise", params)
    assert node.wait() == 7
    assert "never runs beside a policy" in node.log
    assert "publishes on /policy/proposal" in node.log
    assert "Traceback" not in node.log


def test_no_noise_is_an_exact_pass_through(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Catches DART's first round changed by limits or rounding: not a byte may differ."""
    stage = Stage(ros_environment, noise_file(tmp_path, std=[0, 0]))
    stage.begin("drive")
    assert stage.drive(5, speed=123.456) == [(123.456, 0.0)] * 5, "limits are the gate's business here"
    assert stage.executed[-1].header.frame_id == "base_link"


def test_a_mistake_ends_with_a_message(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Catches a node that runs without noise, or dies of a traceback, because of a file that says nothing sensible."""
    wrong = noise_file(tmp_path, names=["twist.linear.x", "twist.angular.y"])
    node = ros_environment.spawn_node("noise", {"contract": str(CONTRACT), "file": str(wrong)})
    assert node.wait() == 7
    assert "expected: the contract's action dimensions in their order: twist.linear.x, twist.angular.z" in node.log
    assert "Traceback" not in node.log


@pytest.mark.parametrize("topic", ["/expert/cmd_vel", "/cmd_vel"])
def test_noise_on_a_topic_of_others_is_refused(ros_environment: RosEnvironment, tmp_path: Path, topic: str) -> None:
    """Catches a node that disturbs its own commands again and again, or that commands the robot past the gate."""
    params = {"contract": str(CONTRACT), "file": str(noise_file(tmp_path))}
    node = ros_environment.spawn_node("noise", params, arguments=["-r", f"/noise/expert/cmd_vel:={topic}"])
    assert node.wait(20.0) == 7, node.log
    assert f"would publish on {topic}" in node.log
    assert "Traceback" not in node.log
