"""When a drive is over, and when the car is put back on the road: plain logic, told the driving status."""

from __future__ import annotations

from sim.driving.metrics import DrivingStatus

__all__ = ["LapRules"]


class LapRules:
    """The rules of one drive after the other.

    Args:
        laps: a drive ends after that many; 0 for no limit.
        off_track_s: simulated seconds beyond the road's edge after which the car is put back.
        period_s: of a tick.
    """

    def __init__(self, laps: int, off_track_s: float, period_s: float) -> None:
        self._laps = laps
        self._off_track_ticks = max(1, round(off_track_s / period_s))
        self._ticks_off_track = 0

    def start(self) -> None:
        """A drive starts."""
        self._ticks_off_track = 0

    def is_over(self, status: DrivingStatus) -> bool:
        """Whether the laps are driven."""
        return 0 < self._laps <= status.laps

    def must_recover(self, status: DrivingStatus) -> bool:
        """Whether the car has been off the road for too long; to be asked once a tick."""
        self._ticks_off_track = self._ticks_off_track + 1 if status.off_track else 0
        if self._ticks_off_track < self._off_track_ticks:
            return False
        self._ticks_off_track = 0
        return True
