"""How the injections of one fault in one mode are judged, and what is told of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from bench.faults.rig import Decided
from bench.faults.rows import EXPERT, Row
from bench.faults.scene import Scene

__all__ = ["Fault", "Tally", "inject_each"]


@dataclass
class Tally:
    """Collects the injections of one row in one mode."""

    row: int
    fault: str
    mode: str
    expected: str
    injections: int = 0
    handover_ticks: list[int] = field(default_factory=list)
    handover_ms: list[float] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    figures: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def require(self, holds: object, problem: str) -> bool:
        """Note a problem unless something holds."""
        if not holds:
            self.problems[problem] += 1
        return bool(holds)

    @contextmanager
    def injection(self) -> Iterator[None]:
        """Counts one; what goes wrong in it is a problem of this row, and does not end the bench."""
        self.injections += 1
        try:
            yield
        except (RuntimeError, OSError) as error:
            self.problems[str(error).strip()[:600]] += 1

    def hand_over(self, log: Sequence[Decided], effect_ns: int, begin_s: float, most: int = 1) -> None:
        """Hold the decisions since a fault against row E: who drove, and how soon.

        Args:
            log: every decision since shortly before the fault.
            effect_ns: the policy must not drive on observations stamped so late, nor on an older one twice.
            begin_s: when the fault took effect, monotonic.
            most: decisions that may still follow the policy.
        """
        seen: set[int] = set()
        followed, first = 0, None
        for decided in log:
            if decided.source == "policy":
                followed += decided.stamp_ns >= effect_ns or decided.stamp_ns in seen
                seen.add(decided.stamp_ns)
            elif first is None and decided.at_s >= begin_s:
                first = decided
        for decided in log:
            if decided.source != "policy" and decided.at_s >= begin_s:
                self.reasons[decided.reason] += 1
        self.require(not any(decided.source == "halt" for decided in log), "the gate halted")
        if self.mode == EXPERT:
            self.require(all(decided.source == "expert" for decided in log), "the expert did not drive on")
            self.seen["the expert drove on"] += 1
            return
        if not self.require(first is not None, "the expert was never handed the robot"):
            return
        assert first is not None
        self.seen["handed to the expert"] += 1
        self.require(followed <= most, f"the policy drove for {followed} ticks")
        self.handover_ticks.append(followed)
        self.handover_ms.append(max(0.0, first.at_s - begin_s) * 1e3)

    def drove_on(self, scene: Scene, log: Sequence[Decided], what: str = "the policy drove on") -> None:
        """Hold the decisions against row R: whoever drove drives on, on every tick, but for the machine's part."""
        wanted = "expert" if self.mode == EXPERT else "policy"
        missed = [decided for decided in log if decided.source != wanted and not scene.is_start(decided)]
        machine = scene.of_the_machine(log, missed)
        self.reasons.update(decided.reason for decided in missed)
        self.seen[what.replace("policy", wanted)] += 1
        self.seen["ticks that went to the expert while the machine had no core for a node"] += len(machine)
        self.require(len(missed) == len(machine), f"{len(missed) - len(machine)} ticks went to somebody else")

    def to_row(self) -> Row:
        """What was seen."""
        observed = "; ".join(
            words if count == self.injections else f"{count} x {words}" for words, count in self.seen.items() if count
        )
        for words, values in self.figures.items():
            observed += "; " + words.format(f"{max(values):.3g}")
        return Row(
            row=self.row,
            fault=self.fault,
            mode=self.mode,
            injections=self.injections,
            expected=self.expected,
            observed=observed,
            reasons=tuple(word for word, _ in self.reasons.most_common()),
            passed=self.injections > 0 and not self.problems,
            handover_ticks=tuple(self.handover_ticks),
            handover_ms=tuple(self.handover_ms),
            problems=tuple(f"{count} x {words}" if count > 1 else words for words, count in self.problems.items()),
        )


class Fault(Protocol):
    """One kind of fault, as :func:`inject_each` injects it."""

    @property
    def row(self) -> int:
        """In the table of faults."""

    @property
    def name(self) -> str:
        """For the table."""

    @property
    def expected(self) -> str:
        """For the table."""

    def inject(self, rig: Scene, tally: Tally, *, explain: bool) -> None:
        """Once, into a running stack, and judge what it did; with ``explain``, wait until the nodes have said why."""


def inject_each(
    faults: Sequence[Fault],
    rig: Scene,
    mode: str,
    injections: int,
    only: Sequence[str] = (),
    *,
    explain: bool = True,
) -> list[Row]:
    """Inject every fault so many times; one row each.

    Args:
        faults: what there is.
        rig: the stack, in ``mode``.
        mode: who drives.
        injections: of each fault.
        only: names of some of them.
        explain: wait after the first of each until the nodes have said why.
    """
    rows = []
    for fault in faults:
        if only and fault.name not in only:
            continue
        tally = Tally(fault.row, fault.name, mode, fault.expected)
        for number in range(injections):
            with tally.injection():
                fault.inject(rig, tally, explain=explain and number == 0)
        rows.append(tally.to_row())
    return rows
