"""The rig with a memory: every tick, decision and command of a run, so that an injection can be judged by their order.

Stamps and the commands' publication times are on the same system clock, so what the gate sent within one tick of the
robot can be counted however late this process itself was woken.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from rosgraph_msgs.msg import Clock
from std_srvs.srv import SetBool

from bench.faults.rig import Decided, FaultRig, Proposal, trajectory
from bench.faults.rows import EXPERT
from il_nodes.ros.stamps import ns_to_stamp, stamp_to_ns
from models.contract import Contract

__all__ = ["CommandCheck", "GateRig", "Published", "Sent", "check_commands"]

#: A rate limit holds between the moments of decision, of which the publication is a little later each time.
PUBLISHING_S = 0.001
#: A service answers well within this on a machine that is not at a standstill.
ANSWER_S = 2.0
#: Commands over which the rate limit is looked at as a whole, too.
RUN = 10
#: What the diagnostics call the recorder of :meth:`GateRig.record`.
RECORDING_STATUS = "recorder: recording"


@dataclass(frozen=True)
class Sent:
    """One tick of the rig.

    Attributes:
        stamp_ns: of its messages.
        at_s: when it was sent, monotonic.
    """

    stamp_ns: int
    at_s: float


@dataclass(frozen=True)
class Published:
    """One command of the gate.

    Attributes:
        stamp_ns: of its header.
        published_ns: when the gate published it, on the system clock.
        values: speed and yaw rate.
        gate: number of the gate process that sent it.
        number: of this command since that gate began, from 1.
    """

    stamp_ns: int
    published_ns: int
    values: tuple[float, float]
    gate: int
    number: int


@dataclass
class GateRig(FaultRig):
    """Plays expert and policy around a gate.

    Attributes:
        log: every decision since the start.
        published: every command since the start.
        sent: every tick since the start.
        answers: what the rig's policy proposes on this tick instead of the plain proposal; bytes go out as they are.
        sim_ns: simulated time, published on ``/clock`` with each tick; ``None`` for the system clock.
        paused: simulated time stands still.
        stalls: how often the gate was stopped for longer than its deadline.
        gate_since_s: when the gate's first decision came, monotonic.
        gates: how many gates were started.
    """

    log: list[Decided] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    answers: Callable[[Proposal], Sequence[Proposal | bytes]] | None = None
    sim_ns: int | None = None
    paused: bool = False
    stalls: int = 0
    gate_since_s: float = math.inf
    gates: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._clock = self.node.create_publisher(Clock, "/clock", 10) if self.sim_ns is not None else None
        self._enable = self.node.create_client(SetBool, "/gate/enable_policy")

    # -- messages -------------------------------------------------------------------------------------------------

    def _on_decision(self, message: Any) -> None:
        super()._on_decision(message)
        self.log.append(self.decisions[-1])
        self.gate_since_s = min(self.gate_since_s, time.monotonic())

    def _on_command(self, message: Any, info: Any) -> None:  # type: ignore[override]
        values = (message.twist.linear.x, message.twist.angular.z)
        stamp_ns, number = stamp_to_ns(message.header.stamp), info["publication_sequence_number"]
        self.published.append(Published(stamp_ns, info["source_timestamp"], values, self.gates, number))

    def now_ns(self) -> int:
        """The robot's clock."""
        return time.time_ns() if self.sim_ns is None else self.sim_ns

    def tick(self) -> int:
        """One tick; simulated time goes on by a period first, unless it is paused."""
        if self.sim_ns is not None:
            self.sim_ns += 0 if self.paused else round(self.period_s * 1e9)
            assert self._clock is not None
            self._clock.publish(Clock(clock=ns_to_stamp(self.sim_ns)))
        return super().tick()

    def _send(self, stamp_ns: int) -> None:
        plain = self.policy
        if self.answers is not None:
            self.policy = lambda _: None
        self.sent.append(Sent(stamp_ns, time.monotonic()))
        super()._send(stamp_ns)
        self.policy = plain
        for answer in self.answers(Proposal(stamp_ns)) if self.answers is not None else ():
            assert self._proposals is not None
            self._proposals.publish(answer if isinstance(answer, bytes) else trajectory(answer))

    # -- what was seen --------------------------------------------------------------------------------------------

    def settle(self, mode: str, timeout_s: float = 20.0) -> None:
        """Tick until whoever should drive does, and nothing is under way any more; at least once, plainly.

        Without a plain tick the last proposal of one fault would be the one before the first of the next, and a step
        from the one to the other none.

        Raises:
            RuntimeError: it did not come to that.
        """
        wanted = "expert" if mode == EXPERT else "policy"

        def settled() -> bool:
            if not (self.log and self.published and self.sent):
                return False
            last, stamp_ns = self.log[-1], self.sent[-1].stamp_ns
            if wanted == "policy" and last.values["latched"]:
                self.enable_policy()
                return False
            return last.source == wanted and last.stamp_ns == stamp_ns == self.published[-1].stamp_ns

        self.tick()
        self.tick_until(settled, timeout_s, f"{wanted} to drive")

    def start_gate(self, **parameters: object) -> None:
        """Another one, which counts its commands from 1."""
        self.gates += 1
        super().start_gate(**parameters)

    def bring_gate(self, mode: str, **parameters: object) -> None:
        """Start the real gate, without its look around, and wait until whoever should drive does."""
        self.gate_parameters = {"enable_policy": mode != EXPERT, "discovery_s": 0.0} | parameters
        self.bring_gate_again(mode)

    def bring_gate_again(self, mode: str) -> None:
        """A new process with the parameters of the last one; a recorder that runs hears it, too."""
        recorded = self._recorded_decisions() if "recorder" in self.group.running else None
        self.gate_since_s = math.inf
        self.start_gate(**self.gate_parameters)
        self.wait_for_topics()
        self.settle(mode)
        if recorded is not None:
            self.tick_until(lambda: self._recorded_decisions() > recorded, 15.0, "the recorder to hear the new gate")
            self.settle(mode)

    def _recorded_decisions(self) -> int:
        """How many decisions of the gate are in the recording, by the recorder's next report."""
        self.diagnostics.pop(RECORDING_STATUS, None)
        self.tick_until(lambda: RECORDING_STATUS in self.diagnostics, 10.0, "the recorder's report")
        return int(self.diagnostics[RECORDING_STATUS][2].get("received /gate/decision", "0"))

    def record(self, **parameters: object) -> None:
        """Start the real recorder and an episode; returns when it says that it hears the gate, which runs."""
        self.diagnostics.pop(RECORDING_STATUS, None)
        self.start_recorder(**parameters)
        self.tick_until(lambda: self.node.count_subscribers("/gate/decision") > 1, 10.0, "a recorder of decisions")
        episode_id = f"faults-{len(self.sent)}"
        self.start_episode(episode_id)

        def hears() -> bool:
            _, _, values = self.diagnostics.get(RECORDING_STATUS, (0, "", {}))
            return values.get("episode") == episode_id and int(values.get("received /gate/decision", "0")) > 1

        self.tick_until(hears, 15.0, "the recorder to hear the gate")

    def enable_policy(self) -> None:
        """Ask for it; the answer shows in the decisions.

        A gate that has just started may get the request before its answer finds the way back: whoever needs the policy
        to drive asks again.
        """
        future = self._enable.call_async(SetBool.Request(data=True))
        until_s = time.monotonic() + ANSWER_S
        self.tick_until(lambda: future.done() or time.monotonic() > until_s, 2 * ANSWER_S, "the time for an answer")

    def longest_gap_s(self, since: int) -> float:
        """Longest time between two of the rig's own ticks since number ``since``."""
        times = [sent.at_s for sent in self.sent[max(0, since - 1) :]]
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)

    def longest_pause_s(self, since: int) -> float:
        """Longest time between two publications of the gate since command number ``since``."""
        times = [command.published_ns for command in self.published[max(0, since - 1) :]]
        return max((later - earlier for earlier, later in pairwise(times)), default=0) * 1e-9


