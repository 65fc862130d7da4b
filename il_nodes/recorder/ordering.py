"""In which order messages enter a bag, and which are missing: plain logic, told the stamps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["LockStepOrder", "StampGaps", "Stamped"]


@dataclass(frozen=True)
class Stamped:
    """One message as it goes into the bag: ``log_time_ns``, topic, CDR bytes."""

    log_time_ns: int
    topic: str
    cdr: bytes


class LockStepOrder:
    """Puts the messages of a lock-step run in the order (header stamp, topic), whatever order they arrived in.

    A tick is complete when each of the ``tick_topics`` has a message of its stamp; then everything up to that stamp is
    released. So two runs that exchange the same messages give the same bag, byte for byte.

    Args:
        tick_topics: topics that carry exactly one message a tick.
    """

    def __init__(self, tick_topics: Iterable[str]) -> None:
        self._tick_topics = frozenset(tick_topics)
        self._waiting: dict[tuple[int, str], bytes] = {}
        self._seen: dict[int, set[str]] = {}
        self.completed_ns: int | None = None
        #: Topic to messages of a tick that was already written: they break the order, and are dropped.
        self.late: Counter[str] = Counter()
        #: Topic to second messages of one stamp; the first one counts.
        self.repeated: Counter[str] = Counter()

    def add(self, topic: str, stamp_ns: int, cdr: bytes) -> list[Stamped]:
        """Take a message; what can be written now, in order."""
        if self.completed_ns is not None and stamp_ns <= self.completed_ns:
            self.late[topic] += 1
            return []
        if (stamp_ns, topic) in self._waiting:
            self.repeated[topic] += 1
            return []
        self._waiting[stamp_ns, topic] = cdr
        if topic not in self._tick_topics:
            return []
        seen = self._seen.setdefault(stamp_ns, set())
        seen.add(topic)
        return self._release(stamp_ns) if seen == self._tick_topics else []

    def flush(self) -> list[Stamped]:
        """Everything that still waits, in order; for the end of an episode."""
        return self._release(max((stamp for stamp, _ in self._waiting), default=0))

    def missing(self) -> dict[int, list[str]]:
        """Stamp of each incomplete tick → topics that have not come."""
        return {stamp: sorted(self._tick_topics - seen) for stamp, seen in sorted(self._seen.items())}

    def _release(self, until_ns: int) -> list[Stamped]:
        ready = sorted(key for key in self._waiting if key[0] <= until_ns)
        self._seen = {stamp: seen for stamp, seen in self._seen.items() if stamp > until_ns}
        if ready:
            self.completed_ns = until_ns
        return [Stamped(stamp, topic, self._waiting.pop((stamp, topic))) for stamp, topic in ready]


class StampGaps:
    """Counts the samples that a stream of a known rate lost, from its stamps alone.

    Args:
        fps: nominal rate in Hz.
    """

    def __init__(self, fps: float) -> None:
        self._period_ns = 1e9 / fps
        self._last_ns: int | None = None
        self.missing = 0

    def add(self, stamp_ns: int) -> None:
        """Take the stamp of the next sample; a step of more than one and a half periods lost some in between."""
        if self._last_ns is not None and stamp_ns > self._last_ns:
            self.missing += max(0, round((stamp_ns - self._last_ns) / self._period_ns) - 1)
        self._last_ns = stamp_ns

    def end(self, stamp_ns: int) -> None:
        """The stream ends before this stamp; the samples between the last one and it are missing too."""
        if self._last_ns is not None and stamp_ns > self._last_ns:
            self.missing += int(max(0.0, (stamp_ns - self._last_ns) / self._period_ns - 0.5))
        self._last_ns = None

    def restart(self) -> None:
        """The stream may jump now: a new episode, a car put back on its track."""
        self._last_ns = None
