"""Which samples of the trigger stream are ticks: the same ones as for the observation assembler, by stamps alone."""

from __future__ import annotations

import math

__all__ = ["TriggerTicks"]

_BEGINNING_OF_TIME_NS = -(2**63)


class TriggerTicks:
    """The assembler's grid of ``fps``, without its streams: for whoever answers ticks and looks at no image.

    Args:
        fps: ticks a second; a faster trigger is thinned out.

    Attributes:
        decimated: samples that the grid left out.
        repeated: samples with the stamp of their predecessor.
        before_episode: samples stamped before the episode.
    """

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._begin_ns = _BEGINNING_OF_TIME_NS
        self._newest_ns: int | None = None
        self._origin_ns: int | None = None
        self._index = 0
        self.decimated = self.repeated = self.before_episode = 0

    def restart(self, begin_ns: int) -> None:
        """An episode begins: its first sample is a tick, and older ones are none."""
        self._begin_ns = begin_ns
        self._newest_ns = self._origin_ns = None

    def is_tick(self, stamp_ns: int) -> bool:
        """Whether the sample stamped so is a tick. One that lies before the last one starts the grid anew."""
        if stamp_ns < self._begin_ns:
            self.before_episode += 1
            return False
        if stamp_ns == self._newest_ns:
            self.repeated += 1
            return False
        if self._newest_ns is not None and stamp_ns < self._newest_ns:
            self._origin_ns = None
        self._newest_ns = stamp_ns
        if self._origin_ns is None:
            self._origin_ns, self._index = stamp_ns, 0
            return True
        index = math.floor((stamp_ns - self._origin_ns) * 1e-9 * self._fps + 0.5)
        if index <= self._index:
            self.decimated += 1
            return False
        self._index = index
        return True
