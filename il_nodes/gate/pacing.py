"""When the gate answers: at once when what it waits for arrives, at the deadline otherwise, once a tick.

Pure logic; stamps are integer nanoseconds of the messages' clock, ``now_s`` is monotonic.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np

__all__ = ["DEADLINE_PERIODS", "Latencies", "LockStepBarrier", "Pauses", "Rate", "TickGrid"]

#: Periods since the last command after which the gate no longer waits: half a period of grace for a late frame.
DEADLINE_PERIODS = 1.5
#: A stamp this many periods in the past belongs to another time line (a simulator that was reset).
REWIND_PERIODS = 10
#: A rate is over at least so long: a report that is published early, right behind another, would find none or hundreds.
RATE_WINDOW_S = 0.5

Message = TypeVar("Message")


class TickGrid:
    """Says whether a message's stamp starts a tick that has had no command yet.

    Stamps are taken at the contract's rate on average, whatever the sender's: the next one is due half a period after
    the last tick's place on the grid. A faster sender is thinned out, a jittering one loses nothing, and after a pause
    the grid starts anew at the first stamp.
    """

    def __init__(self, period_s: float) -> None:
        self._period_ns = round(period_s * 1e9)
        self._due_ns: int | None = None

    def is_due(self, stamp_ns: int) -> bool:
        """Whether a command that answers ``stamp_ns`` would be the first of its tick."""
        if self._due_ns is None or stamp_ns >= self._due_ns:
            return True
        return stamp_ns < self._due_ns - REWIND_PERIODS * self._period_ns

    def answered(self, stamp_ns: int) -> None:
        """A command that answers ``stamp_ns`` was sent; an old stamp, answered once more, changes nothing."""
        if not self.is_due(stamp_ns):
            return
        fresh_ns = stamp_ns + self._period_ns // 2
        if self._due_ns is None or stamp_ns < self._due_ns:
            self._due_ns = fresh_ns
        else:
            self._due_ns = max(fresh_ns, self._due_ns + self._period_ns)


class LockStepBarrier(Generic[Message]):
    """Lock-step: a tick is complete once everybody who must answer has answered for the same stamp.

    Args:
        names: who must answer.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._answers: dict[str, tuple[int, Message] | None] = dict.fromkeys(names)
        self._last_ns: int | None = None

    def answer(self, name: str, stamp_ns: int, message: Message) -> dict[str, Message] | None:
        """Note an answer; all answers of its tick when it completes one that had not been complete before."""
        if name not in self._answers:
            return None
        self._answers[name] = (stamp_ns, message)
        complete = {who: pair[1] for who, pair in self._answers.items() if pair is not None and pair[0] == stamp_ns}
        if len(complete) < len(self._answers) or stamp_ns == self._last_ns:
            return None
        self._last_ns = stamp_ns
        return complete


class Pauses:
    """Lock-step: finds the ticks before which the robot stood still, since nobody had asked for a command.

    Nothing else tells of a new episode in time: its announcement may overtake the tick before it or not.

    Args:
        gap_s: so long a step from one stamp to the next is a pause.
    """

    def __init__(self, gap_s: float) -> None:
        self._gap_ns = round(gap_s * 1e9)
        self._last_ns: int | None = None

    def is_over(self, stamp_ns: int) -> bool:
        """Whether this tick is the first one behind a pause; time that goes backwards is one too."""
        before_ns, self._last_ns = self._last_ns, stamp_ns
        return before_ns is not None and not 0 <= stamp_ns - before_ns <= self._gap_ns


class Latencies:
    """The newest durations, and their percentiles.

    Args:
        size: how many are kept; 1,000 are 50 s at 20 Hz, and few enough to sort once a second.
    """

    def __init__(self, size: int = 1000) -> None:
        self._values_s: deque[float] = deque(maxlen=size)

    def add(self, seconds: float) -> None:
        """Note one duration."""
        self._values_s.append(seconds)

    def percentile_ms(self, percent: float) -> float:
        """Percentile in milliseconds; NaN before the first duration."""
        return float(np.percentile(self._values_s, percent)) * 1e3 if self._values_s else float("nan")


class Rate:
    """Events a second: over the time since the last report, and over half a second at least.

    Args:
        now_s: since when events are counted.
    """

    def __init__(self, now_s: float) -> None:
        self.restart(now_s)

    def restart(self, now_s: float) -> None:
        """Whoever is counted begins to work: what was, or was not, before says nothing."""
        self._count = 0
        self._reports: deque[tuple[float, int]] = deque([(now_s, 0)])

    def add(self) -> None:
        """Note one event."""
        self._count += 1

    def report_hz(self, now_s: float) -> float:
        """Events a second since the newest report that lies at least half a second back; NaN before there is one.

        A rate over the first moments would be that of a sender that stalls, or races.
        """
        while len(self._reports) > 1 and now_s - self._reports[1][0] >= RATE_WINDOW_S:
            self._reports.popleft()
        since_s, count = self._reports[0]
        self._reports.append((now_s, self._count))
        elapsed_s = now_s - since_s
        return (self._count - count) / elapsed_s if elapsed_s >= RATE_WINDOW_S else math.nan
