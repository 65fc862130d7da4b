"""A synthetic robot around the real nodes: it plays the sensors, the expert and, where wanted, the policy.

The gate, the policy node and the recorder are the product's own processes; everything between them is real DDS. What
the rig sends can be falsified tick by tick, and what the gate decides is read from ``/gate/decision`` and from the
command topic. Used by ``bench.faults`` and by the tests of the faults that a deployed stack survives.
"""

from __future__ import annotations

import array
import json
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from bench.processes import Processes
from il_nodes.ros.executor import LeanExecutor
from il_nodes.ros.qos import LATCHED
from il_nodes.ros.stamps import ns_to_stamp, stamp_to_ns
from models.contract import Contract, parse_contract

__all__ = ["Command", "Decided", "FaultRig", "Proposal", "rig_contract", "trajectory"]

IMAGE_SIDE = 32
DEEP = QoSProfile(depth=200)
NAMES = ("twist.linear.x", "twist.angular.z")

CONTRACT = """
robot_type: fault_rig
fps: {fps}
observations:
  observation.images.front:
    channel: {{topic: /camera/image_raw, type: sensor_msgs/msg/Image, qos: {{reliability: reliable, depth: 10}}}}
    align: {{strategy: hold, timeline: header}}
    apply: [resize: [{side}, {side}]]
    max_age: 150 ms
  observation.state:
    channel: {{topic: /odom, type: nav_msgs/msg/Odometry, qos: {{reliability: reliable, depth: 10}}}}
    align: {{strategy: hold, timeline: header}}
    select: [twist.twist.linear.x, twist.twist.angular.z]
    max_age: 150 ms
actions:
  action:
    channel: {{topic: /cmd_vel, type: geometry_msgs/msg/TwistStamped}}
    align: {{strategy: hold, timeline: header}}
    select: [twist.linear.x, twist.angular.z]
limits:
  action:
    twist.linear.x: {{min: 0, max: 8, rate: {rate}, unit: m/s, stop: 0}}
    twist.angular.z: {{min: -2.5, max: 2.5, rate: {rate}, unit: rad/s, stop: 0}}
memory: {{frames: 2, recurrent: {recurrent}, reset_gap: 500 ms}}
gate:
  expert: {{topic: /expert/cmd_vel, max_age: {expert_age} ms}}
  proposal: {{topic: /policy/proposal, max_age: {age} ms}}
  threshold: {threshold}
  hysteresis: {hysteresis}
  dwell: {dwell} ms
  halt: {{ramp: 100 ms}}
  sync_tolerance: {age} ms
  frozen_after: 10
  limited_after: 3
"""


def rig_contract(
    fps: float = 50.0,
    *,
    rate: float = 40.0,
    dwell_ms: float = 20.0,
    threshold: float = 0.5,
    recurrent: bool = False,
    expert_periods: float = 1.5,
) -> Contract:
    """The rig's contract.

    Args:
        fps: ticks a second.
        rate: of both dimensions, per second.
        dwell_ms: of the gate; short, so that many injections fit into a minute.
        threshold: of ``unsafe_probability``.
        recurrent: whether the policy carries a state.
        expert_periods: how old, in ticks, the expert's command may be; more of them forgive a machine that is busy.
    """
    age = 1.5e3 / fps
    text = CONTRACT.format(
        fps=fps,
        side=IMAGE_SIDE,
        rate=rate,
        age=f"{age:g}",
        expert_age=f"{expert_periods * 1e3 / fps:g}",
        dwell=f"{dwell_ms:g}",
        threshold=threshold,
        hysteresis=min(0.1, threshold / 2),
        recurrent=str(recurrent).lower(),
    )
    return parse_contract(text, "fault_rig")


@dataclass
class Command:
    """An expert's command as it will be sent; ``None`` instead of it sends none."""

    stamp_ns: int
    values: tuple[float, float] = (1.0, 0.1)


@dataclass
class Proposal:
    """A proposal as it will be sent: every field may be falsified."""

    stamp_ns: int
    values: tuple[float, ...] = (2.0, -0.1)
    unsafe: float = 0.05
    names: tuple[str, ...] = (*NAMES, "unsafe_probability")


@dataclass(frozen=True)
class Decided:
    """One decision of the gate and the command that came with it.

    Attributes:
        at_s: when it arrived, monotonic.
        stamp_ns: of the decision.
        values: key to text, as on ``/gate/decision``.
    """

    at_s: float
    stamp_ns: int
    values: dict[str, str]

    @property
    def source(self) -> str:
        """policy, expert or halt."""
        return self.values["source"]

    @property
    def reason(self) -> str:
        """The word for why."""
        return self.values["reason"]

    @property
    def withheld(self) -> str:
        """Why the policy does not drive; empty while it does."""
        return self.values["withheld"]


