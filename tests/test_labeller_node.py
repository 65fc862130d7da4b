"""The labeller as a process, and both of DART and DAgger in a real lock-step drive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ros_processes import REPOSITORY, RosEnvironment
from wired_sensors import LifecycleWalker

from il_nodes.bags import BagReader, find_bags
from il_nodes.codecs import decode_raw, header_stamp_ns
from il_nodes.expert.noise import NoiseInjector
from models.contract import Contract, load_contract
from models.data import Action
from models.noise_file import load_noise

pytestmark = pytest.mark.ros

CONTRACT = REPOSITORY / "contracts" / "driving.yaml"
PARAMS = REPOSITORY / "launch" / "params" / "driving.yaml"
NOISE = REPOSITORY / "contracts" / "noise" / "driving.yaml"
START_NS, PERIOD_NS = 100_000_000_000, 50_000_000


class Stage:
    """A labeller, a camera, and somebody who commands."""

    def __init__(self, ros: RosEnvironment, **params: object) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from geometry_msgs.msg import TwistStamped
        from sensor_msgs.msg import Image
        from std_msgs.msg import Header

        from il_nodes.ros.qos import LATCHED, RELIABLE

        self.ros = ros
        self.node = ros.spawn_node("labeller", {"contract": str(CONTRACT), **params})
        self.labels: list[Any] = ros.collect("/label/expert/cmd_vel", TwistStamped)
        self.diagnostics: list[Any] = ros.collect("/diagnostics", DiagnosticArray)
        self.camera = ros.probe.create_publisher(Image, "/camera/front/image_raw", RELIABLE)
        self.expert = ros.probe.create_publisher(TwistStamped, "/expert/cmd_vel", RELIABLE)
        self.decisions = ros.probe.create_publisher(DiagnosticArray, "/gate/decision", RELIABLE)
        self.episodes = ros.probe.create_publisher(Header, "/episode", LATCHED)
        publishers = (self.camera, self.expert, self.decisions, self.episodes)
        ros.wait_until(lambda: all(p.get_subscription_count() for p in publishers), 20.0, "the labeller to listen")
        ros.wait_until(lambda: self.values(), 10.0, "it to be active")

    def show(self, tick: float) -> None:
        from sensor_msgs.msg import Image

        image = Image(height=1, width=1, step=3, encoding="rgb8", data=bytes(3))
        image.header.stamp = self.stamp(tick)
        self.camera.publish(image)

    def command(self, tick: float, speed: float) -> None:
        from geometry_msgs.msg import TwistStamped

        message = TwistStamped()
        message.header.stamp = self.stamp(tick)
        message.twist.linear.x = speed
        self.expert.publish(message)

    def begin(self, tick: float, episode_id: str) -> None:
        """Announce an episode, or that it goes on, and wait until that was heard, as the simulator does."""
        from rclpy.duration import Duration
        from std_msgs.msg import Header

        self.episodes.publish(Header(stamp=self.stamp(tick), frame_id=episode_id))
        assert self.episodes.wait_for_all_acked(Duration(seconds=5))

    def decide(self, tick: float, source: str) -> None:
        from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

        message = DiagnosticArray(status=[DiagnosticStatus(values=[KeyValue(key="source", value=source)])])
        message.header.stamp = self.stamp(tick)
        self.decisions.publish(message)

    @staticmethod
    def stamp(tick: float) -> Any:
        from il_nodes.ros.stamps import ns_to_stamp

        return ns_to_stamp(START_NS + round(tick * PERIOD_NS))

    def made(self) -> list[tuple[float, float]]:
        """(tick, speed) of every label so far."""
        from il_nodes.ros.stamps import stamp_to_ns

        return [((stamp_to_ns(m.header.stamp) - START_NS) / PERIOD_NS, m.twist.linear.x) for m in self.labels]

    def values(self) -> dict[str, str]:
        found = (s for a in reversed(self.diagnostics) for s in a.status if s.name == "labeller: labels")
        newest = next(found, None)
        return {} if newest is None else {pair.key: pair.value for pair in newest.values}

    def message(self) -> str:
        found = (s.message for a in reversed(self.diagnostics) for s in a.status if s.name == "labeller: labels")
        return next(found, "")

    def until_made(self, *labels: tuple[float, float]) -> None:
        self.ros.wait_until(lambda: len(self.made()) >= len(labels), 5.0, f"{len(labels)} labels; made {self.made()}")
        assert self.made() == list(labels)


def test_ticks_that_count_by_receipt_are_refused(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Catches labels none of which meets its tick: every process receives a picture at another time."""
    path = tmp_path / "contract.yaml"
    path.write_text(CONTRACT.read_text().replace("timeline: header", "timeline: receive"))
    node = ros_environment.spawn_node("labeller", {"contract": str(path)})
    assert node.wait(20.0) != 0
    assert "understudy relabel" in node.log


def test_every_tick_gets_one_label_or_a_reason(ros_environment: RosEnvironment) -> None:
    """Catches a label with the command's stamp instead of the tick's, a second one, and a silent hole."""
    stage = Stage(ros_environment)
    stage.show(0)
    stage.command(0, 1.0)
    stage.until_made((0, 1.0))
    stage.decide(0, "policy")
    stage.command(0.6, 1.5)
    stage.show(1)
    stage.show(1.2)  # a camera faster than the contract
    stage.until_made((0, 1.0), (1, 1.5))  # after wait_s: nothing newer came
    stage.show(20)
    ros_environment.wait_until(lambda: stage.values().get("unlabelled") == "1", 5.0, f"a reason: {stage.values()}")
    found = stage.values()
    assert found["unlabelled command_too_old"] == "1"
    assert (found["ticks"], found["labelled"], found["decimated"], found["visited_by policy"]) == ("3", "2", "1", "1")
    assert stage.made() == [(0, 1.0), (1, 1.5)]
    stage.command(2 * 10**18 / PERIOD_NS, 9.0)  # in the year 2033
    ros_environment.wait_until(lambda: stage.values().get("future_commands") == "1", 5.0, "the refusal")
    assert "future" in stage.message()
    assert LifecycleWalker(ros_environment, "labeller").go("deactivate")
    ros_environment.wait_until(lambda: stage.message() == "inactive", 5.0, "it to say that it rests")
    assert stage.node.terminate() == 0


