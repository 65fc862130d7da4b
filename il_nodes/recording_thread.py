"""Writes episodes to disk beside the callbacks, so that a slow or full disk never holds up a message (FAULTS 25)."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from il_nodes.recording_order import Stamped
from models.errors import RecordingError

__all__ = ["DISCARDED", "BagSink", "RecordingEvent", "RecordingThread"]

#: Outcome of an episode that nobody wants to keep.
DISCARDED = "discarded"


class BagSink(Protocol):
    """What is needed of :class:`il_nodes.bag.BagWriter`."""

    def write(self, topic: str, log_time_ns: int, cdr: bytes) -> None:
        """Append one message. Raises RecordingError, for instance when the disk is full."""

    def close(self, outcome: str, quarantine: str = "") -> object:
        """Make the episode durable under its final name. Raises RecordingError."""

    def abort(self) -> None:
        """Stop; what was written stays, marked as partial."""

    def discard(self) -> None:
        """Stop, and delete what was written."""


@dataclass(frozen=True)
class RecordingEvent:
    """Something that happened to an episode.

    Attributes:
        kind: ``opened``, ``closed`` as asked, or ``failed``: refused, or closed early with what was written.
        episode_id: the episode.
        message: for people.
        end_ns: the stamp that :meth:`RecordingThread.close` was given; 0 otherwise.
    """

    kind: Literal["opened", "closed", "failed"]
    episode_id: str
    message: str
    end_ns: int = 0


@dataclass(frozen=True)
class _Open:
    episode_id: str


@dataclass(frozen=True)
class _Close:
    outcome: str
    end_ns: int
    quarantine: str


class RecordingThread:
    """One thread that opens, writes and closes bags in the order in which it was told to.

    Args:
        open_bag: makes the bag of an episode. Raises RecordingError to refuse it.
        on_event: called from the thread whenever :meth:`take_events` has something new.
        capacity: messages that may wait for the disk. At 20 Hz with three small cameras, 2,000 last ten seconds.
    """

    def __init__(
        self, open_bag: Callable[[str], BagSink], on_event: Callable[[], object], capacity: int = 2000
    ) -> None:
        self._open_bag = open_bag
        self._on_event = on_event
        # Unbounded, because opening and closing must never be refused; the semaphore counts the room for messages.
        self._room = threading.Semaphore(capacity)
        self._tasks: queue.SimpleQueue[_Open | _Close | Stamped | None] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[RecordingEvent] = queue.SimpleQueue()
        self._bag: BagSink | None = None
        self._episode_id = ""
        self.written: Counter[str] = Counter()
        #: Topic → messages of the current episode that found no room.
        self.dropped: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Tasks that are not done yet."""
        return self._tasks.qsize()

    @property
    def is_open(self) -> bool:
        """Whether a bag is open now."""
        return self._bag is not None

    def open(self, episode_id: str) -> None:
        """Begin an episode after everything that was asked for before."""
        self._tasks.put(_Open(episode_id))

    def write(self, message: Stamped, *, wait: bool = False) -> None:
        """Write a message; when the disk cannot keep up, ``wait`` for it, or drop the message and count it."""
        if self._room.acquire(blocking=wait):
            self._tasks.put(message)
        else:
            self.dropped[message.topic] += 1

    def close(self, outcome: str, end_ns: int = 0, quarantine: str = "") -> None:
        """End the episode after everything that was asked for before.

        Args:
            outcome: how it ended; ``DISCARDED`` deletes it.
            end_ns: comes back in the event.
            quarantine: why it must not be trained on; empty if it may.
        """
        dropped, self.dropped = self.dropped.total(), Counter()
        if dropped:
            quarantine = "; ".join(filter(None, (quarantine, f"{dropped} messages dropped, the disk is too slow")))
        self._tasks.put(_Close(outcome, end_ns, quarantine))

    def take_events(self) -> list[RecordingEvent]:
        """What happened since the last call."""
        events = []
        while not self._events.empty():
            events.append(self._events.get())
        return events

    def stop(self, timeout_s: float) -> bool:
        """Finish what was asked for, then end the thread; whether it ended in time."""
        self._tasks.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # -- in the thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                if isinstance(task, Stamped):
                    self._write(task)
                elif isinstance(task, _Open):
                    self._open(task.episode_id)
                else:
                    self._close(task)
            except Exception as error:
                # A folder that was deleted, a disk that was unplugged, a defect: one episode is lost and said to be. A
                # thread that died of it would record nothing from then on, and in lock-step stop the run for good.
                bag, self._bag = self._bag, None
                if bag is not None:
                    with contextlib.suppress(Exception):  # what failed once may fail again
                        bag.abort()
                end_ns = task.end_ns if isinstance(task, _Close) else 0
                self._report("failed", f"recording {self._name} failed: {type(error).__name__}: {error}", end_ns)
            finally:
                if isinstance(task, Stamped):
                    self._room.release()

    @property
    def _name(self) -> str:
        """The episode's id as it may stand in a log: it came over the wire."""
        return self._episode_id if self._episode_id.isprintable() else repr(self._episode_id)

    def _open(self, episode_id: str) -> None:
        self._episode_id = episode_id
        self.written = Counter()
        try:
            self._bag = self._open_bag(episode_id)
        except RecordingError as error:
            self._report("failed", f"episode {self._name} is not recorded: {error}")
            return
        self._report("opened", f"recording {self._name}")

    def _write(self, message: Stamped) -> None:
        if self._bag is None:
            return
        try:
            self._bag.write(message.topic, message.log_time_ns, message.cdr)
            self.written[message.topic] += 1
        except RecordingError as error:
            bag, self._bag = self._bag, None
            bag.abort()
            self._report("failed", f"episode {self._name} was closed early: {error}")

    def _close(self, task: _Close) -> None:
        bag, self._bag = self._bag, None
        if bag is None:
            # Refused, or closed early: whoever waits for the end must still hear of it.
            self._report("closed", f"nothing left to close of {self._name}", task.end_ns)
            return
        if task.outcome == DISCARDED:
            bag.discard()
            self._report("closed", f"discarded {self._name}", task.end_ns)
            return
        try:
            bag.close(task.outcome, task.quarantine)
        except RecordingError as error:
            self._report("failed", f"episode {self._name} could not be closed: {error}", task.end_ns)
            return
        count = sum(self.written.values())
        self._report("closed", f"recorded {self._name}: {count} messages, {task.outcome}", task.end_ns)

    def _report(self, kind: Literal["opened", "closed", "failed"], message: str, end_ns: int = 0) -> None:
        self._events.put(RecordingEvent(kind, self._episode_id, message, end_ns))
        self._on_event()