@dataclass
class FaultRig:
    """Plays the robot; ``tick`` advances it by one.

    Args:
        group: the private domain's processes.
        contract: as of :func:`rig_contract`.
        proposes: whether the rig plays the policy; otherwise a policy node answers the sensors.
        senses: whether it plays the sensors too when nobody but a recorder hears them.
    """

    group: Processes
    contract: Contract
    proposes: bool = True
    senses: bool = False
    decisions: deque[Decided] = field(default_factory=lambda: deque(maxlen=5000))
    commands: list[tuple[float, int, tuple[float, float]]] = field(default_factory=list)
    diagnostics: dict[str, tuple[int, str, dict[str, str]]] = field(default_factory=dict)
    index: int = 0

    def __post_init__(self) -> None:
        self.folder = self.group.folder
        (self.folder / "contract.yaml").write_text(self.contract.text)
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=self.group.domain)
        node = self.node = rclpy.create_node("rig", context=self.context)
        self.executor = LeanExecutor(context=self.context)
        self.executor.add_node(node)
        self._images = node.create_publisher(Image, "/camera/image_raw", 10)
        self._odometry = node.create_publisher(Odometry, "/odom", 10)
        self._expert = node.create_publisher(TwistStamped, "/expert/cmd_vel", 10)
        self._proposals = node.create_publisher(JointTrajectory, "/policy/proposal", 10) if self.proposes else None
        self._episode = node.create_publisher(Header, "/episode", LATCHED)
        node.create_subscription(DiagnosticArray, "/gate/decision", self._on_decision, DEEP)
        node.create_subscription(TwistStamped, "/cmd_vel", self._on_command, DEEP)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, DEEP)
        self._random = np.random.default_rng(0)
        self._next_s = time.monotonic()
        self.expert: Callable[[Command], Command | None] = lambda command: command
        self.policy: Callable[[Proposal], Proposal | None] = lambda proposal: proposal
        self.image: Callable[[Image], Image | None] = lambda image: image
        self.odometry: Callable[[Odometry], Odometry | None] = lambda odometry: odometry

    # -- processes ------------------------------------------------------------------------------------------------

    def start_gate(self, **parameters: object) -> None:
        """The real gate, in command, the policy allowed to drive."""
        given: dict[str, object] = {"enable_control": True, "enable_policy": True} | parameters
        self.group.start_node("gate", {"contract": str(self.folder / "contract.yaml"), **given})

    def start_policy(self, bundle: Path, **parameters: object) -> None:
        """The real policy node."""
        given = {"contract": str(self.folder / "contract.yaml"), "bundle": str(bundle), "provider": "cpu"} | parameters
        self.group.start_node("policy", given)

    def start_recorder(self, **parameters: object) -> None:
        """The real recorder, into ``recordings`` of the rig's folder."""
        extra = [
            "/gate/decision diagnostic_msgs/msg/DiagnosticArray",
            "/policy/proposal trajectory_msgs/msg/JointTrajectory",
        ]
        given: dict[str, object] = {"directory": str(self.folder / "recordings"), "extra_topics": extra}
        self.group.start_node("recorder", {"contract": str(self.folder / "contract.yaml"), **given, **parameters})

    def wait_for_topics(self, timeout_s: float = 30.0) -> None:
        """Until whoever was started is connected to what the rig publishes, and the gate to the robot."""

        def connected() -> bool:
            names = self.group.running
            wanted = [self.node.count_publishers("/cmd_vel") > 0, self._expert.get_subscription_count() > 0]
            if "policy" in names:
                wanted += [self._images.get_subscription_count() > 0, self._odometry.get_subscription_count() > 0]
            if "recorder" in names:
                wanted.append(self._expert.get_subscription_count() > 1)
            if self._proposals is not None:
                wanted.append(self._proposals.get_subscription_count() > 0)
            return all(wanted)

        self.wait_until(connected, timeout_s, "the nodes to be connected")

    # -- messages -------------------------------------------------------------------------------------------------

    def _on_decision(self, message: Any) -> None:
        values = {item.key: item.value for item in message.status[0].values}
        self.decisions.append(Decided(time.monotonic(), stamp_to_ns(message.header.stamp), values))

    def _on_command(self, message: Any) -> None:
        values = (message.twist.linear.x, message.twist.angular.z)
        self.commands.append((time.monotonic(), stamp_to_ns(message.header.stamp), values))

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            values = {item.key: item.value for item in status.values}
            self.diagnostics[status.name] = (status.level[0], status.message, values)

    # -- time -----------------------------------------------------------------------------------------------------

    @property
    def period_s(self) -> float:
        """Of a tick."""
        return self.contract.period_s

    def spin(self, seconds: float) -> None:
        """Serve what comes for so long."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=left_s)

    def wait_until(self, condition: Callable[[], object], timeout_s: float, what: str) -> None:
        """Serve what comes, without ticks, until the condition holds.

        Raises:
            RuntimeError: it did not within ``timeout_s``; quotes the nodes.
        """
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline_s:
                logs = "\n".join(f"--- {name}:\n{self.group.log(name)[-1500:]}" for name in self.group.running)
                raise RuntimeError(f"waited {timeout_s} s in vain for {what}\n{logs}")
            self.executor.spin_once(timeout_sec=0.02)

    def start_episode(self, episode_id: str = "rig") -> None:
        """Announce an episode; an empty id ends it."""
        self._episode.publish(Header(stamp=ns_to_stamp(self.now_ns()), frame_id=episode_id))

    def now_ns(self) -> int:
        """The robot's clock; replaced where simulated time is injected."""
        return time.time_ns()

    def tick(self) -> int:
        """One tick of the robot on its grid: sensors, expert, proposal; then serve what comes until the next is due.

        Returns:
            The tick's stamp.
        """
        stamp_ns = self.now_ns()
        self._send(stamp_ns)
        self.index += 1
        now_s = time.monotonic()
        self._next_s = max(self._next_s + self.period_s, now_s)
        while (left_s := self._next_s - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=left_s)
        return stamp_ns

    def tick_until(self, condition: Callable[[], object], timeout_s: float = 10.0, what: str = "") -> int:
        """Tick until the condition holds; how many ticks it took.

        Raises:
            RuntimeError: it did not within ``timeout_s``.
        """
        deadline_s, ticks = time.monotonic() + timeout_s, 0
        while not condition():
            if time.monotonic() > deadline_s:
                last = self.decisions[-1].values if self.decisions else "no decision"
                self.wait_until(lambda: True, 0.0, "")
                logs = "\n".join(f"--- {name}:\n{self.group.log(name)[-1500:]}" for name in self.group.running)
                raise RuntimeError(f"ticked {timeout_s} s in vain for {what or 'a condition'}; last: {last}\n{logs}")
            self.tick()
            ticks += 1
        return ticks

    def drives(self, source: str, ticks: int = 1) -> bool:
        """Whether the newest ``ticks`` decisions all came from ``source``."""
        newest = list(self.decisions)[-ticks:]
        return len(newest) == ticks and all(decided.source == source for decided in newest)

    def _send(self, stamp_ns: int) -> None:
        stamp = ns_to_stamp(stamp_ns)
        if self.senses or not self.proposes:
            odometry = Odometry(child_frame_id="base_link")
            odometry.header = Header(stamp=stamp, frame_id="map")
            odometry.twist.twist.linear.x = 2.0 + 0.1 * math.sin(self.index)
            odometry.twist.twist.angular.z = 0.1 * math.cos(self.index)
            if (sent := self.odometry(odometry)) is not None:
                self._odometry.publish(sent)
            pixels = self._random.integers(0, 256, IMAGE_SIDE * IMAGE_SIDE * 3, dtype=np.uint8)
            image = Image(height=IMAGE_SIDE, width=IMAGE_SIDE, encoding="rgb8", step=3 * IMAGE_SIDE)
            image.header = Header(stamp=stamp, frame_id="camera")
            image.data = array.array("B", pixels.tobytes())
            if (shown := self.image(image)) is not None:
                self._images.publish(shown)
        command = self.expert(Command(stamp_ns))
        if command is not None:
            message = TwistStamped()
            message.header = Header(stamp=ns_to_stamp(command.stamp_ns), frame_id="base_link")
            message.twist.linear.x, message.twist.angular.z = command.values
            self._expert.publish(message)
        if self._proposals is not None and (proposal := self.policy(Proposal(stamp_ns))) is not None:
            self._proposals.publish(trajectory(proposal))

    # -- services -------------------------------------------------------------------------------------------------

    def call(self, kind: Any, name: str, request: Any, timeout_s: float = 10.0) -> Any:
        """Call a service while the robot ticks on."""
        client = self.node.create_client(kind, name)
        self.tick_until(client.service_is_ready, timeout_s, f"the service {name}")
        future = client.call_async(request)
        self.tick_until(future.done, timeout_s, f"an answer of {name}")
        self.node.destroy_client(client)
        return future.result()

    def set_bool(self, name: str, data: bool) -> Any:
        """Call a ``std_srvs/SetBool`` service."""
        return self.call(SetBool, name, SetBool.Request(data=data))

    def trigger(self, name: str) -> Any:
        """Call a ``std_srvs/Trigger`` service."""
        return self.call(Trigger, name, Trigger.Request())

    def close(self) -> None:
        """Let go of ROS; the processes are the group's."""
        self.executor.shutdown(timeout_sec=0)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)

    def dump(self) -> str:
        """The newest decisions, for messages of failures."""
        return "\n".join(json.dumps(decided.values) for decided in list(self.decisions)[-8:])


def trajectory(proposal: Proposal) -> Any:
    """The proposal on the wire, whatever is wrong with it."""
    message = JointTrajectory()
    message.header = Header(stamp=ns_to_stamp(proposal.stamp_ns))
    message.joint_names = list(proposal.names)
    message.points = [JointTrajectoryPoint(positions=[*map(float, proposal.values), float(proposal.unsafe)])]
    return message
