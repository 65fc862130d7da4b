"""A stack of really running nodes around the rig.

The rig plays sensors and expert; policy, gate and recorder are processes. What the policy proposes is listened to as
well, so that its last answer before a fault is known. Besides, the scene keeps an eye on the machine: a tick that was
missed while one of the nodes waited for a core is the machine's, and is counted apart.
"""

from __future__ import annotations

import json
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from nav_msgs.msg import Odometry
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from std_msgs.msg import Header
from trajectory_msgs.msg import JointTrajectory

from bench.faults.bundles import Bundles
from bench.faults.gate_rig import GateRig
from bench.faults.machine import WaitForCore
from bench.faults.rig import DEEP, Decided, rig_contract
from bench.faults.rows import EXPERT
from bench.processes import processes
from il_nodes.bags import BagReader
from il_nodes.ros.stamps import ns_to_stamp, stamp_to_ns
from models.contract import Contract

__all__ = ["Answered", "Scene", "scene"]

#: Recorded beside the contract's topics.
EXTRA_TOPIC = "/extra"
#: Time without a core, as a share of a tick, that may cost a tick.
STARVED_SHARE = 0.25


@dataclass(frozen=True)
class Answered:
    """One thing that the policy node said.

    Attributes:
        at_s: when it arrived here, monotonic.
        stamp_ns: which observation it answers.
        speed: m/s of its first step; NaN for an abstention.
    """

    at_s: float
    stamp_ns: int
    speed: float


class _Counted:
    """A publisher that remembers the stamps of what it sent."""

    def __init__(self, publisher: Any, stamps: list[int]) -> None:
        self._publisher, self._stamps = publisher, stamps

    def publish(self, message: Any) -> None:
        self._stamps.append(stamp_to_ns(message.header.stamp))
        self._publisher.publish(message)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._publisher, name)