@dataclass(frozen=True)
class CommandCheck:
    """What the robot got in a whole run.

    Attributes:
        commands: how many.
        not_finite: with a NaN or an infinity.
        out_of_limits: beyond the contract's range.
        too_fast: steps beyond what the rate permits, at most two periods' worth at once.
        unheard: commands of a new gate from before it and the rig had found each other; steps over them are not judged.
        excess_ms: by how much the fastest step was ahead of its rate limit, in time.
        per_tick: number of commands within one period of the robot to number of such periods.
    """

    commands: int
    not_finite: int
    out_of_limits: int
    too_fast: int
    unheard: int
    excess_ms: float
    per_tick: dict[int, int]

    @property
    def bad(self) -> int:
        """Commands that no robot should ever get."""
        return self.not_finite + self.out_of_limits + self.too_fast


def check_commands(
    published: Sequence[Published], contract: Contract, sent: Sequence[Sent] = (), tolerance: float = 1e-5
) -> CommandCheck:
    """Hold every command against the contract.

    Args:
        published: in the order of arrival.
        contract: with limits.
        sent: the robot's ticks on the system clock; only those of about one period's length are counted.
        tolerance: of rounding to float32, in the command's unit.
    """
    values = np.array([command.values for command in published], np.float64).reshape(-1, len(contract.action_names))
    times_s = np.array([command.published_ns for command in published], np.float64) * 1e-9
    finite = np.isfinite(values).all(axis=1)
    outside = (values < contract.action_minimum - tolerance) | (values > contract.action_maximum + tolerance)
    gates, numbers = np.array([(command.gate, command.number) for command in published], np.int64).reshape(-1, 2).T
    missing = numbers[1:] - np.where(gates[1:] == gates[:-1], numbers[:-1], 0) - 1
    follows = missing == 0
    needed_s, excess_s = _ahead(values, times_s, 1, contract, tolerance)
    _, run_excess_s = _ahead(values, times_s, RUN, contract, tolerance)
    unbroken = np.array([follows[at : at + RUN].all() for at in range(len(run_excess_s))], np.bool_)
    needed_s, excess_s, run_excess_s = needed_s[follows], excess_s[follows], run_excess_s[unbroken]
    # A gate that was held up between its decision and the publication seems faster than it was, by what it may catch up
    # at one go: two periods' worth. More than that, at once or over a run of commands, is wrong.
    most_s = 2 * contract.period_s + PUBLISHING_S
    too_fast = int((needed_s > most_s).sum()) + int((run_excess_s > most_s).sum())
    stamps_ns = np.array([tick.stamp_ns for tick in sent], np.int64)
    per_tick: Counter[int] = Counter()
    if len(stamps_ns) > 1:
        sent_ns = np.array([command.published_ns for command in published], np.int64)
        counts = np.diff(np.searchsorted(sent_ns, stamps_ns))
        regular = np.abs(np.diff(stamps_ns) * 1e-9 - contract.period_s) < 0.2 * contract.period_s
        per_tick.update(int(count) for count in counts[regular])
    return CommandCheck(
        commands=len(published),
        not_finite=int((~finite).sum()),
        out_of_limits=int(outside.any(axis=1).sum()),
        too_fast=too_fast,
        unheard=int(missing.sum()),
        excess_ms=float(excess_s.max(initial=0.0) * 1e3),
        per_tick=dict(sorted(per_tick.items())),
    )


def _ahead(
    values: npt.NDArray[np.float64], times_s: npt.NDArray[np.float64], lag: int, contract: Contract, tolerance: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Of each command and the one ``lag`` later: seconds that the way takes by the rate limit, and those too few."""
    steps = np.abs(values[lag:] - values[:-lag]) - tolerance
    needed_s = (steps / contract.action_rate).max(axis=1, initial=0.0)
    return needed_s, np.nan_to_num(needed_s - (times_s[lag:] - times_s[:-lag]))
