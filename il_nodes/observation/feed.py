"""What an observation is put together from: the sources with their samples, and the tick they are chosen for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from il_nodes.codecs import decode_raw
from il_nodes.codecs.interface import Array
from il_nodes.observation.sample_history import Sample, SampleHistory
from models.contract import Source
from models.errors import ObservationError

__all__ = ["Feed", "Tick"]


class Feed:
    """One source of one stream, and where its samples are.

    Args:
        number: unique among the feeds of a robot.
        key: the stream's.
        source: what to decode, and how old it may be.
        history: its topic's samples; shared with other feeds of that topic.
        period_s: of the contract.
    """

    def __init__(self, number: int, key: str, source: Source, history: SampleHistory, period_s: float) -> None:
        self.number = number
        self.key = key
        self.source = source
        self.history = history
        self._decode = partial(decode_raw, source=source)
        limits_s = [math.inf if source.max_age_s is None else source.max_age_s]
        if source.align.strategy == "asof":
            limits_s.append(source.align.tolerance_ms / 1000.0)
        self.max_age_ns = min(limits_s) * 1e9
        # "drop" takes a sample of the current window only, which is open at its far end: (tick - period, tick].
        self.window_ns = period_s * 1e9 if source.align.strategy == "drop" else math.inf

    def accepts_age(self, age_ns: int) -> bool:
        """Whether a sample so much older than the tick may be used for it."""
        return age_ns <= self.max_age_ns and age_ns < self.window_ns

    def value(self, sample: Sample) -> Array:
        """Array of a sample. Raises CodecError, or ObservationError for numbers that are not finite."""
        values = sample.value(self.number, self._decode)
        if values.dtype != np.uint8 and not np.isfinite(values).all():
            raise self._not_finite(values, sample.stamp_ns)
        return values

    def _not_finite(self, values: Array, stamp_ns: int) -> ObservationError:
        names = self.source.names if len(self.source.names) == len(values) else tuple(map(str, range(len(values))))
        bad = [
            f"{name} = {value}" for name, value in zip(names, values.tolist(), strict=True) if not math.isfinite(value)
        ]
        return ObservationError(
            f"{self.source.channel.topic}: {self.key} holds values that are not finite at stamp {stamp_ns} ns",
            found=", ".join(bad),
            expected="finite numbers; no observation is made of this tick",
        )


@dataclass(frozen=True, slots=True)
class Tick:
    """A sample of the trigger that an observation will be stamped with, and when it arrived."""

    stamp_ns: int
    arrival_ns: int
    sample: Sample

    def reference_ns(self, history: SampleHistory) -> int:
        """What that history's stamps are compared with: header stamps with each other, arrivals with arrivals."""
        return self.stamp_ns if history.by_header else self.arrival_ns
