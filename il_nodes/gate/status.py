"""What the gate says about itself: the status of one decision, and the one of the last second."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from il_nodes.gate.decision import Decision, Driver, Reason
from il_nodes.gate.gate import Gate
from il_nodes.gate.pacing import Latencies, Rate
from il_nodes.ros.diagnostics import Level, Status
from models.errors import CodecError

__all__ = ["GateReport", "decision_status"]

#: With these the expert drives because somebody wants it so: nothing to warn of.
_WANTED = (Reason.DISABLED, Reason.TAKEOVER)


def decision_status(decision: Decision, latency_s: float | None) -> Status:
    """``/gate/decision``: OK while whoever is meant to drive does, WARN on a fall-back, ERROR on a halt.

    Looking around before the first command is a WARN too: the robot stands as it stood before.

    Args:
        decision: of this tick.
        latency_s: from the message that caused it until the command had left; ``None`` in lock-step, where nothing
            measured on a wall clock may enter the recording.
    """
    level: Level = "error" if decision.source is Driver.HALT else "ok"
    # The latch, not what withholds the policy: whoever holds the robot wants it, whatever the policy says meanwhile.
    if decision.reason is Reason.DISCOVERY or (decision.source is Driver.EXPERT and decision.latched not in _WANTED):
        level = "warn"
    values: dict[str, object] = {
        "source": decision.source,
        "reason": decision.reason,
        "withheld": decision.withheld or "",
        "latched": decision.latched or "",
        "unsafe_probability": decision.unsafe_probability,
        "expert_age_ms": decision.expert_age_s * 1e3,
        "proposal_age_ms": decision.proposal_age_s * 1e3,
        "chunk_row": decision.row,
        "clamped": decision.clamped,
        "rate_limited": decision.rate_limited,
        "handover": decision.handover,
        "sent": decision.sent,
    }
    if latency_s is not None:
        values["latency_ms"] = latency_s * 1e3
    return Status(level, decision.reason, values)


class GateReport:
    """Collects what ``/diagnostics`` says about the gate once a second.

    Args:
        gate: whose counters it reports.
        dry_run: nothing is commanded, and every report says so.
        clock: monotonic seconds.

    Attributes:
        active: whether the node is; an inactive gate commands nothing.
        proposers: how many processes propose.
        experts: who commands as the expert, while several do; empty while one does, or none.
        deadlines: ticks on which nothing had come in time.
        overruns: deadlines that this node itself met too late by half a period or more (starved of CPU).
    """

    def __init__(self, gate: Gate, *, dry_run: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._gate = gate
        self._dry_run = dry_run
        self._clock = clock
        self._latencies = Latencies()
        self._ages = Latencies()
        self._last: Decision | None = None
        self._rate = Rate(clock())
        self._problems: Counter[str] = Counter()
        self._problem = ""
        self.active = False
        self.proposers = 0
        self.experts = ""
        self.deadlines = 0
        self.overruns = 0

    def begin(self) -> None:
        """The node is active from now on."""
        self.active = True
        self._rate.restart(self._clock())

    def sent(self, decision: Decision, latency_s: float) -> None:
        """A command left."""
        self._last = decision
        self._rate.add()
        self._latencies.add(latency_s)
        answered = {Driver.POLICY: decision.proposal_age_s, Driver.EXPERT: decision.expert_age_s}
        if decision.source in answered:  # a halt answers nothing
            self._ages.add(answered[decision.source] + latency_s)

    def unreadable(self, error: CodecError) -> None:
        """A message could not be read."""
        self._problems["unreadable"] += 1
        self._problem = error.problem

    def status(self) -> Status:
        """The last second; counters are since the start."""
        values: dict[str, object] = {
            "rate_hz": self._rate.report_hz(self._clock()),
            "decision_p50_ms": self._latencies.percentile_ms(50),
            "decision_p99_ms": self._latencies.percentile_ms(99),
            "command_age_p50_ms": self._ages.percentile_ms(50),
            "command_age_p99_ms": self._ages.percentile_ms(99),
            "deadline_misses": self.deadlines,
            "overruns": self.overruns,
            "proposers": self.proposers,
            **dict(sorted((self._gate.counts + self._problems).items())),
        }
        if self._problem:
            values["last_problem"] = self._problem
        if self._last is not None:
            values |= {
                "source": self._last.source,
                "reason": self._last.reason,
                "expert_age_ms": self._last.expert_age_s * 1e3,
                "proposal_age_ms": self._last.proposal_age_s * 1e3,
            }
        level, message = self._summary()
        if self._dry_run:
            message = f"dry run: nothing is commanded ({message})"
        return Status(level, message, values)

    def _summary(self) -> tuple[Level, str]:
        if not self.active:
            return "ok", "inactive: nothing is commanded"
        if self._gate.fault is not None:
            return "error", f"halted: {self._gate.fault}"
        if self.experts:
            return "error", f"{self.experts}; none of them is executed: end all but one"
        if self.proposers > 1:
            return "error", f"{self.proposers} policies propose, and none of them may drive"
        if self._last is None:
            return "ok", "no command yet"
        return decision_status(self._last, None).level, f"{self._last.source}: {self._last.reason}"
