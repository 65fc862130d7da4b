"""From what a human asks for to a command that may be sent: modes, slow motion, limits, rate limits. No ROS in here.

A device (stick, keys) gives one number in -1 .. 1 for each action dimension. A :class:`Dimension` says what that number
means in SI units: a value (*absolute*: a speed) or a change per second (*rate*: an arm's joint, which stays where it is
when the stick is let go). :class:`CommandShaper` then brings it inside the robot contract.

Times here are on the robot's clock (``clock_s``), so that a command's rate is right in robot time also where the
simulation runs slower than the wall clock; whether somebody is still there is decided elsewhere on a monotonic clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from il_nodes.gate.limiter import CommandLimiter
from models.contract import Contract, DimensionLimits
from models.data import FloatArray
from models.errors import DeploymentError

__all__ = [
    "CommandShaper",
    "Dimension",
    "Mode",
    "Reading",
    "State",
    "Wish",
    "dimensions",
    "numbers_per_dimension",
    "per_dimension",
    "wish",
]

#: Units whose numbers say how fast something moves: slow motion scales the value. Of all others it scales the change.
VELOCITY_UNITS = frozenset({"m/s", "rad/s", "m/s^2", "rad/s^2"})
#: In rate mode, without a scale of its own, a full stick crosses the whole range of a dimension in this time.
CROSSING_S = 4.0

Wish = npt.NDArray[np.float64]


class Mode(StrEnum):
    """What a deflection means."""

    ABSOLUTE = "absolute"
    RATE = "rate"


class State(StrEnum):
    """What a device has to say on a tick."""

    #: Nobody is there: nothing is published, so that the gate finds its expert stale and halts.
    SILENT = "silent"
    #: Somebody is there and wants the robot to stand: the stop command.
    STOP = "stop"
    DRIVE = "drive"


@dataclass(frozen=True, slots=True)
class Reading:
    """A device on one tick.

    Attributes:
        state: whether there is anything to publish.
        inputs: one deflection in -1 .. 1 a dimension; empty unless it drives.
    """

    state: State
    inputs: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Dimension:
    """One action dimension as a human commands it.

    Attributes:
        name: as in the contract.
        mode: whether a deflection is a value or a change per second.
        at_rest: absolute mode: the value without a deflection, SI.
        up: what a full deflection of +1 adds: SI units, or SI units per second in rate mode.
        down: what one of -1 takes away.
        sign: +1 or -1: which way the stick works.
    """

    name: str
    mode: Mode
    at_rest: float
    up: float
    down: float
    sign: float = 1.0

    def wish(self, deflection: float) -> float:
        """The value, or the change per second, that a deflection in -1 .. 1 asks for."""
        x = self.sign * deflection
        change = x * (self.up if x > 0.0 else self.down)
        return change if self.mode is Mode.RATE else self.at_rest + change


def wish(dimensions: Sequence[Dimension], inputs: Sequence[float]) -> Wish:
    """``(dims,)`` float64 of one deflection a dimension."""
    return np.array([dimension.wish(x) for dimension, x in zip(dimensions, inputs, strict=True)], np.float64)


def per_dimension(name: str, given: Sequence[object], names: Sequence[str], default: object) -> list[object]:
    """One item a dimension: ``default`` for all of nothing, one item for all, or one for each.

    Raises:
        DeploymentError: another number of items; the message names the parameter and the dimensions.
    """
    if not given:
        return [default] * len(names)
    if len(given) == 1:
        return list(given) * len(names)
    if len(given) != len(names):
        raise DeploymentError(
            f"parameter {name} of the teleop node does not fit the robot's action",
            found=f"{len(given)} values: {list(given)}",
            expected=f"none, one for all, or {len(names)} in this order: {', '.join(names)}",
        )
    return list(given)


def numbers_per_dimension(name: str, given: Sequence[object], names: Sequence[str], default: float) -> list[float]:
    """The same for numbers. Raises DeploymentError for anything that is no finite number."""
    values = per_dimension(name, given, names, default)
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            raise DeploymentError(f"parameter {name} of the teleop node", found=value, expected="finite numbers")
    return [float(value) for value in values if isinstance(value, int | float)]


def dimensions(
    contract: Contract,
    *,
    signs: Sequence[object] = (),
    scales: Sequence[object] = (),
    offsets: Sequence[object] = (),
    modes: Sequence[object] = (),
) -> tuple[Dimension, ...]:
    """The contract's action dimensions as a human commands them.

    Args:
        contract: with limits.
        signs: 1 or -1 each; nothing: all 1.
        scales: what a full deflection adds or takes away, in SI units (rate mode: per second); 0: as far as the limits
            go to either side, or across the whole range in four seconds.
        offsets: the value at rest; nothing: the stop command.
        modes: ``absolute``, ``rate``, or ``auto``: rate for positions, absolute for all others.

    Raises:
        DeploymentError: a wrong number of items, or an item that means nothing.
    """
    names = contract.action_names
    sign = numbers_per_dimension("signs", signs, names, 1.0)
    scale = numbers_per_dimension("scales", scales, names, 0.0)
    mode = per_dimension("modes", modes, names, "auto")
    stops = [limit.stop for limit in contract.limits]
    offset = numbers_per_dimension("offsets", offsets, names, 0.0) if offsets else stops
    if not set(sign) <= {1.0, -1.0}:
        raise DeploymentError("parameter signs of the teleop node", found=sign, expected="1 or -1 for each dimension")
    if min(scale) < 0.0:
        raise DeploymentError(
            "parameter scales of the teleop node", found=scale, expected="0 or more", fix="turn a stick round by signs"
        )
    if not set(mode) <= {"auto", *Mode}:
        raise DeploymentError("parameter modes of the teleop node", found=mode, expected="auto, absolute or rate")
    return tuple(_dimension(*row) for row in zip(contract.limits, sign, scale, offset, map(str, mode), strict=True))


def _dimension(limit: DimensionLimits, sign: float, scale: float, offset: float, mode: str) -> Dimension:
    if mode == "auto":
        mode = Mode.RATE if limit.is_position else Mode.ABSOLUTE
    if Mode(mode) is Mode.RATE:
        up = down = scale or min(limit.rate, (limit.maximum - limit.minimum) / CROSSING_S)
    elif scale:
        up = down = scale
    else:
        up, down = limit.maximum - offset, offset - limit.minimum
    return Dimension(limit.name, Mode(mode), offset, up, down, sign)


class CommandShaper:
    """Turns wishes into commands inside the contract's limits and rate limits, in slow motion on demand.

    Slow motion scales speeds and accelerations (their distance from the stop command), and of everything else how fast
    it changes. Stopping is never slowed.

    Args:
        contract: with limits.
        integrating: for each dimension whether its wishes are changes per second.
        slow_motion_scale: in (0, 1].
    """

    def __init__(self, contract: Contract, integrating: Sequence[bool], slow_motion_scale: float) -> None:
        contract.require_limits()
        self._integrating = np.array(integrating, bool)
        self._fast = np.array([limit.unit in VELOCITY_UNITS for limit in contract.limits], bool)
        self._scale = slow_motion_scale
        self._limiter = CommandLimiter(contract)
        self.slow_motion = False
        self.refused = 0

    @property
    def last(self) -> FloatArray:
        """``(dims,)`` the last command, or what the robot was seen to do; the stop command at first."""
        return self._limiter.last

    @property
    def is_placed(self) -> bool:
        """Whether the next command has something to count from: a robot that holds its position must be seen first."""
        return self._limiter.is_placed

    @property
    def is_stopped(self) -> bool:
        """Whether the last command was the stop command."""
        return self._limiter.is_stopped

    def drive(self, wanted: Wish, clock_s: float) -> FloatArray | None:
        """The command nearest to ``wanted`` that may be sent now.

        Args:
            wanted: ``(dims,)`` values, or changes per second where dimensions integrate; SI units.
            clock_s: now, on the robot's clock.

        Returns:
            ``(dims,)`` float32, finite; ``None`` while nobody knows where the robot is, and, counted, for a wish that
            is not finite or of another size.
        """
        limiter = self._limiter
        if wanted.shape != limiter.last.shape or not np.isfinite(wanted).all():
            self.refused += 1
            return None
        scale = self._scale if self.slow_motion else 1.0
        elapsed_s = limiter.elapsed_s(clock_s)
        low, high = limiter.minimum.astype(np.float64), limiter.maximum.astype(np.float64)
        inside = np.clip(wanted, low, high)
        if not limiter.is_placed:
            # A wish that is a place says where its dimension is, for want of anything better; the gate does the same.
            limiter.place(np.where(self._integrating, np.nan, inside).astype(np.float32))
            if not limiter.is_placed:
                return None
        stop, last = limiter.stop.astype(np.float64), limiter.last.astype(np.float64)
        value = np.where(self._fast, stop + scale * (inside - stop), inside)
        # The stop command need not lie in the middle: the range shrinks towards it from both sides.
        low, high = (np.where(self._fast, stop + scale * (bound - stop), bound) for bound in (low, high))
        target = np.where(self._integrating, np.clip(last + scale * wanted * elapsed_s, low, high), value)
        if scale < 1.0:
            step = np.where(self._fast, np.inf, limiter.rate * scale * elapsed_s)
            target = np.clip(target, last - step, last + step)
        return limiter.limit(target.astype(np.float32), clock_s).values

    def stop(self, clock_s: float) -> FloatArray | None:
        """One step towards the stop command, at the full rate of the contract, or the stop command itself.

        ``None`` while nobody knows where the robot is.
        """
        limiter = self._limiter
        return limiter.limit(limiter.stop, clock_s).values if limiter.is_placed else None

    def rest(self) -> None:
        """Nothing is sent for a while: the gate halts the robot, so the next command counts from the stop command."""
        self._limiter.reset()

    def place(self, positions: FloatArray) -> None:
        """Where the robot was measured to be, ``(dims,)``, NaN where not; counts only before the first command."""
        self._limiter.place(positions)

    def follow(self, executed: FloatArray, *, all_dimensions: bool) -> None:
        """Somebody else moved the robot to ``executed``: the next command counts from there.

        Args:
            executed: ``(dims,)`` finite, the command that the robot was given last.
            all_dimensions: also where wishes are values; otherwise only where they integrate, since an arm must not
                creep back to where the human had left it.
        """
        limiter = self._limiter
        if executed.shape == limiter.last.shape and np.isfinite(executed).all():
            limiter.place(executed)
            where = self._integrating | all_dimensions
            inside = np.clip(executed, limiter.minimum, limiter.maximum)
            limiter.last = np.where(where, inside, limiter.last).astype(np.float32)
