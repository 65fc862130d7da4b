"""Injects the gate's faults one after the other into a running gate, and judges each by the decisions that follow.

An injection during which the machine held up the rig (two of its ticks more than 1.4 periods apart), the gate (two
commands more than 1.7 periods apart, where the deadline of a missing message makes 1.5) or the message between them is
still held to everything that must not happen on any machine; that it is the expert who drives, and not a halt because
his commands were late, is then judged on a repetition. How many those were is reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from rich.console import Console
from rich.progress import track

from bench.faults.gate_faults import GateFault, Injected
from bench.faults.gate_rig import GateRig
from bench.faults.rig import Decided
from bench.faults.rows import EXPERT, Row
from models.contract import Contract

__all__ = ["LATE_WORDS", "Strike", "Tally", "judge", "plan", "run_plan", "strike"]

#: Two ticks of the rig so many periods apart: the gate's deadline passed in between, and not by its fault.
RIG_LATE_PERIODS = 1.4
#: Two commands so many periods apart: the gate, or the messages to it, were held up.
GATE_LATE_PERIODS = 1.7
#: Words for a message that did not come in time: where something else is wrong with it, the machine was too slow.
LATE_WORDS = ("proposal_stale", "chunk_used_up")
#: How often an injection that the machine upset is repeated before the row says so.
REPETITIONS = 5


@dataclass(frozen=True)
class Strike:
    """One injection as it was seen.

    Attributes:
        problems: what should not have happened on any machine.
        doubtful: what should not have happened on a machine that keeps time.
        disturbed: whether the machine kept the rig from its time.
        decisions: all from the fault on until things were as before.
        handover_ticks: decisions in the policy's favour after the fault; ``None`` where there is no hand-over.
        handover_ms: from the fault to the first decision against the policy.
        reason: the gate's word for it.
        notes: what else was counted.
    """

    problems: list[str]
    doubtful: list[str]
    disturbed: bool
    decisions: list[Decided]
    handover_ticks: int | None = None
    handover_ms: float | None = None
    reason: str = ""
    notes: dict[str, float] = field(default_factory=dict)


def strike(rig: GateRig, fault: GateFault, mode: str, random: np.random.Generator) -> Strike:
    """Inject a fault once, wait until things are as before, and judge. A gate that has ended is followed by another."""
    if rig.group.running["gate"].poll() is not None:
        rig.bring_gate_again(mode)
    rig.settle(mode)
    first, tick, command = len(rig.log), len(rig.sent), len(rig.published)
    injected = fault.inject(rig, mode, random)
    if not fault.ends:
        rig.settle(mode)
    decisions = rig.log[first if injected.after is None else injected.after : injected.until]
    disturbed = rig.longest_gap_s(tick) > RIG_LATE_PERIODS * rig.period_s
    # A gate that is stopped on purpose is not held up by the machine.
    disturbed |= not injected.stalls and rig.longest_pause_s(command) > GATE_LATE_PERIODS * rig.period_s
    return judge(fault, mode, injected, decisions, rig.contract, disturbed=disturbed)


def judge(
    fault: GateFault,
    mode: str,
    injected: Injected,
    decisions: list[Decided],
    contract: Contract,
    *,
    disturbed: bool,
) -> Strike:
    """Judge an injection by the decisions that followed it.

    Args:
        fault: what was injected.
        mode: in which mode.
        injected: what the injection says itself.
        decisions: in order, from the fault on.
        contract: the robot's.
        disturbed: whether the machine upset it.
    """
    by_mode = _judge_expert_mode if mode == EXPERT else _JUDGES[fault.expected]
    seen = by_mode(fault, injected, decisions, disturbed)
    return replace(seen, problems=seen.problems + too_old(decisions, contract))


def too_old(decisions: Sequence[Decided], contract: Contract) -> list[str]:
    """What was followed although it was older than the contract allows."""
    limits_ms = {
        "expert": ("expert_age_ms", contract.gate.expert_max_age_s * 1e3),
        "policy": ("proposal_age_ms", contract.gate.proposal_max_age_s * 1e3),
    }
    found = []
    for decided in decisions:
        name, limit_ms = limits_ms.get(decided.source, ("", 0.0))
        if name and not float(decided.values[name]) <= limit_ms + 0.01:
            found.append(f"{decided.source} followed beyond its age limit")
    return found


def _judge_expert_mode(fault: GateFault, injected: Injected, decisions: list[Decided], disturbed: bool) -> Strike:
    """Whatever the policy does, the expert drives on; only what takes the expert's own part away halts."""
    seen = Counter(decided.source for decided in decisions)
    problems, doubtful = list(injected.problems), list[str]()
    if seen["policy"]:
        problems.append("the policy drove while it was disabled")
    if fault.expected == "H":
        halts = [decided for decided in decisions if decided.source == "halt"]
        reason = halts[0].reason if halts else ""
        if not halts or reason not in fault.reasons:
            problems.append(f"no halt: {reason or 'the expert drove on'}")
        took = (halts[0].at_s - injected.begun_s) * 1e3 if halts else None
        return Strike(problems, doubtful, disturbed, decisions, None, took, reason, injected.notes)
    if seen["halt"] and fault.expected != "recovers":
        doubtful.append(f"a halt: {next(d.reason for d in decisions if d.source == 'halt')}")
    return Strike(problems, doubtful, disturbed, decisions, reason="policy_disabled", notes=injected.notes)


