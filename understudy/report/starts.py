"""What the policy did not get in the first place: the time before it first had the wheel, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from understudy.evaluation.traces import POLICY, Trace
from understudy.report.reasons import in_words

__all__ = ["Withheld", "all_withheld", "in_seconds", "reasons_in_words", "start_reason", "withheld_at_start"]


@dataclass(frozen=True, slots=True)
class Withheld:
    """The beginning of an episode, in which the policy did not drive.

    Attributes:
        seconds: how long.
        reason: the gate's, on most of these ticks.
        for_good: the policy did not drive later either.
    """

    seconds: float
    reason: str
    for_good: bool


def withheld_at_start(trace: Trace) -> Withheld | None:
    """What was withheld at the start of an episode; ``None`` where the policy had the wheel from the first tick, or
    nobody decided.
    """
    decisions = trace.decisions
    if not len(decisions.stamps_ns):
        return None
    driven = np.flatnonzero(decisions.driver == POLICY)
    end = int(driven[0]) if len(driven) else len(decisions.stamps_ns)
    if not end:
        return None
    after_ns = decisions.stamps_ns[end] if len(driven) else decisions.stamps_ns[-1] + round(trace.period_s * 1e9)
    reason = Counter(decisions.reasons[:end]).most_common(1)[0][0]
    return Withheld(float(after_ns - decisions.stamps_ns[0]) / 1e9, reason, not len(driven))


def all_withheld(traces: Iterable[Trace]) -> tuple[Withheld, ...]:
    """What was withheld at the starts of episodes, without those where nothing was."""
    return tuple(found for found in map(withheld_at_start, traces) if found)


def in_seconds(starts: Sequence[Withheld]) -> str:
    """Their time together."""
    seconds = sum(start.seconds for start in starts)
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2f} s"


def start_reason(reason: str) -> str:
    """The reason in words that fit the start of an episode."""
    return "no proposal yet" if reason == "proposal_missing" else in_words(reason)


def reasons_in_words(starts: Sequence[Withheld]) -> str:
    """Their reasons, the one that cost most time first."""
    cost: Counter[str] = Counter()
    for start in starts:
        cost[start_reason(start.reason)] += round(start.seconds * 1000)
    return ", ".join(words for words, _ in cost.most_common())
