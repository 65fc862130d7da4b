"""One line of the table of faults: what was injected, in which mode, how often, and what the nodes did about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

__all__ = [
    "COLUMNS",
    "EXPERT",
    "MODES",
    "PASSED",
    "POLICY",
    "RECORDING",
    "Row",
    "cells",
    "in_order",
    "markdown",
    "spread",
]

#: The expert drives; the policy drives; the policy drives and the recorder records.
EXPERT, POLICY, RECORDING = MODES = ("expert", "policy", "recording")
#: The verdict of a row that ended as it should.
PASSED = "passed"
#: Of the table that people read.
COLUMNS = (
    "#",
    "fault",
    "mode",
    "injections",
    "expected",
    "observed",
    "hand-over, ticks (max)",
    "hand-over, ms (p50 / p99)",
    "verdict",
)


@dataclass(frozen=True)
class Row:
    """What was seen of one fault in one mode.

    Attributes:
        row: number in the table of faults.
        fault: what was done, in words.
        mode: one of :data:`MODES`.
        injections: how often.
        expected: what had to happen: ``E``, ``H``, ``R``, ``Q``, or words.
        observed: what happened, in words.
        reasons: the words that the nodes gave, most frequent first.
        passed: whether every injection ended as expected.
        handover_ticks: for each hand-over, decisions in the policy's favour after the fault; empty where there is none.
        handover_ms: for each hand-over, how long it took from the fault to the first decision against the policy.
        problems: why it did not pass: one line for each kind of miss.
        disturbed: injections that the machine itself upset, by holding up who injected; judged by what must hold
            even then, and repeated.
    """

    row: int
    fault: str
    mode: str
    injections: int
    expected: str
    observed: str
    reasons: tuple[str, ...]
    passed: bool
    handover_ticks: tuple[int, ...] = ()
    handover_ms: tuple[float, ...] = ()
    problems: tuple[str, ...] = ()
    disturbed: int = 0

    def summary(self) -> dict[str, Any]:
        """As it goes into the results: the distributions as their percentiles."""
        found = asdict(self)
        del found["passed"]
        found["handover_ticks"] = spread(self.handover_ticks, (99.0,))
        found["handover_ms"] = spread(self.handover_ms, (50.0, 99.0))
        found["verdict"] = PASSED if self.passed else "FAILED"
        return found


def spread(values: Sequence[float], percents: Sequence[float]) -> dict[str, float]:
    """Percentiles and the largest; empty for no values."""
    if not values:
        return {}
    found = {f"p{percent:g}": round(float(np.percentile(values, percent)), 3) for percent in percents}
    return {**found, "max": round(float(max(values)), 3)}


def markdown(rows: Iterable[Mapping[str, Any]]) -> str:
    """The rows as a Markdown table, by number, fault and mode."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in in_order(rows)]
    return "\n".join(lines) + "\n"


def in_order(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """By number, fault and mode."""
    return sorted(rows, key=lambda row: (row["row"], row["fault"], MODES.index(row["mode"])))


def cells(row: Mapping[str, Any]) -> list[str]:
    """One row, as :meth:`Row.summary` tells it, as the words of its columns."""
    ticks = f"{row['handover_ticks']['max']:.0f}" if row["handover_ticks"] else ""
    times = row["handover_ms"]
    took = f"{times['p50']:.2f} / {times['p99']:.2f}" if times else ""
    verdict = "passed" if row["verdict"] == PASSED else "**FAILED**: " + "; ".join(row["problems"])
    reasons = ", ".join(f"`{word}`" for word in row["reasons"])
    observed = f"{row['observed']}: {reasons}" if reasons else row["observed"]
    words = (row["fault"], row["mode"], f"{row['injections']:,}", row["expected"], observed, ticks, took, verdict)
    return [str(row["row"]), *words]
