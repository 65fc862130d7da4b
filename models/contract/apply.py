"""Reads ``apply``: a list of operators, each a name or a name with its arguments."""

from __future__ import annotations

from collections.abc import Mapping

from models.contract.operators import MAX_RESIZE, OPERATOR_NAMES, Clamp, Operator, Rad2Deg, Resize
from models.contract.problems import nearest, one_of, shown
from models.contract.reader import Reader
from models.contract.yaml_tree import Node

__all__ = ["read_apply"]

_LARGEST = 1e30
"""Of a bound; it has to fit into float32."""


def read_apply(reader: Reader, node: Node | None, *, is_image: bool, actions: bool) -> tuple[Operator, ...]:
    """The pipeline as written, in forward order."""
    if node is None or node.value is None or node.value == ():
        return ()
    operators = []
    for item in reader.items(node, "operators"):
        name, args = _operator_name(reader, item)
        operator = _build_operator(reader, item, name, args) if name else None
        if operator is None:
            continue
        if actions and not operator.on_actions:
            reader.wrong(item, f"{name!r} has no inverse, so an action cannot be served through it", "rad2deg or clamp")
        elif not (operator.on_images if is_image else operator.on_vectors):
            there = "an image" if is_image else "a vector"
            reader.wrong(
                item,
                f"{name!r} does nothing sensible to {there}",
                "resize on images, rad2deg on vectors, clamp on both",
            )
        operators.append(operator)
    return tuple(operators)


def _operator_name(reader: Reader, item: Node) -> tuple[str, Node | None]:
    if isinstance(item.value, str):
        name, args = item.value.strip(), None
    elif isinstance(item.value, Mapping) and len(item.value) == 1:
        ((name, args),) = item.value.items()
    else:
        reader.wrong(item, "not an operator", "a name, or one name with its arguments: resize: [height, width]")
        return "", None
    if name in OPERATOR_NAMES:
        return name, args
    reader.wrong(item, "unknown operator", one_of(OPERATOR_NAMES), nearest(name, OPERATOR_NAMES))
    return "", None


def _build_operator(reader: Reader, item: Node, name: str, args: Node | None) -> Operator | None:
    if name == Rad2Deg.name:
        if args is not None and args.value is not None:
            reader.wrong(args, "'rad2deg' takes no arguments", "rad2deg")
        return Rad2Deg()
    if args is None:
        form = "[height, width]" if name == Resize.name else "{min: …, max: …}"
        reader.wrong(item, f"{name!r} needs arguments", f"{name}: {form}")
        return None
    if name == Resize.name:
        if not isinstance(args.value, tuple) or len(args.value) != 2:
            reader.wrong(args, "'resize' takes a height and a width", "[height, width] in pixels")
            return None
        height, width = (reader.integer(size, 1, MAX_RESIZE, 1) for size in args.value)
        return Resize(height, width)
    fields = reader.mapping(args, ("min", "max"), ("min", "max"))
    low, high = (_bound(reader, fields.get(key)) for key in ("min", "max"))
    if len(fields) == 2 and low > high:
        reader.wrong(args, "the minimum is above the maximum", "min <= max", found=shown(args.plain))
    return Clamp(low, high)


def _bound(reader: Reader, node: Node | None) -> float:
    # "+ 0.0" turns -0.0 into 0.0: equal bounds must not hash apart.
    return reader.number(node, (), 0.0, minimum=-_LARGEST, maximum=_LARGEST) + 0.0
