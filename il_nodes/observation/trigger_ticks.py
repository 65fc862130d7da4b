"""Which samples of the trigger stream are ticks: the same ones as for the observation assembler, by stamps alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["TriggerTicks"]

_BEGINNING_OF_TIME_NS = -(2**63)


@dataclass(slots=True)
class _Grid:
    """Ticks from one start to the next.

    Attributes:
        newest_ns: stamp of the last sample.
        origin_ns: of the tick that the grid counts from.
        index: of the last tick.
    """

    newest_ns: int | None = None
    origin_ns: int | None = None
    index: int = 0


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
        self._grid = _Grid()
        self._before: _Grid | None = None
        self.decimated = self.repeated = self.before_episode = 0

    def restart(self, begin_ns: int, *, goes_on: bool = False) -> None:
        """An episode begins: its first sample is a tick, and older ones are none.

        Args:
            begin_ns: stamp of the start.
            goes_on: it is the episode that ran before, after a recovery: samples that were still on their way are its
                own, as they are in its recording.
        """
        self._before = self._grid if goes_on else None
        self._begin_ns, self._grid = begin_ns, _Grid()

    def is_tick(self, stamp_ns: int) -> bool:
        """Whether the sample stamped so is a tick. One that lies before the last one starts the grid anew."""
        grid = self._grid_of(stamp_ns)
        if grid is None:
            self.before_episode += 1
            return False
        if stamp_ns == grid.newest_ns:
            self.repeated += 1
            return False
        if grid.newest_ns is not None and stamp_ns < grid.newest_ns:
            grid.origin_ns = None
        grid.newest_ns = stamp_ns
        if grid.origin_ns is None:
            grid.origin_ns, grid.index = stamp_ns, 0
            return True
        index = math.floor((stamp_ns - grid.origin_ns) * 1e-9 * self._fps + 0.5)
        if index <= grid.index:
            self.decimated += 1
            return False
        grid.index = index
        return True

    def _grid_of(self, stamp_ns: int) -> _Grid | None:
        """The stretch that a sample belongs to; ``None`` for one from before the episode, or that comes out of turn."""
        if stamp_ns >= self._begin_ns:
            return self._grid
        before = self._before
        if before is None or before.newest_ns is None or self._grid.newest_ns is not None:
            return None
        return before if stamp_ns > before.newest_ns else None
