"""When a recurrent state may be trusted: what makes it start anew, and how long it then warms up.

A recurrent policy was trained on ticks that follow one another. A state that missed one, that belongs to another
episode or that is no number any more says something about a past that never was, and nobody downstream can see it. So
the state is zeroed, and the policy watches for a few ticks before it drives again (row 15 of the fault table).
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from models.data import FloatArray

__all__ = ["DEFAULT_WARM_UP_TICKS", "DROPPED_AFTER_PERIODS", "Continuity", "is_poisoned"]

DEFAULT_WARM_UP_TICKS = 5
"""A quarter of a second at 20 Hz; a bundle says how many its policy needs."""

DROPPED_AFTER_PERIODS = 1.5
"""Stamps further apart than this have a tick missing between them: half-way between one period and two."""


def is_poisoned(state: FloatArray, limit: float) -> bool:
    """Whether a state holds anything that is not finite, or beyond ``limit`` in magnitude."""
    # One pass; NaN compares false, hence the negation.
    return not bool((np.abs(state) <= limit).all())


class Continuity:
    """Follows the ticks of one policy by their stamps. It holds no state; it says when to zero it.

    Args:
        period_s: of a tick.
        reset_gap_s: the contract's ``memory.reset_gap``.
        warm_up_ticks: ticks after a reset whose proposals must not drive.

    Attributes:
        resets: how often a state that remembered something was given up, by reason: ``asked``, ``episode`` (the
            observation starts a memory), ``backwards`` (or repeated stamp), ``dropped``, ``gap``, ``poisoned``.
        dropped_ticks: ticks that stamps say are missing, those of gaps not included.
        is_warm: whether the newest proposal may drive.
    """

    def __init__(self, period_s: float, reset_gap_s: float, warm_up_ticks: int) -> None:
        self.resets: Counter[str] = Counter()
        self.dropped_ticks = 0
        self._period_ns, self._reset_gap_ns = period_s * 1e9, reset_gap_s * 1e9
        self._warm_up_ticks = warm_up_ticks
        self._last_stamp_ns: int | None = None
        self._start()

    def _start(self) -> None:
        self._last_stamp_ns = None
        self._remaining = self._warm_up_ticks
        self.is_warm = self._remaining == 0

    def forget(self, reason: str) -> None:
        """The state is zeroed, for a reason; counted only if it remembered anything."""
        if self._last_stamp_ns is not None:
            self.resets[reason] += 1
        self._start()

    def interruption(self, stamp_ns: int, *, starts_memory: bool) -> str:
        """Why the tick at ``stamp_ns`` does not follow the one before it; empty when it does. Counts dropped ticks."""
        if self._last_stamp_ns is None:
            return ""
        if starts_memory:
            return "episode"
        elapsed_ns = stamp_ns - self._last_stamp_ns
        if elapsed_ns <= 0:
            return "backwards"
        if elapsed_ns > self._reset_gap_ns:
            return "gap"
        if elapsed_ns > DROPPED_AFTER_PERIODS * self._period_ns:
            self.dropped_ticks += max(1, round(elapsed_ns / self._period_ns) - 1)
            return "dropped"
        return ""

    def stepped(self, stamp_ns: int) -> None:
        """The state has taken in the tick at ``stamp_ns``."""
        self._last_stamp_ns = stamp_ns
        self.is_warm = self._remaining == 0
        self._remaining = max(0, self._remaining - 1)