def _judge_handover(fault: GateFault, injected: Injected, decisions: list[Decided], disturbed: bool) -> Strike:
    """The expert from the next tick on, or after him a halt; and no decision by what was false."""
    problems, doubtful = list(injected.problems), list[str]()
    against = next((index for index, decided in enumerate(decisions) if decided.source != "policy"), None)
    followed = [d for d in decisions if d.source == "policy" and d.stamp_ns in injected.forbidden]
    if followed:
        problems.append("the policy drove by the falsified proposal")
    if against is None:
        return Strike(problems, ["no hand-over"], disturbed, decisions)
    first = decisions[against]
    ticks = max(0, against - fault.tolerated)
    halts = [decided for decided in decisions if decided.source == "halt"]
    if ticks > 1:
        # Where only what is repeated in time is a fault, a machine that stood still in between broke the row.
        (doubtful if fault.tolerated else problems).append(f"{ticks} decisions for the policy after the fault")
    if fault.expected == "H":
        word = halts[0].reason if halts else ""
        if word not in fault.reasons:
            problems.append(f"no halt: {word or 'the expert drove on'}")
        at_s = halts[0].at_s if halts else first.at_s
        took_ms = (at_s - injected.begun_s) * 1e3
        return Strike(problems, doubtful, disturbed, decisions, ticks, took_ms, word, injected.notes)
    if first.withheld not in fault.reasons:
        doubtful.append(f"the first reason was {first.withheld}")
        disturbed |= first.withheld in LATE_WORDS
    if halts:
        doubtful.append(f"a halt: {halts[0].reason}")
    took_ms = (first.at_s - injected.begun_s) * 1e3
    return Strike(problems, doubtful, disturbed, decisions, ticks, took_ms, first.withheld, injected.notes)


def _judge_drives_on(fault: GateFault, injected: Injected, decisions: list[Decided], disturbed: bool) -> Strike:
    """The policy drives on; where the fault has to be clamped, that is said."""
    problems, doubtful = list(injected.problems), list[str]()
    away = [decided for decided in decisions if decided.source != "policy"]
    if away:
        doubtful.append(f"{away[0].source} drove: {away[0].reason}")
    limited = any(decided.values["clamped"].lower() == "true" for decided in decisions)
    if not away and limited is not (fault.expected == "clamped"):
        problems.append("clamped" if limited else "not said to be clamped")
    reason = "clamped" if limited else "policy_trusted"
    return Strike(problems, doubtful, disturbed, decisions, reason=reason, notes=injected.notes)


def _judge_recovers(fault: GateFault, injected: Injected, decisions: list[Decided], disturbed: bool) -> Strike:
    """Nothing old is followed; that all is as before in the end was waited for."""
    problems = list(injected.problems)
    if any(decided.source == "policy" and decided.stamp_ns in injected.forbidden for decided in decisions):
        problems.append("the policy drove by a proposal of another time")
    away = [decided for decided in decisions if decided.source != "policy"]
    reason = away[0].reason if away else "policy_trusted"
    notes = injected.notes | {"decisions until the policy drove": len(away)}
    return Strike(problems, [], disturbed, decisions, reason=reason, notes=notes)