@dataclass
class Scene(GateRig):
    """The rig in front of a policy node.

    Attributes:
        said: what the policy node said.
        stamps: topic to the stamps of what the rig sent there.
        waits: of the nodes' processes.
        announced_s: when episodes began and ended, monotonic.
    """

    proposes: bool = False
    said: list[Answered] = field(default_factory=list)
    stamps: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    waits: WaitForCore = field(default_factory=WaitForCore)
    announced_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.node.create_subscription(JointTrajectory, "/policy/proposal", self._on_proposal, DEEP)
        self._odometry = _Counted(self._odometry, self.stamps["/odom"])
        self._images = _Counted(self._images, self.stamps["/camera/image_raw"])
        self._expert = _Counted(self._expert, self.stamps["/expert/cmd_vel"])
        extra = self.node.create_publisher(Odometry, EXTRA_TOPIC, 10)
        self._extra = _Counted(extra, self.stamps[EXTRA_TOPIC])
        self._renamed: Counter[str] = Counter()

    def _on_proposal(self, message: Any) -> None:
        speed = message.points[0].positions[0] if message.points else float("nan")
        self.said.append(Answered(time.monotonic(), stamp_to_ns(message.header.stamp), speed))

    # -- processes ------------------------------------------------------------------------------------------------

    def start(self, node: str, parameters: dict[str, object], arguments: Sequence[str] = ()) -> None:
        """Start one of the nodes with the rig's contract."""
        given = {"contract": str(self.folder / "contract.yaml"), **self._time_parameters(), **parameters}
        self.group.start_node(node, given, arguments)

    def start_node_as(self, name: str, node: str, parameters: dict[str, object]) -> None:
        """Start another one of a kind beside the first, under its own name."""
        given = {"contract": str(self.folder / "contract.yaml"), **self._time_parameters(), **parameters}
        words = [word for key, value in given.items() for word in ("-p", f"{key}:={json.dumps(value)}")]
        self.group.start(name, f"il_nodes.nodes.{node}", ["--ros-args", *words, "-r", f"__node:={name}"])

    def start_again(self, node: str, parameters: dict[str, object]) -> None:
        """Start one anew after a SIGKILL, under another name: the dead one stays visible for up to 20 s."""
        self._renamed[node] += 1
        self.start(node, parameters, ["-r", f"__node:={node}_{self._renamed[node]}"])

    def recorder_parameters(self) -> dict[str, object]:
        """Of the recorder: where to, and a topic that only it listens to."""
        extra = [f"{EXTRA_TOPIC} nav_msgs/msg/Odometry"]
        return {"directory": str(self.recordings), "min_free_mb": 0.0, "extra_topics": extra}

    @property
    def recorder_status(self) -> str:
        """What the diagnostics call the recorder that runs."""
        number = self._renamed["recorder"]
        return f"recorder{f'_{number}' if number else ''}: recording"

    def publish_extra(self) -> None:
        """One more message of a topic that is recorded, and that nobody drives by."""
        message = Odometry(child_frame_id="base_link")
        message.header = Header(stamp=ns_to_stamp(self.now_ns()), frame_id="map")
        self._extra.publish(message)

    def _time_parameters(self) -> dict[str, object]:
        return {} if self.sim_ns is None else {"use_sim_time": True}

    def pid(self, node: str) -> int:
        """Of its process."""
        return self.group.running[node].pid

    def kill(self, node: str) -> None:
        """SIGKILL, and take it off the list."""
        process = self.group.running.pop(node)
        process.send_signal(signal.SIGKILL)
        process.wait()

    # -- time -----------------------------------------------------------------------------------------------------

    def tick(self) -> int:
        """One tick, with a look at the machine behind it."""
        stamp_ns = super().tick()
        self.waits.sample([process.pid for process in self.group.running.values()])
        return stamp_ns

    def settle(self, mode: str, timeout_s: float = 20.0) -> None:
        """One tick at least: an episode may have been announced since the last one."""
        self.tick()
        super().settle(mode, timeout_s)

    def ticks(self, count: int) -> None:
        """So many ticks."""
        for _ in range(count):
            self.tick()

    def enter(self, mode: str) -> None:
        """Let whoever drives in this mode drive."""
        if mode == EXPERT:
            self.set_bool("/gate/enable_policy", False)
        self.settle(mode)

    def starved_s(self, since_s: float, until_s: float) -> float:
        """Longest time that a node, or the rig itself, was held up by the machine between two times."""
        waited_s = self.waits.longest_s(since_s, until_s + self.period_s)
        times = [sent.at_s for sent in self.sent if since_s - self.period_s <= sent.at_s <= until_s + self.period_s]
        late_s = max((b - a for a, b in pairwise(times)), default=0.0) - self.period_s
        return max(waited_s, late_s)

    def of_the_machine(self, log: Sequence[Decided], missed: Sequence[Decided]) -> list[Decided]:
        """Those of the missed ticks that came of the machine: their run of ticks began while a node had no core.

        A policy that missed one tick drives again after three proposals in a row, so a run is longer than its cause.
        """
        found: list[Decided] = []
        run: list[Decided] = []
        for decided in [*log, None]:
            if decided is not None and decided in missed:
                run.append(decided)
                continue
            if run and self.starved_s(run[0].at_s - 3 * self.period_s, run[-1].at_s) > STARVED_SHARE * self.period_s:
                found += run
            run = []
        return found

    # -- recordings -----------------------------------------------------------------------------------------------

    @property
    def recordings(self) -> Path:
        """Folder of the bags."""
        return self.folder / "recordings"

    def start_episode(self, episode_id: str = "rig") -> None:
        """Announce an episode, after which the policy has to propose anew; an empty id ends it."""
        self.announced_s.append(time.monotonic())
        super().start_episode(episode_id)

    def is_start(self, decided: Decided) -> bool:
        """Whether a tick went to the expert because an episode has just begun or ended: no proposal of it was there."""
        since_s = [decided.at_s - at_s for at_s in self.announced_s]
        return decided.reason == "proposal_missing" and any(0.0 <= age_s < 4 * self.period_s for age_s in since_s)

    def begin_recording(self, episode_id: str) -> None:
        """Start an episode, and tick until the recorder has a message of it on the disk."""
        self.start_episode(episode_id)
        folder = self.recordings / f"{episode_id}.partial"
        self.tick_until(folder.exists, 20.0, f"{episode_id} to be recorded")

    def tick_until_recorded(self, episode_id: str) -> None:
        """Record an episode until a recorder that has just begun to run hears all that the robot sends."""
        self.begin_recording(episode_id)
        topics = [topic for topic in self.stamps if topic != EXTRA_TOPIC]

        def hears() -> bool:
            status = self.status(self.recorder_status)
            heard = [int(status.get(f"received {topic}", "0")) for topic in topics]
            return status.get("episode") == episode_id and min(heard) > 0

        self.tick_until(hears, 20.0, "a recorder that hears the robot")
        self.end_recording(episode_id)

    def end_recording(self, episode_id: str) -> BagReader:
        """End the episode; its bag once that is closed."""
        self.tick()
        self.start_episode("")
        self.wait_until((self.recordings / episode_id).exists, 20.0, f"{episode_id} to be closed")
        return BagReader(self.recordings / episode_id)

    # -- services -------------------------------------------------------------------------------------------------

    def wish_for(self, bundle: Path | str) -> tuple[bool, str]:
        """Name another bundle to the running policy: whether the parameter was taken, and the reason if not."""
        value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=str(bundle))
        request = SetParameters.Request(parameters=[Parameter(name="bundle", value=value)])
        result = self.call(SetParameters, "/policy/set_parameters", request).results[0]
        return bool(result.successful), str(result.reason)

    def status(self, name: str) -> dict[str, str]:
        """Values of the newest diagnostics of ``name``, such as ``policy: bundle``."""
        return self.diagnostics.get(name, (0, "", {}))[2]

    def tick_until_ended(self, name: str, timeout_s: float = 60.0) -> int:
        """Tick until a process has ended by itself, take it off the list; its exit code."""
        process = self.group.running[name]
        self.tick_until(lambda: process.poll() is not None, timeout_s, f"{name} to end")
        del self.group.running[name]
        return process.returncode

    def tick_until_said(self, name: str, words: str, timeout_s: float = 10.0) -> None:
        """Tick until the diagnostics of ``name`` hold these words."""

        def said() -> bool:
            _, message, values = self.diagnostics.get(name, (0, "", {}))
            return words in message or any(words in value for value in values.values())

        self.tick_until(said, timeout_s, f"{words!r} in the diagnostics of {name}")


