"""The gate's faults in each mode: one gate, and in the third a recorder beside it, and all faults in random order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.serialization import deserialize_message

from bench.faults.gate_faults import MESSAGE_FAULTS, GateFault
from bench.faults.gate_rig import CommandCheck, GateRig, check_commands
from bench.faults.gate_run import LATE_WORDS, Tally, plan, run_plan
from bench.faults.gate_world import CLOCK_FAULTS, WORLD_FAULTS, recorder_terminated
from bench.faults.rig import rig_contract
from bench.faults.rows import POLICY, RECORDING, Row
from bench.processes import processes
from il_nodes.bags import BagReader, find_bags
from il_nodes.ros.stamps import stamp_to_ns

__all__ = ["Control", "GateRun", "bag_problems", "finish_recording", "run_control", "run_gate_faults", "running_gate"]

#: The expert's command may be three ticks old: a busy machine then halts nobody.
EXPERT_PERIODS = 3.0
#: Half a period is the grace that a late message has; less than that is no explanation for a hand-over.
HELD_UP_PERIODS = 1.3


@dataclass(frozen=True)
class GateRun:
    """One mode.

    Attributes:
        rows: of the table.
        check: every command of it against the contract.
        ticks: of the rig.
        counters: the gate's own, from ``/diagnostics``.
    """

    rows: list[Row]
    check: CommandCheck
    ticks: int
    counters: Mapping[str, str]


@contextmanager
def running_gate(folder: Path, mode: str, fps: float = 100.0, *, simulated_time: bool = False) -> Iterator[GateRig]:
    """A gate in that mode with the rig around it; nothing of it is left afterwards.

    Args:
        folder: for logs and recordings.
        mode: one of the three.
        fps: of the contract; rates, dwell and ages follow it.
        simulated_time: the robot's clock is the rig's ``/clock``.
    """
    contract = rig_contract(fps, rate=0.4 * fps, dwell_ms=2e3 / fps, expert_periods=EXPERT_PERIODS)
    with processes(folder) as group:
        start_ns = 10**15 if simulated_time else None
        rig = GateRig(group, contract, senses=mode == RECORDING, sim_ns=start_ns)
        clock = {"use_sim_time": True} if simulated_time else {}
        try:
            rig.bring_gate(mode, **clock)
            if mode == RECORDING:
                rig.record(**clock)
                rig.settle(mode)
            yield rig
        finally:
            rig.close()


def run_gate_faults(mode: str, injections: int, folder: Path, seed: int = 0) -> dict[str, GateRun]:
    """All faults in one mode, by the gate's clock: so many with the policy driving, a tenth in the others."""
    count = injections if mode == POLICY else max(2, injections // 10)
    random = np.random.default_rng(seed)
    lasting = _run(folder / "system", mode, (*MESSAGE_FAULTS, *WORLD_FAULTS), count, random)
    clocks = _run(folder / "simulated", mode, CLOCK_FAULTS, count, random, simulated_time=True)
    return {"system time": lasting, "simulated time": clocks}


def _run(
    folder: Path,
    mode: str,
    faults: Sequence[GateFault],
    injections: int,
    random: np.random.Generator,
    *,
    simulated_time: bool = False,
) -> GateRun:
    with running_gate(folder, mode, simulated_time=simulated_time) as rig:
        planned = plan(faults, mode, injections, random)
        # The gate that counts overruns is the one that was stopped; others come after it.
        lasting = [fault for fault in planned if not fault.ends]
        tallies = run_plan(rig, lasting, mode, random)
        counters = read_counters(rig)
        tallies |= run_plan(rig, planned[len(lasting) :], mode, random)
        further: dict[GateFault, list[str]] = {}
        if mode == RECORDING:
            finish_recording(rig)
            further = bag_problems(rig, tallies)
        rows = [tally.row(further.get(fault, ())) for fault, tally in tallies.items()]
        rows = [_with_overruns(row, rig.stalls, counters) for row in rows]
        check = check_commands(rig.published, rig.contract, () if simulated_time else rig.sent)
        return GateRun(rows, check, len(rig.sent), counters)


def read_counters(rig: GateRig) -> Mapping[str, str]:
    """The gate's newest report, a new one."""
    rig.diagnostics.pop("gate: gate", None)
    rig.tick_until(lambda: "gate: gate" in rig.diagnostics, 10.0, "the gate's report")
    return rig.diagnostics["gate: gate"][2]


def _with_overruns(row: Row, stalls: int, counters: Mapping[str, str]) -> Row:
    """A gate that is starved has to say so: at least once for each time."""
    counted = int(counters["overruns"])
    if row.row != 19:
        return row
    found = replace(row, observed=f"{row.observed}, {counted} overruns counted in {stalls} stalls")
    if counted >= stalls:
        return found
    return replace(found, passed=False, problems=(*row.problems, f"{counted} overruns counted in {stalls} stalls"))


# -- the recording ----------------------------------------------------------------------------------------------------


def finish_recording(rig: GateRig) -> None:
    """End the episode and wait until the recorder has closed it, and all before it."""
    rig.start_episode("")

    def closed() -> bool:
        folders = list((rig.folder / "recordings").iterdir())
        return len(find_bags(rig.folder / "recordings")) == len(folders)

    rig.tick_until(closed, 20.0, "the recording to be closed")


def recorded_decisions(reader: BagReader) -> Counter[tuple[int, str, str]]:
    """Stamp, source and reason of each decision in the recording."""
    found: Counter[tuple[int, str, str]] = Counter()
    for _, _, cdr in reader.messages(["/gate/decision"]):
        message: Any = deserialize_message(cdr, DiagnosticArray)
        values = {pair.key: pair.value for pair in message.status[0].values}
        found[stamp_to_ns(message.header.stamp), values["source"], values["reason"]] += 1
    return found


def bag_problems(rig: GateRig, tallies: Mapping[GateFault, Tally]) -> dict[GateFault, list[str]]:
    """Of each fault, what the recordings do not say about it. The recorder may own up to a message that it lost."""
    readers = [BagReader(bag) for bag in find_bags(rig.folder / "recordings")]
    recorded = sum((recorded_decisions(reader) for reader in readers), Counter())
    lost = sum(counts.get("/gate/decision", 0) for reader in readers for counts in reader.losses.values())
    problems: dict[GateFault, list[str]] = {}
    for fault, tally in tallies.items():
        if fault.inject is recorder_terminated:  # nobody recorded then
            continue
        seen = Counter((decided.stamp_ns, decided.source, decided.reason) for decided in tally.decisions)
        missing = (seen - recorded).total()
        problems[fault] = [f"{missing} decisions are not in the recording"] if missing > lost else []
    return problems


# -- negative control -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Control:
    """A run without faults.

    Attributes:
        ticks: of the rig.
        handovers: how often the policy lost the robot all the same.
        rig_late: those at a tick that the rig itself sent too late.
        gate_late: those where the gate, or the message to it, was held up: no command for more than 1.3 periods.
        check: every command of it.
        counters: the gate's own.
    """

    ticks: int
    handovers: int
    rig_late: int
    gate_late: int
    check: CommandCheck
    counters: Mapping[str, str]

    @property
    def unexplained(self) -> int:
        """Hand-overs that were not the machine's doing."""
        return self.handovers - self.rig_late - self.gate_late


def run_control(ticks: int, folder: Path) -> Control:
    """So many ticks of a policy that does nothing wrong."""
    with running_gate(folder, POLICY) as rig:
        first, begun = len(rig.log), len(rig.sent)
        for _ in range(ticks):
            rig.tick()
            if rig.log[-1].values["latched"]:  # silent for a second: the machine stood still
                rig.enable_policy()
        handovers, rig_late, gate_late = explained_handovers(rig, first)
        check = check_commands(rig.published, rig.contract, rig.sent[begun:])
        return Control(ticks, handovers, rig_late, gate_late, check, read_counters(rig))


def explained_handovers(rig: GateRig, first: int) -> tuple[int, int, int]:
    """Hand-overs from the policy since decision number ``first``: all, those by a late rig, those by a late gate."""
    total = rig_late = gate_late = 0
    gaps_s = {later.stamp_ns: later.at_s - earlier.at_s for earlier, later in pairwise(rig.sent)}
    limit_s = HELD_UP_PERIODS * rig.period_s
    offset = len(rig.published) - len(rig.log)
    previous = "policy"
    for index in range(first, len(rig.log)):
        decided, lost = rig.log[index], rig.log[index].source != "policy" == previous
        previous = decided.source
        if not lost:
            continue
        total += 1
        if decided.withheld not in LATE_WORDS:
            continue
        at = index + offset
        pause_s = (rig.published[at].published_ns - rig.published[at - 1].published_ns) * 1e-9
        # A deadline passes after the last tick that came in time: the one that it waited for is the next.
        behind = next((sent.stamp_ns for sent in rig.sent if sent.stamp_ns > decided.stamp_ns), 0)
        if max(gaps_s.get(decided.stamp_ns, 0.0), gaps_s.get(behind, 0.0)) > limit_s:
            rig_late += 1
        elif pause_s > limit_s:
            gate_late += 1
    return total, rig_late, gate_late
