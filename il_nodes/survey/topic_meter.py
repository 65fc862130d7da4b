"""Measures one topic while its messages pass by: rate, jitter, losses, stamps, content. Keeps numbers, not messages.

Pure logic: times are arguments. Memory is bounded, however long and however fast a topic is listened to.
"""

from __future__ import annotations

import math
import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from il_nodes.codecs import CODECS, canonical_cdr, header_stamp_ns
from il_nodes.survey.content import Content, Picture, read_content, read_values
from il_nodes.survey.report import ImageFacts, StampFacts, StreamClock, TopicReport, ValueFacts
from models.contract import Source
from models.contract.messages import IMAGE_TYPES
from models.errors import CodecError

__all__ = ["Arrival", "TopicMeter"]

#: Newest intervals, ages and stamps that are kept: 20 s of a 200 Hz sensor, more than anybody asks for.
_KEPT = 4096
#: While two ends find each other a best-effort message may be lost that would not be later.
_SETTLING_NS = 500_000_000
#: Encapsulation (4 bytes) and header stamp (8 bytes), which change although a sensor may be frozen.
_STAMP_END = 12
#: A stamp that is this far from a clock is not that clock's: an hour is a time zone, and no clock skew.
_FOREIGN_S = 3600.0


@dataclass(frozen=True)
class Arrival:
    """When a message came.

    Attributes:
        received_ns: on the wall clock, nanoseconds since 1970.
        monotonic_ns: on this machine's monotonic clock, which some drivers stamp by.
        simulated_ns: what ``/clock`` said last; ``None`` without simulated time.
        sequence: the publisher's own count of its messages; ``None`` if the middleware does not tell.
    """

    received_ns: int
    monotonic_ns: int
    simulated_ns: int | None = None
    sequence: int | None = None


@dataclass
class _Value:
    minimum: float = math.inf
    maximum: float = -math.inf
    last: float = math.nan
    not_finite: int = 0

    def add(self, value: float) -> None:
        if not math.isfinite(value):
            self.not_finite += 1
            return
        self.minimum, self.maximum, self.last = min(self.minimum, value), max(self.maximum, value), value

    def facts(self, name: str) -> ValueFacts:
        if math.isnan(self.last):
            return ValueFacts(name, None, None, None, self.not_finite)
        return ValueFacts(name, self.minimum, self.maximum, self.last, self.not_finite)


@dataclass
class _Stamps:
    """Header stamps, and their distance to each clock that they may be of."""

    newest_ns: deque[int] = field(default_factory=lambda: deque(maxlen=_KEPT))
    ages_s: dict[StreamClock, deque[float]] = field(default_factory=dict)
    zeros: int = 0
    standing: int = 0
    backward: int = 0

    def add(self, stamp_ns: int, at: Arrival) -> None:
        if self.newest_ns:
            self.standing += stamp_ns == self.newest_ns[-1]
            self.backward += stamp_ns < self.newest_ns[-1]
        self.zeros += stamp_ns == 0
        self.newest_ns.append(stamp_ns)
        clocks: dict[StreamClock, int | None] = {
            "wall": at.received_ns,
            "simulated": at.simulated_ns,
            "monotonic": at.monotonic_ns,
        }
        for name, now_ns in clocks.items():
            if now_ns is not None:
                self.ages_s.setdefault(name, deque(maxlen=_KEPT)).append((now_ns - stamp_ns) * 1e-9)

    def facts(self) -> StampFacts | None:
        if not self.newest_ns:
            return None
        medians = {name: float(np.median(ages)) for name, ages in self.ages_s.items()}
        # Simulated time starts at zero: there a stamp of zero may be filled, and only one that stays so is not.
        if self.zeros and (self.standing or "simulated" not in medians):
            clock: StreamClock = "unset"
        else:
            clock = min(medians, key=lambda name: abs(medians[name]))
            if abs(medians[clock]) > _FOREIGN_S:
                clock = "unknown"
        ages = self.ages_s["wall" if clock in ("unset", "unknown") else clock]
        age_p95_s = float(np.percentile(ages, 95))
        steps = np.diff(np.array(self.newest_ns, np.int64))
        period_s = max(0.0, float(np.median(steps)) * 1e-9) if len(steps) else 0.0
        return StampFacts(clock, float(np.median(ages)), age_p95_s, self.standing, self.backward, period_s)


