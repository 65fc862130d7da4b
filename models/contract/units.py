"""Quantities with units, converted to SI: ``8 m/s``, ``150 ms``, ``90 deg/s``, ``12 Nm``.

An angle counts as a dimension of its own here: whoever writes ``1/s`` where ``rad/s`` is meant should hear of it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

__all__ = ["DIMENSIONLESS", "UNIT_NAMES", "Unit", "parse_quantity", "parse_unit", "rate_unit"]

_BASES = ("m", "kg", "s", "A", "K", "rad")
Powers = tuple[int, ...]


@dataclass(frozen=True)
class Unit:
    """A unit: how many SI units it is, and of which dimension.

    Attributes:
        factor: SI units in one of it, without ``pi``.
        pi: the power of pi that belongs to the factor; kept apart so that 150 ms is exactly 0.15 s.
        powers: exponents of m, kg, s, A, K, rad.
    """

    factor: Fraction
    pi: int
    powers: Powers

    def __mul__(self, other: Unit) -> Unit:
        """The product of two units."""
        powers = tuple(a + b for a, b in zip(self.powers, other.powers, strict=True))
        return Unit(self.factor * other.factor, self.pi + other.pi, powers)

    def __pow__(self, exponent: int) -> Unit:
        """The unit to an integer power."""
        return Unit(self.factor**exponent, self.pi * exponent, tuple(power * exponent for power in self.powers))

    def to_si(self, number: str | float) -> float:
        """The number of SI units, rounded once; raises OverflowError where no float is large enough."""
        return float(Fraction(number) * self.factor) * math.pi**self.pi

    @property
    def is_si(self) -> bool:
        """Whether a number in it is a number in SI units."""
        return self.factor == 1 and self.pi == 0

    @property
    def symbol(self) -> str:
        """The SI unit of this dimension, ``m/s^2``; ``1`` for a bare number."""
        return _symbol(self.powers)


def _base(**powers: int) -> Powers:
    return tuple(powers.get(base, 0) for base in _BASES)


DIMENSIONLESS = Unit(Fraction(1), 0, _base())
_ONE = Fraction(1)
_UNITS = {
    "1": DIMENSIONLESS,
    "%": Unit(Fraction(1, 100), 0, _base()),
    "m": Unit(_ONE, 0, _base(m=1)),
    "km": Unit(Fraction(1000), 0, _base(m=1)),
    "cm": Unit(Fraction(1, 100), 0, _base(m=1)),
    "mm": Unit(Fraction(1, 1000), 0, _base(m=1)),
    "s": Unit(_ONE, 0, _base(s=1)),
    "ms": Unit(Fraction(1, 1000), 0, _base(s=1)),
    "us": Unit(Fraction(1, 10**6), 0, _base(s=1)),
    "ns": Unit(Fraction(1, 10**9), 0, _base(s=1)),
    "min": Unit(Fraction(60), 0, _base(s=1)),
    "h": Unit(Fraction(3600), 0, _base(s=1)),
    "Hz": Unit(_ONE, 0, _base(s=-1)),
    "kHz": Unit(Fraction(1000), 0, _base(s=-1)),
    "rad": Unit(_ONE, 0, _base(rad=1)),
    "mrad": Unit(Fraction(1, 1000), 0, _base(rad=1)),
    "deg": Unit(Fraction(1, 180), 1, _base(rad=1)),
    "rev": Unit(Fraction(2), 1, _base(rad=1)),
    "rpm": Unit(Fraction(2, 60), 1, _base(rad=1, s=-1)),
    "kg": Unit(_ONE, 0, _base(kg=1)),
    "g": Unit(Fraction(1, 1000), 0, _base(kg=1)),
    "N": Unit(_ONE, 0, _base(m=1, kg=1, s=-2)),
    "mN": Unit(Fraction(1, 1000), 0, _base(m=1, kg=1, s=-2)),
    "kN": Unit(Fraction(1000), 0, _base(m=1, kg=1, s=-2)),
    "Nm": Unit(_ONE, 0, _base(m=2, kg=1, s=-2)),
    "W": Unit(_ONE, 0, _base(m=2, kg=1, s=-3)),
    "Pa": Unit(_ONE, 0, _base(m=-1, kg=1, s=-2)),
    "bar": Unit(Fraction(10**5), 0, _base(m=-1, kg=1, s=-2)),
    "A": Unit(_ONE, 0, _base(A=1)),
    "mA": Unit(Fraction(1, 1000), 0, _base(A=1)),
    "V": Unit(_ONE, 0, _base(m=2, kg=1, s=-3, A=-1)),
    "K": Unit(_ONE, 0, _base(K=1)),
}
UNIT_NAMES = tuple(_UNITS)
"""Every unit that may stand in an expression such as ``deg/s^2``."""

_NAMED_SI = {unit.powers: name for name, unit in _UNITS.items() if unit.is_si and name not in ("Hz",)}
_SUPERSCRIPTS = str.maketrans(
    {"²": "2", "³": "3", "·": "*", "×": "*", "°": "deg", "µ": "u", "μ": "u", "⁻": "-", "¹": "1"}
)
_FACTOR = re.compile(r"(%|1|[A-Za-z]+)(?:\^?(-?[1-9]))?")
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*(.*?)\s*", re.DOTALL)

MAX_TEXT = 64
"""Characters of a quantity; every sensible one is far shorter."""


@cache
def parse_unit(text: str) -> Unit | None:
    """The unit that ``text`` names, such as ``m/s^2``, ``m/s²`` or ``rad/s/s``; ``None`` if it names none."""
    if not text or len(text) > MAX_TEXT:
        return None
    result = DIMENSIONLESS
    sign = 1
    for part in re.split(r" ?([*/]) ?", text.translate(_SUPERSCRIPTS)):
        if part in ("*", "/"):
            sign = 1 if part == "*" else -1
            continue
        match = _FACTOR.fullmatch(part)
        if match is None or match[1] not in _UNITS:
            return None
        result = result * _UNITS[match[1]] ** (sign * int(match[2] or 1))
    return result


def rate_unit(unit: str) -> str:
    """The unit of a change per second: ``m/s^2`` for ``m/s``, ``N/s`` for ``N``; ``1/s`` where none is declared."""
    if "/" not in unit:
        return f"{unit or '1'}/s"
    rate = parse_unit(f"{unit}/s")
    return rate.symbol if rate else f"{unit}/s"


def parse_quantity(text: str) -> tuple[str, str] | None:
    """The number and the unit's text of ``8 m/s``; an empty unit for a bare number; ``None`` if it has no number."""
    match = _NUMBER.fullmatch(text) if len(text) <= MAX_TEXT else None
    return (match[1], match[2]) if match else None


@cache
def _symbol(powers: Powers) -> str:
    if powers in _NAMED_SI:
        return _NAMED_SI[powers]
    above = [(base, power) for base, power in zip(_BASES, powers, strict=True) if power > 0]
    below = [(base, -power) for base, power in zip(_BASES, powers, strict=True) if power < 0]
    top = "*".join(_power(base, power) for base, power in above) or "1"
    return top + "".join(f"/{_power(base, power)}" for base, power in below)


def _power(base: str, power: int) -> str:
    return base if power == 1 else f"{base}^{power}"
