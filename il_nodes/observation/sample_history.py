"""The recent samples of one topic, by stamp, undecoded until a tick asks for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from il_nodes.codecs import header_stamp_ns
from il_nodes.codecs.interface import Array

__all__ = ["Sample", "SampleHistory"]

#: How long samples are kept for a trigger that stays away, on their own clock. Two seconds are far beyond any latency
#: that a robot may be driven with, and bound what a fast sensor can fill.
HISTORY_NS = 2_000_000_000


class Sample:
    """One message: its stamp, its bytes, and what sources decoded from it so far."""

    __slots__ = ("_values", "cdr", "stamp_ns")

    def __init__(self, stamp_ns: int, cdr: bytes) -> None:
        self.stamp_ns = stamp_ns
        self.cdr = cdr
        self._values: dict[int, Array] = {}

    def value(self, source_number: int, decode: Callable[[bytes], Array]) -> Array:
        """Array for the source of that number, decoded on first use: frames that no tick uses are never decoded."""
        found = self._values.get(source_number)
        if found is None:
            found = self._values[source_number] = decode(self.cdr)
        return found


class SampleHistory:
    """Samples of one topic on one timeline, stamps strictly ascending.

    Args:
        topic: its name.
        by_header: stamps are header stamps; otherwise the times of reception.
    """

    def __init__(self, topic: str, *, by_header: bool) -> None:
        self.topic = topic
        self.by_header = by_header
        self._samples: deque[Sample] = deque()
        #: Reference and used stamp of the last tick that looked here; a sample between the two comes late.
        self._settled: tuple[int, int] | None = None

    def __iter__(self) -> Iterator[Sample]:
        return iter(self._samples)

    @property
    def newest(self) -> Sample | None:
        """Newest sample; None without samples."""
        return self._samples[-1] if self._samples else None

    @property
    def newest_ns(self) -> int | None:
        """Newest stamp; None without samples."""
        return self._samples[-1].stamp_ns if self._samples else None

    def stamp_ns(self, cdr: bytes, receive_ns: int) -> int:
        """Stamp of a message on this history's timeline. Raises CodecError."""
        return header_stamp_ns(cdr) if self.by_header else receive_ns

    def append(self, sample: Sample) -> None:
        """Add a sample newer than all others; forget those too old for any tick."""
        self._samples.append(sample)
        self._forget(sample.stamp_ns - HISTORY_NS)

    def is_late(self, stamp_ns: int) -> bool:
        """Whether a tick that is already out would have used a sample of that stamp."""
        return self._settled is not None and self._settled[1] < stamp_ns <= self._settled[0]

    def newest_until(self, reference_ns: int) -> Sample | None:
        """Newest sample with a stamp of at most ``reference_ns``."""
        return next((sample for sample in reversed(self._samples) if sample.stamp_ns <= reference_ns), None)

    def settle(self, reference_ns: int, used_ns: int) -> None:
        """A tick at ``reference_ns`` used the sample stamped ``used_ns``: older ones are done with."""
        self._settled = (reference_ns, used_ns)
        self._forget(used_ns)

    def clear(self) -> None:
        """Forget everything."""
        self._samples.clear()
        self._settled = None

    def keep(self, first_ns: int, last_ns: int) -> None:
        """Forget all samples but those stamped within ``[first_ns, last_ns]``."""
        self._samples = deque(sample for sample in self._samples if first_ns <= sample.stamp_ns <= last_ns)
        self._settled = None

    def _forget(self, horizon_ns: int) -> None:
        # The newest sample at or before the horizon stays: it is what "hold" holds.
        while len(self._samples) > 1 and self._samples[1].stamp_ns <= horizon_ns:
            self._samples.popleft()