def test_a_picture_that_comes_behind_the_word_of_a_recovery_is_labelled(ros_environment: RosEnvironment) -> None:
    """Catches a tick that the recording has, and that no label answers: the last one before the robot was put back."""
    stage = Stage(ros_environment)
    stage.begin(-0.5, "drive")
    stage.show(0)
    stage.command(0, 1.0)
    stage.until_made((0, 1.0))
    stage.begin(1.5, "drive")
    stage.show(1)
    stage.command(1, 1.5)
    stage.until_made((0, 1.0), (1, 1.5))
    stage.show(2)
    stage.command(2, 2.5)
    stage.until_made((0, 1.0), (1, 1.5), (2, 2.5))


def test_a_humans_answer_comes_a_reaction_later(ros_environment: RosEnvironment) -> None:
    stage = Stage(ros_environment, reaction_s=0.1)
    for tick in range(5):
        stage.command(tick, 10.0 + tick)
        stage.show(tick)
    stage.until_made((0, 12.0), (1, 13.0), (2, 14.0))


def test_a_reaction_time_in_lock_step_is_refused(ros_environment: RosEnvironment) -> None:
    """Catches a simulator that waits for ever for a label that needs it to go on."""
    params = {"contract": str(CONTRACT), "lock_step": True, "reaction_s": 0.2}
    node = ros_environment.spawn_node("labeller", params)
    assert node.wait() == 7
    assert "record in real time" in node.log


def test_labels_on_the_experts_own_topic_are_refused(ros_environment: RosEnvironment) -> None:
    """Catches a labeller that answers itself, and a gate that drives by labels."""
    remapped = ["-r", "/label/expert/cmd_vel:=/expert/cmd_vel"]
    node = ros_environment.spawn_node("labeller", {"contract": str(CONTRACT)}, arguments=remapped)
    assert node.wait(20.0) == 7, node.log
    assert "would publish on /expert/cmd_vel" in node.log


# -- a whole drive -----------------------------------------------------------------------------------------------------


def drive(ros: RosEnvironment, directory: Path) -> Path:
    """One episode with noise and labels, recorded into ``directory``."""
    lock_step = {"lock_step": True}
    remapped = ["-r", "/expert/cmd_vel:=/noise/expert/cmd_vel"]
    nodes = [
        ros.spawn_node("recorder", {**lock_step, "directory": str(directory)}, params_file=PARAMS),
        ros.spawn_node("gate", lock_step, params_file=PARAMS, arguments=remapped),
        ros.spawn_node("noise", {**lock_step, "file": str(NOISE)}, params_file=PARAMS),
        ros.spawn_node("labeller", lock_step, params_file=PARAMS),
        ros.spawn_node("expert", params_file=PARAMS),
    ]
    sim = {
        "track_seeds": [5],
        "max_episode_s": 3.0,
        "exit_when_done": True,
        "wait_for_nodes": ["expert", "noise", "labeller", "gate", "recorder"],
    }
    simulator = ros.spawn_node("sim", {**lock_step, **sim}, params_file=PARAMS)
    ros.wait_until(lambda: simulator.returncode is not None, 40.0, "the simulator to finish")
    assert simulator.returncode == 0, "\n".join(node.log for node in (simulator, *nodes))
    assert [node.terminate() for node in nodes] == [0] * 5, "\n".join(node.log for node in nodes)
    (bag,) = find_bags(directory)
    return bag


def commands(reader: BagReader, contract: Contract, topic: str) -> list[Action]:
    source = contract.action_sources[0]
    return [
        Action(header_stamp_ns(cdr), decode_raw(cdr, source).astype(np.float32))
        for _, _, cdr in reader.messages([topic])
    ]


@pytest.mark.sim
def test_a_disturbed_drive_keeps_its_clean_labels_and_can_be_drawn_again(
    ros_environment: RosEnvironment, tmp_path: Path
) -> None:
    """Catches the noisy command recorded as the label, noise that nobody can reproduce, and runs that differ."""
    bags = [drive(ros_environment, tmp_path / name) for name in ("one", "other")]
    for name in sorted(path.name for path in bags[0].iterdir()):
        assert (bags[0] / name).read_bytes() == (bags[1] / name).read_bytes(), f"{name} differs"
    reader, contract = BagReader(bags[0]), load_contract(CONTRACT)
    assert (reader.outcome, reader.quarantine) == ("complete", "")
    intended = commands(reader, contract, "/expert/cmd_vel")
    labels = commands(reader, contract, "/label/expert/cmd_vel")
    executed = commands(reader, contract, "/cmd_vel")
    assert len(intended) == len(labels) == len(executed) == 61
    for one, label in zip(intended, labels, strict=True):
        assert one.stamp_ns == label.stamp_ns
        np.testing.assert_array_equal(one.values, label.values)

    injector = NoiseInjector(contract, load_noise(NOISE, contract))
    injector.start_episode(reader.episode_id, reader.start_ns)
    for one, done in zip(intended, executed, strict=True):
        again = injector.disturb(one)
        assert again is not None
        np.testing.assert_allclose(again.values, done.values, rtol=1e-6, atol=1e-6)
    assert injector.executed_rms[1] > 0.05
    assert reader.counts["/noise/injected"] == 1
