"""What became of ticks and samples: for diagnostics, and for whoever must answer every tick."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["ObservationCounts", "Unanswerable"]


@dataclass(frozen=True, slots=True)
class Unanswerable:
    """A tick that gave no observation: its stamp, and in a few words why."""

    stamp_ns: int
    problem: str


@dataclass(slots=True)
class ObservationCounts:
    """What became of samples and ticks so far.

    Attributes:
        emitted: observations.
        decimated: samples of the trigger that the grid of ``fps`` left out.
        warming_up: ticks before every stream had a sample.
        gaps: stream key to ticks it could not serve (outside tolerance or window, or too old).
        refused: ticks whose values were not finite, of another shape, or undecodable.
        late: topic to samples that came after a tick they belonged to. Each may be a difference to the recording.
        out_of_order: topic to samples older than their predecessor; dropped.
        repeated: topic to samples with the stamp of their predecessor; dropped.
        before_episode: topic to samples stamped before the episode; dropped.
    """

    emitted: int = 0
    decimated: int = 0
    warming_up: int = 0
    refused: int = 0
    gaps: Counter[str] = field(default_factory=Counter)
    late: Counter[str] = field(default_factory=Counter)
    out_of_order: Counter[str] = field(default_factory=Counter)
    repeated: Counter[str] = field(default_factory=Counter)
    before_episode: Counter[str] = field(default_factory=Counter)
