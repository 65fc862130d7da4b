"""The last thing a command passes: limits, rate limits, and the ramp of a halt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.contract import Contract
from models.data import FloatArray

__all__ = ["CommandLimiter", "HaltRamp", "Limited"]

#: A command may catch up for at most this many periods, so that a long pause does not permit a jump.
CATCH_UP_PERIODS = 2.0
#: No time at all counts as this much, or a dimension without a rate limit (infinite) would give NaN.
SHORTEST_S = 1e-9


@dataclass(frozen=True, slots=True)
class Limited:
    """A command that may be sent.

    Attributes:
        values: ``(dims,)`` float32, SI units.
        clamped: whether the wish lay outside the limits.
        rate_limited: whether it was further from the last command than the rate allows.
    """

    values: FloatArray
    clamped: bool
    rate_limited: bool


class CommandLimiter:
    """Holds every command inside ``minimum <= u <= maximum`` and ``|u - u_last| <= rate * elapsed``.

    The first command counts from the stop command: a robot without a gate stands still, by its own watchdog. Where a
    halt holds a position (``gate.halt.stop: hold``) there is no such command, and the first one counts from where the
    robot is, which somebody has to say: see :meth:`place`.

    Args:
        contract: with limits; SI units.
    """

    def __init__(self, contract: Contract) -> None:
        self.minimum = contract.action_minimum
        self.maximum = contract.action_maximum
        self.rate = contract.action_rate.astype(np.float64)
        self.period_s = contract.period_s
        self._rest = self._inside(contract.action_stop)
        self._held = contract.action_held
        way = np.maximum(self.maximum - self._rest, self._rest - self.minimum)
        self.longest_stop_s = float(np.max(np.where(self._held, 0.0, way / self.rate)))
        self.reset()

    def reset(self) -> None:
        """Nothing has been commanded for so long that the robot stands still, who knows where."""
        self.last = self._rest
        self._placed = ~self._held
        self._last_s: float | None = None

    @property
    def is_placed(self) -> bool:
        """Whether the next command has something to count from in every dimension."""
        return bool(self._placed.all())

    def place(self, values: FloatArray, *, guessed: bool = False) -> None:
        """Take in where the robot is, until the first command; only for dimensions that a halt holds.

        Args:
            values: ``(dims,)`` SI units; NaN where it is not known.
            guessed: not measured, so it says nothing where something better is known.
        """
        if self._last_s is not None:
            return
        known = self._held & np.isfinite(values)
        if guessed:
            known = known & ~self._placed
        # What is not known stays as it was, and a joint beyond its limit is led back inside.
        self.last = self._inside(np.where(known, values, self.last)).astype(np.float32)
        self._placed = self._placed | known

    @property
    def stop(self) -> FloatArray:
        """``(dims,)`` the stop command of a halt that begins now: held positions stay where they are."""
        return np.where(self._held, self.last, self._rest)

    @property
    def is_stopped(self) -> bool:
        """Whether the last command was the stop command."""
        return bool(np.array_equal(self.last, self.stop))

    def elapsed_s(self, now_s: float) -> float:
        """Seconds that count for the rate limit: one period for a first command or a clock that went backwards."""
        if self._last_s is None or now_s < self._last_s:
            return self.period_s
        return min(now_s - self._last_s, CATCH_UP_PERIODS * self.period_s)

    def limit(self, wish: FloatArray, now_s: float) -> Limited:
        """The nearest command to a finite ``wish`` that may be sent now; it becomes the last command."""
        inside = self._inside(wish)
        allowed = self.rate * max(self.elapsed_s(now_s), SHORTEST_S)
        last = self.last.astype(np.float64)
        near = np.minimum(np.maximum(inside, last - allowed), last + allowed).astype(np.float32)
        # Rounding to float32 may step over a limit by one unit in the last place.
        near = self._inside(near)
        near.flags.writeable = False
        limited = Limited(near, bool((inside != wish).any()), bool((near != inside).any()))
        self.last, self._last_s = near, now_s
        return limited

    def exceeds_rate(self, earlier: FloatArray, later: FloatArray, elapsed_s: float) -> bool:
        """Whether two wishes ``elapsed_s`` apart differ by more than the rate limit (and a rounding error) allows."""
        change = np.abs(later.astype(np.float64) - earlier)
        return bool((change > self.rate * max(elapsed_s, self.period_s) * 1.001 + 1e-6).any())

    def _inside(self, values: FloatArray) -> FloatArray:
        # Three times as fast as np.clip, which is most of a decision on vectors of this size.
        return np.minimum(np.maximum(values, self.minimum), self.maximum)


@dataclass(frozen=True, slots=True)
class HaltRamp:
    """A straight line from the last command to the stop command, reached after ``duration_s`` and then held.

    The rate limits still apply to it: where they are slower than the line, they win, since a robot that cannot brake
    harder gains nothing from being told to.
    """

    start: FloatArray
    stop: FloatArray
    begin_s: float
    duration_s: float

    def wish(self, now_s: float) -> FloatArray:
        """``(dims,)`` float32 at ``now_s``."""
        done = (now_s - self.begin_s) / max(self.duration_s, SHORTEST_S)
        if done >= 1.0:
            return self.stop
        return (self.start + (self.stop - self.start) * max(done, 0.0)).astype(np.float32)