@contextmanager
def scene(
    folder: Path,
    *,
    fps: float = 20.0,
    recurrent: bool = False,
    recorder: bool = True,
    simulated_time: bool = False,
    contract: Contract | None = None,
) -> Iterator[tuple[Scene, Bundles]]:
    """Gate, policy and, where wanted, recorder, connected, with the policy driving; all gone afterwards.

    Args:
        folder: new; logs, bundles and recordings.
        fps: ticks a second.
        recurrent: whether the policies keep a state.
        recorder: whether one runs.
        simulated_time: the nodes' clock is the rig's.
        contract: instead of the rig's.
    """
    with processes(folder) as group:
        contract = contract or rig_contract(fps, recurrent=recurrent, expert_periods=10.0)
        bundles = Bundles.write(folder / "bundles", contract)
        rig = Scene(group, contract, sim_ns=10**12 if simulated_time else None)
        try:
            rig.start("policy", {"bundle": str(bundles.first), "provider": "cpu"})
            rig.start("gate", {"enable_control": True, "enable_policy": True})
            if recorder:
                rig.start("recorder", rig.recorder_parameters())
            rig.wait_for_topics(60.0)
            rig.tick_until(lambda: rig.drives("policy", 3), 60.0, "the policy to drive")
            yield rig, bundles
        finally:
            rig.close()
