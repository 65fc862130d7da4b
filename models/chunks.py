"""What becomes of a policy's action chunks: the newest one by age, or all that overlap averaged. Plain numpy.

A chunk says what to do now and in the ticks that follow. *Receding horizon*: the newest chunk counts alone, and where
it is late, from the row that is meant for now. *Temporal ensembling*: every chunk that covers a tick has a say in it.
Ages come from stamps, so a tick that was dropped or late shifts nothing.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from models.data import FloatArray, Proposal

__all__ = ["DEFAULT_DECAY", "DEFAULT_LIMIT", "TemporalEnsemble", "age_in_ticks", "rows_from"]

DEFAULT_DECAY = 0.01
"""ACT's ``m``: the oldest of 100 chunks weighs 2.7 times as much as the newest, so that the motion stays smooth."""

DEFAULT_LIMIT = 100
"""Chunks remembered at most, ACT's chunk length. Those whose last row has passed are forgotten before that."""


def age_in_ticks(stamp_ns: int, now_ns: int, period_ns: int) -> int:
    """Whole ticks from ``stamp_ns`` to ``now_ns``, rounded to the nearest, halves up; negative for the future."""
    return (2 * (now_ns - stamp_ns) + period_ns) // (2 * period_ns)


def rows_from(proposal: Proposal, now_ns: int, period_s: float) -> FloatArray:
    """Receding horizon: the rows of one chunk that are meant for ``now_ns`` and later, ``(0 to chunk, dims)``.

    Args:
        proposal: the newest.
        now_ns: on the clock of its stamp; before the stamp, the first row is the one to take.
        period_s: of a tick.
    """
    age = age_in_ticks(proposal.stamp_ns, now_ns, _nanoseconds(period_s))
    return proposal.actions[max(age, 0) :]


class TemporalEnsemble:
    """Averages the chunks that overlap: ACT's temporal ensembling.

    Zhao et al. 2023, "Learning Fine-Grained Bimanual Manipulation with Low-Cost Hardware", arXiv:2304.13705, section
    IV-A: the action for a tick is ``sum(w_i a_i) / sum(w_i)`` with ``w_i = exp(-m i)`` over all chunks that cover that
    tick, ``i = 0`` being the oldest of them.

    A proposal that holds NaN or infinity is handed back as it is, so that the gate refuses it; neither is it
    remembered, nor may older chunks paper over it.

    Args:
        period_s: of a tick.
        decay: ``m``; 0 weighs all chunks alike, a larger one trusts the older ones more.
        limit: chunks remembered at most.
    """

    def __init__(self, period_s: float, decay: float = DEFAULT_DECAY, limit: int = DEFAULT_LIMIT) -> None:
        if not 0.0 < period_s < np.inf or not 0.0 <= decay < np.inf or limit < 1:
            raise ValueError(f"no ensemble has {period_s=}, {decay=} and {limit=}")
        self._period_ns = _nanoseconds(period_s)
        self._decay = decay
        self._chunks: deque[Proposal] = deque(maxlen=limit)

    def __len__(self) -> int:
        """Chunks that are remembered."""
        return len(self._chunks)

    def reset(self) -> None:
        """Forget every chunk: another episode, another policy, or somebody else has driven."""
        self._chunks.clear()

    def add(self, proposal: Proposal) -> Proposal:
        """The newest proposal with what the chunks before it say about the same ticks.

        Returns:
            Row ``j`` is the ensembled action for ``j`` ticks after ``proposal.stamp_ns``, for every tick that at least
            one chunk covers; stamp, names and unsafe probability are the newest's. A stamp that goes backwards or
            other action dimensions start the ensemble anew; a stamp that repeats replaces the chunk it repeats.
        """
        if not np.isfinite(proposal.actions).all():
            return proposal
        self._forget(proposal)
        self._chunks.append(proposal)
        return Proposal(proposal.stamp_ns, self._average(), proposal.unsafe_probability, proposal.names)

    def _forget(self, newest: Proposal) -> None:
        """Drop what does not belong with the newest, and what lies behind it altogether."""
        if self._chunks:
            last = self._chunks[-1]
            dims = last.actions.shape[1:] == newest.actions.shape[1:]
            if newest.stamp_ns < last.stamp_ns or newest.names != last.names or not dims:
                self.reset()
            elif newest.stamp_ns == last.stamp_ns:
                self._chunks.pop()
        kept = [chunk for chunk in self._chunks if self._age(chunk, newest) < len(chunk.actions)]
        if len(kept) < len(self._chunks):
            self._chunks.clear()
            self._chunks.extend(kept)

    def _age(self, chunk: Proposal, newest: Proposal) -> int:
        return age_in_ticks(chunk.stamp_ns, newest.stamp_ns, self._period_ns)

    def _average(self) -> FloatArray:
        newest = self._chunks[-1]
        if len(self._chunks) == 1:
            return newest.actions
        ages = [self._age(chunk, newest) for chunk in self._chunks]
        rows = max(len(chunk.actions) - age for chunk, age in zip(self._chunks, ages, strict=True))
        # Sums in float64, so that an average of values within limits is within limits after rounding as well.
        total = np.zeros((rows, newest.actions.shape[1]))
        weights = np.zeros(rows)
        older = np.zeros(rows)
        for chunk, age in zip(self._chunks, ages, strict=True):
            covered = len(chunk.actions) - age
            weight = np.exp(-self._decay * older[:covered])
            total[:covered] += weight[:, None] * chunk.actions[age:]
            weights[:covered] += weight
            older[:covered] += 1.0
        average: FloatArray = (total / weights[:, None]).astype(np.float32)
        return average


def _nanoseconds(period_s: float) -> int:
    return max(1, round(period_s * 1e9))
