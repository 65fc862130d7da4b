"""Which messages of an episode are missing, by every sign that there is: plain logic, told numbers and stamps.

The middleware reports what was lost on the way, but not what its own queue dropped because this process was too slow;
the publishers' sequence numbers show both. A stream of a known rate shows what was never sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from il_nodes.bags.files import Losses
from il_nodes.recorder.ordering import StampGaps

__all__ = ["MessageAccounts", "SequenceGaps", "reasons"]

#: What each kind is called for people. Those ``repeated``, ``superseded`` or ``stray`` cost nothing.
KINDS = {
    "lost": ("message", "lost on {}"),
    "dropped": ("message", "on {} dropped, the disk is too slow"),
    "missing": ("tick", "missing on {}"),
    "late": ("message", "on {} came after the tick was written"),
    "unreadable": ("message", "on {} could not be read"),
    "outside": ("message", "on {} stamped outside the episode, and none inside"),
    "absent": ("message", "on {} in the whole episode"),
    "experts": ("expert", "at once on {}"),
}


def reasons(losses: Losses) -> str:
    """Why an episode with these losses must not be trained on; empty if it may (FAULTS 26)."""
    return "; ".join(
        f"{count} {noun}{'s' if count != 1 else ''} {words.format(topic)}"
        for kind, (noun, words) in KINDS.items()
        for topic, count in sorted(losses.get(kind, {}).items())
    )


#: A trigger that was silent for so long when a person stopped the episode has died; a shorter silence is a slow rate,
#: and the message that was still on its way.
SILENCE_NS = 500_000_000


#: A message that is stamped so shortly before the start was on its way when the episode began.
ON_ITS_WAY_NS = 1_000_000_000


class SequenceGaps:
    """Counts what is missing between the sequence numbers of one topic's messages.

    A writer counts its messages from 1 on. With several publishers on a topic their numbers cannot be told apart, and
    nothing is counted.

    Args:
        publishers: how many publishers the topic has now; asked only when a number is not the next one.
    """

    def __init__(self, publishers: Callable[[], int]) -> None:
        self._publishers = publishers
        self._newest: int | None = None

    def add(self, number: int) -> int:
        """Take the number of the next message; how many before it never came."""
        newest, self._newest = self._newest, number
        # The first number says nothing: whoever joins late hears nothing of what was before. A smaller one is that of
        # a publisher that was started anew.
        if newest is None or number <= newest + 1:
            return 0
        return number - newest - 1 if self._publishers() <= 1 else 0


class MessageAccounts:
    """The books of one episode after another.

    Args:
        trigger: the topic whose stamps are the ticks.
        fps: its rate, Hz.
        publishers: how many publishers a topic has now.
        superseding: topics of which only the newest message counts; what they lose spoils no episode.
        observed: topics of the contract's observations, none of which an episode can do without.

    Attributes:
        received: topic to messages of the episode.
        unreadable: topic to messages whose bytes are none of its type.
    """

    def __init__(
        self,
        trigger: str,
        fps: float,
        publishers: Callable[[str], int],
        superseding: Iterable[str] = (),
        observed: Iterable[str] = (),
    ) -> None:
        self._trigger, self._fps, self._publishers = trigger, fps, publishers
        self._superseding, self._observed = frozenset(superseding), frozenset(observed)
        self._sequences: dict[str, SequenceGaps] = {}
        self.begin()

    def begin(self) -> None:
        """A new episode: nothing is lost yet. A gap that shows in its first messages counts as its own."""
        self.received: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()
        self._reported: Counter[str] = Counter()
        self.unreadable: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._stray: Counter[str] = Counter()
        self._earliest_ns: dict[str, int] = {}
        self._ends_ns: int | None = None
        self._gaps = StampGaps(self._fps)
        self._ticked_ns: int | None = None
        self._experts: Counter[str] = Counter()

    def number(self, topic: str, sequence: int | None) -> None:
        """A message's number as its publisher counts; None where the middleware does not tell."""
        if sequence is None:
            return
        if topic not in self._sequences:
            self._sequences[topic] = SequenceGaps(lambda: self._publishers(topic))
        lost = self._sequences[topic].add(sequence)
        if lost:
            self._skipped[topic] += lost

    def report_lost(self, topic: str, count: int) -> None:
        """The middleware found messages to be lost. They are the same ones that the numbers show, where it has any."""
        self._reported[topic] += count

    def note_unreadable(self, topic: str) -> None:
        """Such a message came: it is not recorded."""
        self.unreadable[topic] += 1

    def note_experts(self, crowds: Mapping[str, int]) -> None:
        """Topic of the expert to publishers, where there are several now: the labels are then nobody's wish."""
        for topic, count in crowds.items():
            self._experts[topic] = max(count, self._experts[topic])

    def refuse(self, topic: str, early_ns: int) -> None:
        """A message was left out for its stamp: ``early_ns`` before the start; 0 or less when behind the end."""
        if topic in self._superseding or early_ns <= 0:  # what is latched is older, and the robot goes on at the end
            return
        self._refused[topic] += 1
        self._stray[topic] += early_ns > ON_ITS_WAY_NS

    def take(self, topic: str, stamp_ns: int | None, received_ns: int = 0) -> None:
        """A message of the episode.

        Args:
            topic: its topic.
            stamp_ns: when it says that it was made; None where it does not, and then nothing shows a gap before it.
            received_ns: when it arrived, on the clock of :meth:`stop`.
        """
        self.received[topic] += 1
        if stamp_ns is not None:
            self._earliest_ns[topic] = min(stamp_ns, self._earliest_ns.get(topic, stamp_ns))
        if topic == self._trigger:
            self._ticked_ns = received_ns
            if stamp_ns is not None:
                self._gaps.add(stamp_ns)

    def restart(self) -> None:
        """Stamps may jump now: the episode goes on elsewhere."""
        self._gaps.restart()

    def end(self, stamp_ns: int) -> None:
        """The episode ends at this stamp: ticks that should have come before it are missing."""
        self._ends_ns = stamp_ns
        self._gaps.end(stamp_ns)

    def stop(self, now_ns: int) -> None:
        """A person stops the episode: the ticks of a trigger that has fallen silent are missing."""
        silent_ns = 0 if self._ticked_ns is None else now_ns - self._ticked_ns
        if silent_ns > max(SILENCE_NS, 2e9 / self._fps):
            self._gaps.missing += int(silent_ns * 1e-9 * self._fps - 0.5)
        self._gaps.restart()

    @property
    def lost(self) -> dict[str, int]:
        """Topic to messages that were sent and did not arrive."""
        topics = sorted(self._skipped.keys() | self._reported.keys())
        return {topic: max(self._skipped[topic], self._reported[topic]) for topic in topics}

    @property
    def missing(self) -> int:
        """Ticks that did not come."""
        return self._gaps.missing

    @property
    def outside(self) -> dict[str, int]:
        """Topic of an observation, of which no message is stamped within the episode, to messages stamped outside."""
        found = {}
        for topic in sorted(self._observed - self._superseding):
            is_ahead = self._ends_ns is not None and self._earliest_ns.get(topic, 0) > self._ends_ns
            count = self._refused[topic] + (self.received[topic] if is_ahead else 0)
            if count and (is_ahead or not self.received[topic]):
                found[topic] = count
        return found

    @property
    def absent(self) -> dict[str, int]:
        """Topic of an observation of which nothing came to 0: no tick of the episode can be observed without it."""
        explained = self.outside.keys() | self.unreadable.keys()
        return {topic: 0 for topic in sorted(self._observed - explained) if not self.received[topic]}

    @property
    def stray(self) -> dict[str, int]:
        """Topic, of which other messages are recorded, to messages stamped long before the start."""
        return {topic: count for topic, count in self._stray.items() if count and topic not in self.outside}

    def losses(self, late: Mapping[str, int], repeated: Mapping[str, int]) -> dict[str, dict[str, int]]:
        """All of it, without zeros; messages that came late, or twice, are those of a lock-step order."""
        found = {
            "lost": self.lost,
            "missing": {self._trigger: self.missing} if self.missing else {},
            "late": dict(late),
            "repeated": dict(repeated),
            "unreadable": dict(self.unreadable),
            "outside": self.outside,
            "stray": self.stray,
            "absent": self.absent,
            "experts": dict(self._experts),
        }
        superseded: Counter[str] = Counter()
        for kind in ("lost", "late"):
            for topic in self._superseding & found[kind].keys():
                superseded[topic] += found[kind].pop(topic)
        return {kind: counts for kind, counts in (*found.items(), ("superseded", dict(superseded))) if counts}