_JUDGES: dict[str, Callable[[GateFault, Injected, list[Decided], bool], Strike]] = {
    "E": _judge_handover,
    "H": _judge_handover,
    "R": _judge_drives_on,
    "clamped": _judge_drives_on,
    "harmless": _judge_drives_on,
    "recovers": _judge_recovers,
}


@dataclass
class Tally:
    """All injections of one fault in one mode."""

    fault: GateFault
    mode: str
    injections: int = 0
    disturbed: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    ticks: list[int] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    notes: dict[str, list[float]] = field(default_factory=dict)
    decisions: list[Decided] = field(default_factory=list)

    def add(self, seen: Strike, *, last: bool) -> bool:
        """Count an injection; False if it has to be repeated.

        Args:
            seen: the injection.
            last: it is not repeated any more, and counts as it is.
        """
        self.problems.update(seen.problems)
        self.disturbed += seen.disturbed
        if seen.disturbed and seen.doubtful and not last:
            return False
        if seen.handover_ticks is not None:
            self.ticks.append(seen.handover_ticks)
        self.problems.update(seen.doubtful)
        self.injections += 1
        self.sources.update(decided.source for decided in seen.decisions)
        if seen.reason:
            self.reasons[seen.reason] += 1
        if seen.handover_ms is not None and not seen.disturbed:
            self.milliseconds.append(seen.handover_ms)
        for name, value in seen.notes.items():
            self.notes.setdefault(name, []).append(value)
        if seen.decisions:
            self.decisions.append(next((d for d in seen.decisions if d.source != "policy"), seen.decisions[0]))
        return True

    def row(self, further: Sequence[str] = ()) -> Row:
        """The line of the table."""
        problems = [f"{problem} ({count}x)" for problem, count in self.problems.most_common()] + list(further)
        return Row(
            row=self.fault.row,
            fault=self.fault.name,
            mode=self.mode,
            injections=self.injections,
            expected="the expert drives on"
            if self.mode == EXPERT and self.fault.expected != "H"
            else self.fault.expected,
            observed=self._observed(),
            reasons=tuple(word for word, _ in self.reasons.most_common()),
            passed=not problems and self.injections > 0,
            handover_ticks=tuple(self.ticks),
            handover_ms=tuple(self.milliseconds),
            problems=tuple(problems),
            disturbed=self.disturbed,
        )

    def _observed(self) -> str:
        if self.sources["halt"]:
            words = "halt"
        elif self.sources["expert"]:
            words = "expert"
        else:
            words = "policy"
        notes = [f"{name} at most {max(values):.4g}" for name, values in self.notes.items()]
        return ", ".join([words, *notes])


def plan(faults: Sequence[GateFault], mode: str, injections: int, random: np.random.Generator) -> list[GateFault]:
    """Every fault as often as its share says, in random order; those that end the gate come last."""
    chosen = [fault for fault in faults if mode in fault.modes]
    repeated = [fault for fault in chosen for _ in range(max(1, round(injections * fault.share)))]
    shuffled = [repeated[index] for index in random.permutation(len(repeated))]
    return sorted(shuffled, key=lambda fault: fault.ends)


def run_plan(
    rig: GateRig, faults: Sequence[GateFault], mode: str, random: np.random.Generator
) -> dict[GateFault, Tally]:
    """Inject them in this order; a bar on the terminal shows how far it is."""
    tallies: dict[GateFault, Tally] = {}
    # Once a second: the bar must not take the rig's time.
    for fault in track(faults, f"gate, {mode}", console=Console(stderr=True), transient=True, refresh_per_second=1):
        tally = tallies.setdefault(fault, Tally(fault, mode))
        for attempt in range(REPETITIONS):
            try:
                seen = strike(rig, fault, mode, random)
            except RuntimeError as error:  # the stack did not come back: a finding of this row, not the end of the run
                seen = Strike([str(error)[:600]], [], disturbed=False, decisions=[])
            if tally.add(seen, last=attempt == REPETITIONS - 1):
                break
    return tallies
