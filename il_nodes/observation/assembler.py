"""From messages to observations: the one path that live nodes and recordings share.

A tick is a sample of the trigger stream. For every other source it takes the newest sample stamped at or before the
tick, and is emitted once nothing earlier can still come. Time is an argument everywhere, so the same messages at the
same times give the same observations, live or out of a bag.
"""

from __future__ import annotations

import copy
import itertools
import math
import struct
from collections import deque
from collections.abc import Iterator

import numpy as np

from il_nodes.codecs import CdrCursor, codec_for
from il_nodes.codecs.interface import Array
from il_nodes.observation.counts import ObservationCounts, Unanswerable
from il_nodes.observation.feed import Feed, Tick
from il_nodes.observation.sample_history import Sample, SampleHistory
from models.contract import Contract, Source, Stream
from models.data import Observation
from models.errors import CodecError, ObservationError

__all__ = ["ObservationAssembler", "ObservationCounts", "Unanswerable"]

_BEGINNING_OF_TIME_NS = -(2**63)
_END_OF_TIME_NS = 2**63 - 1
#: Ticks without an observation that are remembered for whoever asks; older ones are nobody's any more.
_UNANSWERABLE = 64


class ObservationAssembler:
    """Aligns, decodes and stacks; pure Python, one instance a robot, one thread.

    ``add`` and ``poll`` return at most one observation, the oldest that is complete; after anything that may have
    completed several, call ``poll`` until it returns None. An error raised by either concerns one tick, which is
    skipped and counted; go on calling.

    Memory is the last ``frames`` observations spaced by ``stride``, padded by repeating the first one after a reset. It
    is reset by :meth:`start_episode`, by a trigger stamp that goes backward, and by more than ``reset_gap_s`` between
    two observations.

    Args:
        contract: streams, rate, memory.
        settle_s: how long after the trigger's arrival a tick waits for samples that may belong to it.
    """

    def __init__(self, contract: Contract, settle_s: float = 0.005) -> None:
        self._fps = contract.fps
        self._frames, self._stride = contract.memory.frames, contract.memory.stride
        self._settle_ns = round(settle_s * 1e9)
        self._reset_gap_ns = round(contract.memory.reset_gap_s * 1e9)
        self._histories: dict[tuple[str, bool], SampleHistory] = {}
        self._feeds: dict[str, list[Feed]] = {}
        self._numbers = itertools.count()
        for stream in contract.observations:
            self._feeds[stream.key] = [self._make_feed(stream, source, contract) for source in stream.sources]
        self._trigger = self._feeds[contract.trigger][0].history
        self._by_topic: dict[str, list[SampleHistory]] = {}
        for history in self._histories.values():
            self._by_topic.setdefault(history.topic, []).append(history)
        #: A tick is complete when all of these have passed it. Times of reception pass it by themselves.
        self._awaited = [h for h in self._histories.values() if h.by_header and h is not self._trigger]
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._counts = ObservationCounts()
        self._pending: deque[Tick] = deque()
        self._ready: deque[Observation | ObservationError | CodecError | Unanswerable] = deque()
        self._unanswerable: deque[Unanswerable] = deque(maxlen=_UNANSWERABLE)
        self._stack: deque[dict[str, Array]] = deque(maxlen=(self._frames - 1) * self._stride + 1)
        self._episode_id, self._episode_ns = "", _BEGINNING_OF_TIME_NS
        self._reset()

    def _make_feed(self, stream: Stream, source: Source, contract: Contract) -> Feed:
        by_header = source.align.timeline == "header" and codec_for(source.channel.type).has_header
        key = (source.channel.topic, by_header)
        history = self._histories.setdefault(key, SampleHistory(source.channel.topic, by_header=by_header))
        return Feed(next(self._numbers), stream.key, source, history, contract.period_s)

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that :meth:`add` wants, in the contract's order."""
        return tuple(self._by_topic)

    @property
    def late(self) -> dict[str, int]:
        """Topic to samples that came after a tick they belonged to."""
        return dict(self._counts.late)

    def counts(self) -> ObservationCounts:
        """Snapshot of all counters since construction."""
        return copy.deepcopy(self._counts)

    def age_s(self, key: str, now_ns: int) -> float:
        """Seconds since the newest sample of a stream, by its own timeline; ``inf`` before the first.

        For a stream of several sources the oldest counts.

        Args:
            key: the stream's key.
            now_ns: time on the clock of the stamps (header or reception).
        """
        newest = [feed.history.newest_ns for feed in self._feeds[key]]
        return max(math.inf if stamp is None else (now_ns - stamp) * 1e-9 for stamp in newest)

    def frame_id(self, key: str) -> str:
        """Coordinate frame that the newest sample of a stream names; empty without a header or a sample.

        A name is for people: what is no UTF-8 in it is replaced, and one that cannot be read at all is empty.
        """
        source, history = self._feeds[key][0].source, self._feeds[key][0].history
        newest = history.newest
        if newest is None or not codec_for(source.channel.type).has_header:
            return ""
        try:
            cursor = CdrCursor(newest.cdr)
            cursor.skip_time()
            return cursor.string(errors="replace")
        except (CodecError, struct.error, ValueError):
            return ""

    def start_episode(self, episode_id: str, stamp_ns: int) -> None:
        """Begin an episode: memory and grid start anew, samples stamped before ``stamp_ns`` are ignored from now on.

        Samples of the new episode that overtook this call are kept. Should the stamp lie before everything known, the
        clock went back, and nothing is kept. The same episode at the same stamp again, as a latched topic may deliver
        it, changes nothing.
        """
        if (episode_id, stamp_ns) == (self._episode_id, self._episode_ns):
            return
        newest = self._trigger.newest_ns
        went_back = stamp_ns <= self._episode_ns or (newest is not None and newest - stamp_ns > self._reset_gap_ns)
        overtaking = [] if went_back else [tick for tick in self._pending if tick.stamp_ns >= stamp_ns]
        for history in self._histories.values():
            if went_back:
                history.clear()
            elif history.by_header:
                history.keep(stamp_ns, _END_OF_TIME_NS)
        self._pending.clear()
        self._ready.clear()
        self._unanswerable.clear()
        self._reset()
        self._episode_id, self._episode_ns = episode_id, stamp_ns
        for tick in overtaking:
            self._consider(tick)

    def add(self, topic: str, cdr: bytes, receive_ns: int) -> Observation | None:
        """Take one message; perhaps emit an observation.

        Args:
            topic: one of :attr:`topics`.
            cdr: the message's bytes as received; kept as long as a tick may need them.
            receive_ns: when it was received, on any clock that ``poll`` uses too.

        Raises:
            KeyError: a topic that is not wanted.
            CodecError: the message cannot be decoded. The tick that needed it is skipped.
            ObservationError: a value is not finite, or an array changed its shape. The tick is skipped.
        """
        histories = self._by_topic[topic]
        # What arrives when a tick's time is up does not count for it, whether or not somebody polled in between:
        # otherwise a recording, which is not polled, would give other observations.
        while self._pending and receive_ns - self._pending[0].arrival_ns >= self._settle_ns:
            self._resolve(self._pending.popleft())
        for history in histories:
            stamp_ns = history.stamp_ns(cdr, receive_ns)
            if history.by_header and stamp_ns < self._episode_ns:
                self._counts.before_episode[topic] += 1
            else:
                self._accept(history, Sample(stamp_ns, cdr), receive_ns)
        return self.poll(receive_ns)

    def poll(self, receive_ns: int) -> Observation | None:
        """Emit the oldest tick that is complete, or whose settle time ran out. Raises like :meth:`add`."""
        while self._pending and self._is_complete(self._pending[0], receive_ns):
            self._resolve(self._pending.popleft())
        while self._ready:
            oldest = self._ready.popleft()
            if isinstance(oldest, Observation):
                return oldest
            if not isinstance(oldest, Unanswerable):
                raise oldest
            self._unanswerable.append(oldest)
        return None

    def take_unanswerable(self) -> tuple[Unanswerable, ...]:
        """Ticks without an observation: warming up, gaps, refused values. Each is told once, oldest first.

        Those told after an :meth:`add` or :meth:`poll` come before the observation that it returned.
        """
        taken = tuple(self._unanswerable)
        self._unanswerable.clear()
        return taken

    def finish(self) -> Iterator[Observation | ObservationError | CodecError]:
        """Everything still waiting, errors included as values: for the end of a recording, when nothing more comes."""
        while self._pending:
            self._resolve(self._pending.popleft())
        while self._ready:
            oldest = self._ready.popleft()
            if not isinstance(oldest, Unanswerable):
                yield oldest

    def _accept(self, history: SampleHistory, sample: Sample, receive_ns: int) -> None:
        newest = history.newest_ns
        if newest is not None and sample.stamp_ns <= newest:
            if sample.stamp_ns == newest:
                self._counts.repeated[history.topic] += 1
                return
            if history is not self._trigger and newest - sample.stamp_ns <= self._reset_gap_ns:
                self._counts.out_of_order[history.topic] += 1
                return
            self._go_back(history, sample.stamp_ns)
        if history.is_late(sample.stamp_ns):
            self._counts.late[history.topic] += 1
        history.append(sample)
        if history is self._trigger:
            self._consider(Tick(sample.stamp_ns, receive_ns, sample))

    def _go_back(self, history: SampleHistory, stamp_ns: int) -> None:
        """A clock was set back: finish what belongs to the old time, then forget it."""
        while self._pending:
            self._resolve(self._pending.popleft())
        history.clear()
        if history is self._trigger:
            for other in self._awaited:
                # What already arrived on the new time may be a little ahead of the trigger.
                other.keep(_BEGINNING_OF_TIME_NS, stamp_ns + self._reset_gap_ns)
            self._reset()

    def _reset(self) -> None:
        self._stack.clear()
        self._grid_origin_ns: int | None = None
        self._grid_index = 0
        self._last_emitted_ns: int | None = None

    def _consider(self, tick: Tick) -> None:
        """Make a sample of the trigger a tick unless its place on the grid of ``fps`` is taken."""
        if self._grid_origin_ns is None:
            self._grid_origin_ns, self._grid_index = tick.stamp_ns, 0
        else:
            index = math.floor((tick.stamp_ns - self._grid_origin_ns) * 1e-9 * self._fps + 0.5)
            if index <= self._grid_index:
                self._counts.decimated += 1
                return
            self._grid_index = index
        self._pending.append(tick)

    def _is_complete(self, tick: Tick, receive_ns: int) -> bool:
        if receive_ns - tick.arrival_ns >= self._settle_ns:
            return True
        return all(h.newest_ns is not None and h.newest_ns >= tick.stamp_ns for h in self._awaited)

    def _resolve(self, tick: Tick) -> None:
        chosen = self._choose(tick)
        if chosen is None:
            return
        try:
            frame = {key: self._value(key, chosen) for key in self._feeds}
        except (ObservationError, CodecError) as error:
            self._counts.refused += 1
            self._ready.append(Unanswerable(tick.stamp_ns, error.problem))
            self._ready.append(error)
            return
        if self._last_emitted_ns is not None and tick.stamp_ns - self._last_emitted_ns > self._reset_gap_ns:
            self._stack.clear()
        starts_memory = not self._stack
        self._stack.append(frame)
        self._last_emitted_ns = tick.stamp_ns
        self._counts.emitted += 1
        self._ready.append(
            Observation(
                stamp_ns=tick.stamp_ns,
                arrays={key: self._stacked(key) for key in frame},
                source_stamps_ns={
                    key: min(chosen[feed.number].stamp_ns for feed in feeds) for key, feeds in self._feeds.items()
                },
                episode_id=self._episode_id,
                starts_memory=starts_memory,
            )
        )

    def _choose(self, tick: Tick) -> dict[int, Sample] | None:
        """Feed number to its sample for this tick; None, counted, when one has none or an unacceptable one."""
        chosen: dict[int, Sample] = {}
        gap = ""
        for feeds in self._feeds.values():
            for feed in feeds:
                history, reference_ns = feed.history, tick.reference_ns(feed.history)
                sample = tick.sample if history is self._trigger else history.newest_until(reference_ns)
                if sample is None:
                    self._counts.warming_up += 1
                    self._ready.append(Unanswerable(tick.stamp_ns, f"{feed.key}: nothing received yet"))
                    return None
                history.settle(reference_ns, sample.stamp_ns)
                if not feed.accepts_age(reference_ns - sample.stamp_ns):
                    gap = gap or feed.key
                chosen[feed.number] = sample
        if gap:
            self._counts.gaps[gap] += 1
            self._ready.append(Unanswerable(tick.stamp_ns, f"{gap}: no sample that is young enough"))
            return None
        return chosen

    def _value(self, key: str, chosen: dict[int, Sample]) -> Array:
        """Array of one stream at this tick, its sources concatenated, checked."""
        parts = [feed.value(chosen[feed.number]) for feed in self._feeds[key]]
        value = parts[0] if len(parts) == 1 else np.concatenate(parts)
        shape = self._shapes.setdefault(key, value.shape)
        if value.shape != shape:
            raise ObservationError(
                f"{self._feeds[key][0].source.channel.topic}: {key} changed its shape",
                found=str(value.shape),
                expected=f"{shape}, as before",
            )
        return value

    def _stacked(self, key: str) -> Array:
        """New contiguous ``(frames, …)``, oldest first; before the first frame since the reset stands the first."""
        newest = len(self._stack) - 1
        value = self._stack[newest][key]
        stacked = np.empty((self._frames, *value.shape), value.dtype)
        for back in range(self._frames):
            stacked[self._frames - 1 - back] = self._stack[max(newest - back * self._stride, 0)][key]
        return stacked