class TopicMeter:
    """What one topic carries.

    Args:
        topic: its name.
        type_name: of its messages.
        sources: what a contract takes from it; without any, everything that a codec can name is looked at.
    """

    def __init__(self, topic: str, type_name: str, sources: Sequence[Source] = ()) -> None:
        self.topic, self.type = topic, type_name
        self._sources = tuple(sources)
        codec = CODECS.get(type_name)
        self._has_header = codec is not None and codec.has_header
        self._readable = codec is not None
        self._count = 0
        self._first_ns = self._last_ns = 0
        self._intervals_s: deque[float] = deque(maxlen=_KEPT)
        self._sizes: deque[int] = deque(maxlen=_KEPT)
        self._sequences: tuple[int, int, int] | None = None
        self._stamps = _Stamps()
        self._picture: Picture | None = None
        self._picture_sizes: set[tuple[int, int]] = set()
        self._values: dict[str, _Value] = {}
        self._content: int | None = None
        self._still_since_ns = self._longest_still_ns = 0
        self._problem = ""

    def add(self, cdr: bytes, at: Arrival) -> None:
        """Take in one message."""
        if self._count:
            self._intervals_s.append(max(0.0, (at.received_ns - self._last_ns) * 1e-9))
        else:
            self._first_ns = at.received_ns
        self._count += 1
        self._last_ns = at.received_ns
        self._sizes.append(len(cdr))
        if at.sequence is not None and at.received_ns - self._first_ns >= _SETTLING_NS:
            first, _, counted = self._sequences or (at.sequence, 0, 0)
            self._sequences = (first, at.sequence, counted + 1)
        if not self._readable:
            return
        try:
            if self._has_header:
                self._stamps.add(header_stamp_ns(cdr), at)
            self._look(read_values(self._sources, cdr) if self._sources else read_content(self.type, cdr))
        except CodecError as error:
            self._problem = self._problem or " ".join(str(error).split())
        self._note_stillness(cdr, at.received_ns)

    def report(self, others: TopicReport) -> TopicReport:
        """``others``, which says who publishes and who listens, with everything that was measured."""
        gaps = np.array(self._intervals_s) if self._intervals_s else np.zeros(1)
        period_s = float(np.median(gaps))
        spread_s = (self._last_ns - self._first_ns) * 1e-9
        return replace(
            others,
            count=self._count,
            rate_hz=(self._count - 1) / spread_s if spread_s > 0.0 else None,
            period_s=period_s,
            jitter_s=float(np.percentile(np.abs(gaps - period_s), 95)),
            longest_gap_s=float(gaps.max()),
            lost=self._lost(len(others.publishers)),
            size_bytes=int(np.median(self._sizes)) if self._sizes else 0,
            stamps=self._stamps.facts(),
            image=self._image(),
            values=tuple(value.facts(name) for name, value in self._values.items()),
            still_s=self._longest_still_ns * 1e-9,
            problem=self._problem,
            stamps_ns=tuple(self._stamps.newest_ns),
        )

    def _look(self, content: Content) -> None:
        if content.picture is not None:
            self._picture = content.picture
            if len(self._picture_sizes) < _KEPT:
                self._picture_sizes.add((content.picture.height, content.picture.width))
        for name, value in zip(content.names, content.values, strict=True):
            self._values.setdefault(name, _Value()).add(value)

    def _note_stillness(self, cdr: bytes, now_ns: int) -> None:
        """By a checksum: what a frozen sensor sends, and one of a robot that stands still."""
        body = cdr if self.type in IMAGE_TYPES else canonical_cdr(cdr, self.type)
        content = zlib.crc32(memoryview(body)[_STAMP_END if self._has_header else 0 :])
        if content != self._content:
            self._content, self._still_since_ns = content, now_ns
        self._longest_still_ns = max(self._longest_still_ns, now_ns - self._still_since_ns)

    def _lost(self, publishers: int) -> int:
        """Numbers that the publisher gave away and that never arrived; several publishers count on their own."""
        if self._sequences is None or publishers != 1:
            return 0
        first, last, counted = self._sequences
        return max(0, last - first + 1 - counted)

    def _image(self) -> ImageFacts | None:
        if self._picture is None:
            return None
        one = self._picture
        return ImageFacts(one.height, one.width, one.encoding, len(self._picture_sizes))
