"""Typed access to a YAML tree that notes every problem with its path, and goes on.

After a problem each method returns a harmless placeholder of the right type, so that one reading finds all the
problems of a file. Nothing is ever built from placeholders: ``load`` raises first.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from models.contract.problems import Problem, Problems, nearest, one_of, shown
from models.contract.quantities import mixed_up, probable_unit
from models.contract.units import UNIT_NAMES, Unit, parse_quantity, parse_unit
from models.contract.yaml_tree import Node

__all__ = ["Reader"]

_DAY_S = 86_400.0


class Reader:
    """Reads one contract's tree into values."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems

    def wrong(self, node: Node, message: str, expected: str = "", fix: str = "", *, found: str | None = None) -> None:
        """Note a problem with a value; ``found`` stands for the value where that would say too little."""
        text = shown(node.plain) if found is None else found
        self.problems.add(Problem(node.path, node.line, message, text, expected, fix))

    def mapping(
        self,
        node: Node,
        allowed: Collection[str],
        required: Collection[str] = (),
        elsewhere: Mapping[str, str] | None = None,
        additions: Mapping[str, str] | None = None,
    ) -> dict[str, Node]:
        """The node's keys, unknown ones refused, missing ones noted; empty if it is no mapping at all.

        ``elsewhere`` says for keys of other places where they belong, ``additions`` what to write for missing ones.
        """
        if not isinstance(node.value, Mapping):
            self.wrong(node, "not a mapping", f"a mapping with the keys {', '.join(allowed)}")
            return {}
        for key, child in node.value.items():
            if key not in allowed:
                fix = (elsewhere or {}).get(key) or nearest(key, allowed)
                self.wrong(child, "unknown key", one_of(allowed), fix, found=repr(key))
        for key in required:
            if key not in node.value:
                path = f"{node.path}.{key}" if node.path else key
                self.problems.add(
                    Problem(path, node.line, "missing", "nothing", f"the key {key!r}", (additions or {}).get(key, ""))
                )
        return {key: child for key, child in node.value.items() if key in allowed}

    def entries(self, node: Node, what: str) -> dict[str, Node]:
        """The children of a mapping with free keys, at least one."""
        if isinstance(node.value, Mapping) and node.value:
            return dict(node.value)
        self.wrong(node, "empty" if node.value in (None, {}) else "not a mapping", f"a mapping from {what}")
        return {}

    def items(self, node: Node, what: str) -> tuple[Node, ...]:
        """The elements of a list, at least one."""
        if isinstance(node.value, tuple) and node.value:
            return node.value
        self.wrong(node, "an empty list" if node.value == () else "not a list", f"a list of {what}")
        return ()

    def text(self, node: Node | None, what: str) -> str:
        """A string that is not blank, without the blanks around it."""
        if node is None:
            return ""
        if isinstance(node.value, str) and node.value.strip():
            return node.value.strip()
        self.wrong(node, "not a text", what)
        return ""

    def choice(self, node: Node | None, options: Collection[str], default: str) -> str:
        """One of the options, in any case of letters; ``default`` where the key is absent."""
        if node is None:
            return default
        if isinstance(node.value, str) and node.value.strip().lower() in options:
            return node.value.strip().lower()
        self.wrong(node, "not one of the choices", one_of(options), nearest(node.value, options))
        return default

    def boolean(self, node: Node | None, default: bool) -> bool:
        """``true`` or ``false``."""
        if node is None:
            return default
        if isinstance(node.value, bool):
            return node.value
        self.wrong(node, "not a truth value", "true or false")
        return default

    def integer(self, node: Node | None, minimum: int, maximum: int, default: int) -> int:
        """A whole number within bounds; ``3.0`` counts as one, ``3.5``, ``true`` and ``"3"`` do not."""
        if node is None:
            return default
        value = node.value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and minimum <= value <= maximum:
            return value
        self.wrong(node, "not a whole number in range", f"a whole number from {minimum} to {maximum}")
        return default

    def number(
        self,
        node: Node | None,
        units: Collection[str],
        default: float,
        *,
        minimum: float = -math.inf,
        maximum: float = math.inf,
        above: float = -math.inf,
        plain_unit: str | None = None,
    ) -> float:
        """A finite number in SI units; a text such as ``150 ms`` is converted.

        Args:
            node: where it stands, ``None`` for ``default``.
            units: SI units that it may have; none at all means that any unit will do.
            default: for an absent key, and the placeholder.
            minimum: smallest allowed value.
            maximum: largest allowed value.
            above: the value has to be larger than this.
            plain_unit: unit of a number without one, where it is not SI (``tolerance_ms``); the result is in it.
        """
        if node is None:
            return default
        value = self._quantity(node, units, plain_unit)
        if value is None:
            return default
        if minimum <= value <= maximum and value > above:
            return value
        unit = plain_unit or next(iter(units), "")
        self.wrong(node, "out of range", _range_text(minimum, maximum, above, unit))
        return default

    def duration(self, node: Node | None, default: float, *, zero: bool = False) -> float:
        """Seconds, more than zero unless ``zero`` allows it, at most a day: nanoseconds have to fit into 64 bits."""
        above, minimum = (-math.inf, 0.0) if zero else (0.0, -math.inf)
        return self.number(node, ("s",), default, above=above, minimum=minimum, maximum=_DAY_S)

    def unit_of(self, node: Node) -> Unit | None:
        """The unit in a quantity's text, if it has a valid one."""
        parts = parse_quantity(node.value) if isinstance(node.value, str) else None
        return parse_unit(parts[1]) if parts and parts[1] else None

    def _quantity(self, node: Node, units: Collection[str], plain_unit: str | None) -> float | None:
        wanted = " or ".join(units) or "any unit"
        example = f"a number in {plain_unit or ' or '.join(units) or 'SI units'}, or a text with its unit"
        if isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
            return self._finite(node, node.value)
        parts = parse_quantity(node.value) if isinstance(node.value, str) else None
        if parts is None:
            self.wrong(node, "not a number", example)
            return None
        number, unit_text = parts
        if not unit_text:
            return self._finite(node, float(number))
        unit = parse_unit(unit_text)
        if unit is None:
            close = probable_unit(unit_text, units) if units else ""
            fix = f"did you mean {close!r}?" if close else nearest(unit_text, UNIT_NAMES)
            self.wrong(node, f"unknown unit {unit_text!r}", f"a unit of {wanted}", fix)
            return None
        if units and unit.symbol not in {_canonical(name) for name in units}:
            close = probable_unit(unit_text, units)
            fix = f"did you mean '{number} {close}'?" if close else f"write it in {wanted}"
            self.wrong(node, mixed_up(unit_text, unit, units), f"{wanted}, or a unit that converts to it", fix)
            return None
        try:
            return self._finite(node, unit.to_si(number) / _si_units(plain_unit))
        except OverflowError:
            return self._finite(node, math.inf)

    def _finite(self, node: Node, value: float) -> float | None:
        try:
            result = float(value)
        except OverflowError:
            result = math.inf
        if math.isfinite(result):
            return result
        self.wrong(node, "not a finite number", "a finite number")
        return None


def _si_units(unit: str | None) -> float:
    parsed = parse_unit(unit) if unit else None
    return parsed.to_si(1.0) if parsed else 1.0


def _canonical(unit: str) -> str:
    parsed = parse_unit(unit)
    return parsed.symbol if parsed else unit


def _range_text(minimum: float, maximum: float, above: float, unit: str) -> str:
    bounds = []
    if math.isfinite(above):
        bounds.append(f"more than {above:g}")
    if math.isfinite(minimum):
        bounds.append(f"at least {minimum:g}")
    if math.isfinite(maximum):
        bounds.append(f"at most {maximum:g}")
    return " and ".join(bounds) + (f" {unit}" if unit and unit != "1" else "")
