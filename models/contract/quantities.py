"""Says in words what a unit measures, and which unit was probably meant."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from models.contract.problems import nearest
from models.contract.units import UNIT_NAMES, Unit, parse_unit, rate_unit

__all__ = ["mixed_up", "probable_unit"]

_KINDS = {
    "1": "a plain number",
    "m": "a length",
    "s": "a time",
    "1/s": "a frequency",
    "rad": "an angle",
    "m/s": "a speed",
    "rad/s": "an angular velocity",
    "m/s^2": "an acceleration",
    "rad/s^2": "an angular acceleration",
    "kg": "a mass",
    "N": "a force",
    "Nm": "a torque",
    "W": "a power",
    "Pa": "a pressure",
    "A": "a current",
    "V": "a voltage",
    "K": "a temperature",
}


def mixed_up(text: str, unit: Unit, wanted: Collection[str]) -> str:
    """``'cm' is a length, not a speed``: the kind that was found and the kinds that were expected."""
    found = _kind(unit)
    kinds = [kind for name in wanted if (other := parse_unit(name)) and (kind := _kind(other))]
    if not found or len(kinds) < len(wanted):
        return f"{text!r} measures something else"
    return f"{text!r} is {found}, not {' or '.join(dict.fromkeys(kinds))}"


def probable_unit(text: str, wanted: Collection[str]) -> str:
    """The unit closest to ``text`` that measures what is wanted; empty if nothing is close."""
    powers = {unit.powers for name in wanted if (unit := parse_unit(name))}
    for candidate in _variants(text):
        unit = parse_unit(candidate)
        if unit is not None and unit.powers in powers:
            return candidate
    names = [*wanted, *UNIT_NAMES, *(f"{name}/{time}" for name in UNIT_NAMES for time in ("s", "h", "min", "s^2"))]
    fitting = [name for name in names if (unit := parse_unit(name)) and unit.powers in powers and "1" not in name]
    close = nearest(text, fitting)
    return close.split("'")[1] if close else ""


def _kind(unit: Unit) -> str:
    if unit.symbol in _KINDS:
        return _KINDS[unit.symbol]
    of = next((kind for symbol, kind in _KINDS.items() if _is_rate_of(symbol, unit)), "")
    return f"{of} per second" if of else ""


def _is_rate_of(symbol: str, unit: Unit) -> bool:
    rate = parse_unit(rate_unit(symbol))
    return rate is not None and rate.powers == unit.powers


def _variants(text: str) -> Iterator[str]:
    """The same unit with a division by time forgotten, or one too many."""
    if text == "km":
        yield "km/h"
    if text.endswith("/s"):
        yield f"{text}^2"
    yield f"{text}/s"
    yield f"{text}^2"
    yield f"{text}/s^2"
    for end in ("^2", "²", "/s", "/h", "/s^2"):
        if text.endswith(end):
            yield text.removesuffix(end)
    if text.startswith("1/"):
        yield f"rad/{text.removeprefix('1/')}"
    if text == "Hz":
        yield "rad/s"
