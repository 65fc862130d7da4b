"""The policy node as a process with a real bundle: what it answers, what it leaves to the expert, when it refuses."""

from __future__ import annotations

import json
import math
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ros_messages import image_cdr, odometry_cdr
from ros_processes import REPOSITORY, NodeProcess, RosEnvironment

from il_nodes.codecs import decode_proposal
from il_nodes.observation import ObservationAssembler
from models.bundle.reading import inspect_bundle
from models.data import Observation, Proposal
from models.errors import ObservationError
from models.runtime import PolicyRuntime

pytestmark = pytest.mark.ros

BUNDLE = Path(__file__).parent / "data" / "bundles" / "small_car.onnx"
CONTRACT = inspect_bundle(BUNDLE).contract
CAMERA, ODOMETRY = "/camera", "/odom"
PERIOD_NS = 50_000_000
START_NS = 1_000_000_000


class Sensors:
    """A camera and an odometry that the probe publishes as CDR, a policy node, and the same policy offline."""

    def __init__(self, ros: RosEnvironment, **params: object) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from nav_msgs.msg import Odometry
        from sensor_msgs.msg import Image
        from std_msgs.msg import Header
        from trajectory_msgs.msg import JointTrajectory

        from il_nodes.qos import LATCHED, RELIABLE

        self.ros = ros
        contract = ros.directory / "contract.yaml"
        contract.write_text(CONTRACT.text)
        self.digests = ros.directory / "digests.jsonl"
        self.node: NodeProcess = ros.spawn_node(
            "policy",
            {"contract": str(contract), "bundle": str(BUNDLE), "record_digests": str(self.digests), **params},
        )
        self.received: list[bytes] = ros.collect(CONTRACT.gate.proposal_topic, JointTrajectory, raw=True)
        self.diagnostics: list[Any] = ros.collect("/diagnostics", DiagnosticArray)
        self.publishers = {
            CAMERA: ros.probe.create_publisher(Image, CAMERA, RELIABLE),
            ODOMETRY: ros.probe.create_publisher(Odometry, ODOMETRY, RELIABLE),
        }
        self.episodes = ros.probe.create_publisher(Header, "/episode", LATCHED)
        self.assembler = ObservationAssembler(CONTRACT)
        self.runtime = PolicyRuntime.load(BUNDLE, CONTRACT, provider="cpu")
        self.random = np.random.default_rng(3)
        self.tick = 0
        ends = (*self.publishers.values(), self.episodes)
        ros.wait_until(lambda: all(end.get_subscription_count() for end in ends), 15.0, "the node's subscriptions")
        ros.wait_until(lambda: ros.probe.count_publishers(CONTRACT.gate.proposal_topic), 5.0, "the node's publisher")

    @property
    def stamp_ns(self) -> int:
        return START_NS + self.tick * PERIOD_NS

    def send(self, speed: float | None = None) -> Observation | None:
        """One more tick, live and offline; the offline observation."""
        self.tick += 1
        pixels = self.random.integers(0, 256, (16, 24, 3), dtype=np.uint8)
        state = odometry_cdr(self.stamp_ns, 0.1 * self.tick if speed is None else speed, 0.2)
        emitted = None
        for topic, cdr in ((ODOMETRY, state), (CAMERA, image_cdr(self.stamp_ns, pixels))):
            self.publishers[topic].publish(cdr)
            try:
                emitted = self.assembler.add(topic, cdr, self.stamp_ns) or emitted
            except ObservationError:
                emitted = None
        return emitted

    def answer(self) -> Proposal:
        """The proposal for the newest tick."""
        self.ros.wait_until(
            lambda: self.received and decode_proposal(self.received[-1]).stamp_ns == self.stamp_ns,
            5.0,
            f"the proposal for tick {self.tick}",
        )
        return decode_proposal(self.received[-1])

    def recorded(self) -> list[dict[str, Any]]:
        # A line that is being written has no end yet.
        return [json.loads(line) for line in self.digests.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def last_digest(self) -> str:
        """Digest of the observation that the newest tick was answered from; written right behind the answer."""
        self.ros.wait_until(lambda: self.recorded()[-1:] and self.recorded()[-1]["stamp_ns"] == self.stamp_ns)
        return str(self.recorded()[-1]["digest"])

    def status(self) -> dict[str, str]:
        found = [s for array in self.diagnostics for s in array.status if s.name == "policy: policy"]
        return {pair.key: pair.value for pair in found[-1].values} if found else {}


def test_live_proposals_are_the_offline_ones_and_only_the_newest_frame_is_answered(
    ros_environment: RosEnvironment,
) -> None:
    """Catches another observation live than offline, a frame that never entered the memory, answers to old frames."""
    sensors = Sensors(ros_environment)
    for _ in range(4):
        observation = sensors.send()
        assert observation is not None
        live, offline = sensors.answer(), sensors.runtime.predict(observation)
        assert (live.names, live.actions.shape) == (CONTRACT.action_names, (2, 2))
        assert live.actions.tobytes() == offline.actions.tobytes()
        assert live.unsafe_probability == offline.unsafe_probability
        assert sensors.last_digest() == observation.digest()
    assert [line["starts_memory"] for line in sensors.recorded()] == [True, False, False, False]

    # FAULTS 13: NaN in one sensor. No proposal for that tick; the next tick is answered again.
    count = len(sensors.received)
    sensors.send(math.nan)
    assert sensors.send() is not None
    sensors.answer()
    assert len(sensors.received) == count + 1
    ros_environment.wait_until(lambda: sensors.status().get("observations_refused") == "1", 5.0, "the refusal counted")
    assert "not finite" in sensors.status()["last_problem"]

    # The node sleeps through some frames: it answers fewer than there were, with all of them in its memory. How many
    # of them the middleware hands over at once is its own affair, so this may take more than one nap.
    for nap in range(10):
        count = len(sensors.received)
        sensors.node.send(signal.SIGSTOP)
        burst = [sensors.send() for _ in range(8)]
        sensors.node.send(signal.SIGCONT)
        sensors.answer()
        assert burst[-1] is not None
        assert sensors.last_digest() == burst[-1].digest()
        if len(sensors.received) - count < len(burst):
            break
        assert nap < 9, "every frame of every burst was answered"
    ros_environment.wait_until(lambda: int(sensors.status().get("observations_skipped", 0)) > 0, 5.0, "the count")
    status = sensors.status()
    assert status["provider"] == "CPUExecutionProvider"
    assert 0.0 < float(status["inference_p50_ms"]) <= float(status["inference_p99_ms"])

    # FAULTS 12: one camera frame again and again, under fresh stamps, while the odometry moves on.
    frozen = np.zeros((16, 24, 3), np.uint8)
    for _ in range(15):
        sensors.tick += 1
        sensors.publishers[ODOMETRY].publish(odometry_cdr(sensors.stamp_ns, 0.1 * sensors.tick, 0.0))
        sensors.publishers[CAMERA].publish(image_cdr(sensors.stamp_ns, frozen))
        due = ros_environment.probe.get_clock().now().nanoseconds + PERIOD_NS
        ros_environment.wait_until(lambda: ros_environment.probe.get_clock().now().nanoseconds >= due)  # noqa: B023
    ros_environment.wait_until(lambda: "frozen: /camera" in sensors.status().get("last_problem", ""), 5.0, "frozen")
    assert decode_proposal(sensors.received[-1]).stamp_ns < sensors.stamp_ns
    assert sensors.node.terminate() == 0, sensors.node.log


def test_lock_step_answers_every_tick(ros_environment: RosEnvironment) -> None:
    """A tick without an observation needs an answer too: NaN, for the gate to refuse, or the simulator waits on."""
    from std_msgs.msg import Header

    from il_nodes.ros import ns_to_stamp

    sensors = Sensors(ros_environment, lock_step=True, provider="cpu")
    for number in range(2):
        sensors.episodes.publish(Header(stamp=ns_to_stamp(sensors.stamp_ns + 1), frame_id=f"episode-{number}"))
        sensors.assembler.start_episode(f"episode-{number}", sensors.stamp_ns + 1)
        for speed in (math.nan, 1.0, 2.0, math.nan, 3.0):
            observation = sensors.send(speed)
            proposal = sensors.answer()
            if observation is None:
                assert np.isnan(proposal.actions).all()
                assert math.isnan(proposal.unsafe_probability)
                assert proposal.names == CONTRACT.action_names
            else:
                assert proposal.actions.tobytes() == sensors.runtime.predict(observation).actions.tobytes()
    stamps = [decode_proposal(cdr).stamp_ns for cdr in sensors.received]
    assert stamps == [START_NS + tick * PERIOD_NS for tick in range(1, 11)]
    sensors.last_digest()
    assert [line["starts_memory"] for line in sensors.recorded()] == [True, False, False] * 2
    assert sensors.node.terminate() == 0


def test_a_policy_for_another_robot_is_refused(ros_environment: RosEnvironment) -> None:
    """FAULTS 6 and 22 at start: one message, exit code 6 (or 7 for what is no bundle's fault), no traceback."""
    driving = str(REPOSITORY / "contracts" / "driving.yaml")
    broken = ros_environment.directory / "broken.onnx"
    broken.write_bytes(BUNDLE.read_bytes()[:-1000])
    cases: list[tuple[dict[str, object], int, str]] = [
        ({"contract": driving, "bundle": str(BUNDLE)}, 6, "small_car.onnx"),
        ({"contract": driving, "bundle": str(broken)}, 6, "broken.onnx"),
        ({"contract": driving, "bundle": "nowhere.onnx"}, 6, "nowhere.onnx"),
        ({"contract": driving}, 7, "needs the policy to run"),
    ]
    nodes = [
        (ros_environment.spawn_node("policy", params, arguments=["-r", f"__node:=policy_{number}"]), code, words)
        for number, (params, code, words) in enumerate(cases)
    ]
    for node, code, words in nodes:
        assert node.wait(20.0) == code, node.log
        assert words in node.log
        assert "Traceback" not in node.log
