"""Writes episodes to disk beside the callbacks, so that a slow or full disk never holds up a message (FAULTS 25)."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from il_nodes.bags.files import Losses, mark_recording
from il_nodes.recorder.message_accounts import reasons
from il_nodes.recorder.ordering import Stamped
from models.errors import RecordingError

__all__ = ["DISCARDED", "BagSink", "RecordingEvent", "RecordingThread"]

#: Outcome of an episode that nobody wants to keep.
DISCARDED = "discarded"

EventKind = Literal["opened", "closed", "discarded", "nothing", "failed", "marked", "unmarked"]


class BagSink(Protocol):
    """What is needed of :class:`il_nodes.bags.BagWriter`."""

    def write(self, topic: str, log_time_ns: int, cdr: bytes) -> None:
        """Append one message. Raises RecordingError, for instance when the disk is full."""

    def flush(self) -> None:
        """Hand everything written so far to the disk. Raises RecordingError."""

    def close(self, outcome: str, quarantine: str = "", losses: Losses | None = None) -> Path:
        """Make the episode durable under its final name. Raises RecordingError."""

    def abort(self) -> None:
        """Stop; what was written stays, marked as partial."""

    def discard(self) -> None:
        """Stop, and delete what was written."""


@dataclass(frozen=True)
class RecordingEvent:
    """Something that happened to an episode.

    Attributes:
        kind: ``opened``, ``closed`` under its name, ``discarded`` as asked, or ``failed``: refused, or closed early
            with what was written. Closing what has failed is answered by ``nothing``, and every
            :meth:`RecordingThread.mark` by ``marked`` or ``unmarked``.
        episode_id: the episode.
        message: for people.
        end_ns: the stamp that :meth:`RecordingThread.close` was given; 0 otherwise.
    """

    kind: EventKind
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
    losses: Losses


@dataclass(frozen=True)
class _Mark:
    episode_id: str
    outcome: str


@dataclass(frozen=True)
class _Flush:
    """Nothing came for a while."""


_Task = _Open | _Close | _Mark | _Flush | Stamped


class _Room:
    """How many messages, and how many bytes of them, may wait for the disk."""

    def __init__(self, messages: int, size: int) -> None:
        self._messages, self._bytes = messages, size
        self._used_messages = self._used_bytes = 0
        self._changed = threading.Condition()

    def _has(self, size: int) -> bool:
        # A message larger than all the room there is passes when nothing else waits: it must not wait for ever.
        fits = self._used_bytes + size <= self._bytes or not self._used_messages
        return fits and self._used_messages < self._messages

    def take(self, size: int, *, wait: bool) -> bool:
        """Take room for one message; whether there was some."""
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._has(size))
            elif not self._has(size):
                return False
            self._used_messages += 1
            self._used_bytes += size
            return True

    def give_back(self, size: int) -> None:
        """One message is on its way to the disk."""
        with self._changed:
            self._used_messages -= 1
            self._used_bytes -= size
            self._changed.notify_all()


class RecordingThread:
    """One thread that opens, writes, closes and marks bags in the order in which it was told to.

    Args:
        open_bag: makes the bag of an episode. Raises RecordingError to refuse it.
        on_event: called from the thread whenever :meth:`take_events` has something new.
        capacity: messages that may wait for the disk. At 20 Hz with three small cameras, 2,000 last ten seconds.
        capacity_bytes: and how much they may hold. At 50 MB/s, 256 MB last five seconds.
        flush_s: what has waited in memory for so long goes to the disk, whatever the log time; None leaves it to the
            log time of later messages, so that equal messages give equal bytes.
    """

    def __init__(
        self,
        open_bag: Callable[[str], BagSink],
        on_event: Callable[[], object],
        capacity: int = 2000,
        capacity_bytes: int = 256_000_000,
        flush_s: float | None = None,
    ) -> None:
        self._open_bag = open_bag
        self._on_event = on_event
        self._flush_s = flush_s
        # Unbounded, because opening and closing must never be refused; only messages need room.
        self._room = _Room(capacity, capacity_bytes)
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[RecordingEvent] = queue.SimpleQueue()
        self._bag: BagSink | None = None
        self._episode_id = ""
        self._closed: tuple[str, Path] | None = None
        self._has_unflushed = False
        self._unflushed_since_s = 0.0
        self.written: Counter[str] = Counter()
        #: Topic → messages of the current episode that found no room.
        self.dropped: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Tasks that are not done yet."""
        return self._tasks.qsize()

    def open(self, episode_id: str) -> None:
        """Begin an episode after everything that was asked for before."""
        self._tasks.put(_Open(episode_id))

    def write(self, message: Stamped, *, wait: bool = False) -> None:
        """Write a message; when the disk cannot keep up, ``wait`` for it, or drop the message and count it."""
        if self._room.take(len(message.cdr), wait=wait):
            self._tasks.put(message)
        else:
            self.dropped[message.topic] += 1

    def close(self, outcome: str, end_ns: int = 0, losses: Losses | None = None) -> None:
        """End the episode after everything that was asked for before.

        Args:
            outcome: how it ended; ``DISCARDED`` deletes it.
            end_ns: comes back in the event.
            losses: what is known to be missing; what was dropped here is added to it.
        """
        dropped, self.dropped = dict(self.dropped), Counter()
        whole = {**(losses or {}), **({"dropped": dropped} if dropped else {})}
        self._tasks.put(_Close(outcome, end_ns, whole))

    def mark(self, episode_id: str, outcome: str) -> None:
        """Change how the episode that was closed last ended, after everything that was asked for before."""
        self._tasks.put(_Mark(episode_id, outcome))

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
        while True:
            task: _Task | None
            try:
                task = self._tasks.get(timeout=self._flush_s if self._has_unflushed else None)
            except queue.Empty:
                task = _Flush()
            if task is None:
                return
            try:
                self._do(task)
            except Exception as error:
                if isinstance(task, _Mark):  # of an episode that is closed: nothing of another one is given up
                    self._report("unmarked", f"{task.episode_id} cannot be marked: {type(error).__name__}: {error}")
                    continue
                self._give_up(error, task.end_ns if isinstance(task, _Close) else 0)
            finally:
                if isinstance(task, Stamped):
                    self._room.give_back(len(task.cdr))

    def _do(self, task: _Task) -> None:
        if isinstance(task, Stamped):
            self._write(task)
        elif isinstance(task, _Open):
            self._open(task.episode_id)
        elif isinstance(task, _Close):
            self._close(task)
        elif isinstance(task, _Mark):
            self._mark(task)
        else:
            self._flush()

    def _give_up(self, error: Exception, end_ns: int) -> None:
        """A folder that was deleted, a disk that was unplugged, a defect: one episode is lost and said to be.

        A thread that died of it would record nothing from then on, and in lock-step stop the run for good.
        """
        bag, self._bag = self._bag, None
        if bag is not None:
            with contextlib.suppress(Exception):  # what failed once may fail again
                bag.abort()
        if isinstance(error, RecordingError):
            self._report("failed", f"episode {self._name} was closed early: {error}", end_ns)
        else:
            self._report("failed", f"recording {self._name} failed: {type(error).__name__}: {error}", end_ns)

    @property
    def _name(self) -> str:
        """The episode's id as it may stand in a log: it came over the wire."""
        return self._episode_id if self._episode_id.isprintable() else repr(self._episode_id)

    def _open(self, episode_id: str) -> None:
        self._episode_id, self._closed = episode_id, None
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
        self._bag.write(message.topic, message.log_time_ns, message.cdr)
        self.written[message.topic] += 1
        if self._flush_s is None:
            return
        now_s = time.monotonic()
        if not self._has_unflushed:
            self._has_unflushed, self._unflushed_since_s = True, now_s
        elif now_s - self._unflushed_since_s >= self._flush_s:
            self._flush()  # log time may run slowly, or stand, while messages go on coming

    def _flush(self) -> None:
        self._has_unflushed = False
        if self._bag is not None:
            self._bag.flush()

    def _close(self, task: _Close) -> None:
        bag, self._bag = self._bag, None
        self._has_unflushed = False
        if bag is None:
            # Refused, or closed early: whoever waits for the end must still hear of it.
            self._report("nothing", f"nothing left to close of {self._name}", task.end_ns)
            return
        if task.outcome == DISCARDED:
            bag.discard()
            self._report("discarded", f"discarded {self._name}", task.end_ns)
            return
        quarantine = reasons(task.losses)
        try:
            self._closed = self._episode_id, bag.close(task.outcome, quarantine, task.losses)
        except RecordingError as error:
            bag.abort()
            self._report("failed", f"episode {self._name} could not be closed: {error}", task.end_ns)
            return
        words = f"{sum(self.written.values())} messages, {task.outcome}"
        words += f"; not for training: {quarantine}" if quarantine else ""
        self._report("closed", f"recorded {self._name}: {words}", task.end_ns)

    def _mark(self, task: _Mark) -> None:
        if self._closed is None or self._closed[0] != task.episode_id:
            self._report("unmarked", f"{task.episode_id} was not recorded whole, so it cannot be marked")
            return
        try:
            before = mark_recording(self._closed[1], task.outcome)
        except RecordingError as error:
            self._report("unmarked", str(error))
            return
        self._report("marked", f"{task.episode_id}: {task.outcome} (was {before})")

    def _report(self, kind: EventKind, message: str, end_ns: int = 0) -> None:
        self._events.put(RecordingEvent(kind, self._episode_id, message, end_ns))
        self._on_event()
