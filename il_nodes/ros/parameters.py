"""Parameters that explain themselves, and that cannot be changed behind a running node's back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
)
from rclpy.parameter import Parameter

from models.errors import DeploymentError

__all__ = ["declare_parameter"]

Value = TypeVar("Value", bool, int, float, str, list[int], list[float], list[str])


def _converted(value: object, default: Any) -> Any:
    """``value`` in the type of ``default``; ``None`` when it does not fit. An int is a valid float (``rate: 1``)."""
    if isinstance(default, bool) or isinstance(value, bool):
        return value if isinstance(default, bool) and isinstance(value, bool) else None
    if isinstance(default, list):
        # An empty YAML list has no element type, and ROS cannot express it: [''] and a missing value mean empty too.
        if value is None or isinstance(value, bytes):
            return []
        if isinstance(value, str) or not hasattr(value, "__iter__"):
            return None
        items = [item for item in value if item != ""]
        sample = default[0] if default else None
        converted = [item if sample is None else _converted(item, sample) for item in items]
        return None if any(item is None for item in converted) else converted
    if isinstance(default, float):
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
    return value if isinstance(value, type(default)) else None


def _ranges(default: object, minimum: float | None, maximum: float | None) -> dict[str, Any]:
    if minimum is None and maximum is None:
        return {}
    low, high = -math.inf if minimum is None else minimum, math.inf if maximum is None else maximum
    if isinstance(default, float):
        # The wire's range has no infinity.
        biggest = 1.7e308
        return {
            "floating_point_range": [FloatingPointRange(from_value=max(low, -biggest), to_value=min(high, biggest))]
        }
    if isinstance(default, int):
        biggest_int = 2**63 - 1
        return {
            "integer_range": [
                IntegerRange(
                    from_value=-biggest_int if minimum is None else int(low),
                    to_value=biggest_int if maximum is None else int(high),
                    step=1,
                )
            ]
        }
    return {}


def declare_parameter(
    node: Any,
    name: str,
    default: Value,
    description: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[str] = (),
    read_only: bool = True,
) -> Value:
    """Declare ``name`` on ``node`` and return the value given on the command line, in a params file, or by default.

    Declared already, it keeps the value that it has. Read-only unless said otherwise, so that nothing at run time can
    lift a limit (FAULTS 30). The type is that of ``default``; a list accepts ``[]``, ``['']`` and nothing as empty.

    Raises:
        DeploymentError: the value has another type, lies outside the range, or is none of the choices.
    """
    if node.has_parameter(name):
        return _converted(node.get_parameter(name).value, default)  # type: ignore[no-any-return]
    expected = type(default).__name__
    descriptor = ParameterDescriptor(
        name=name,
        description=description,
        # Checked here, with a message that says what to do, instead of by a bare rclpy exception.
        dynamic_typing=True,
        read_only=read_only,
        additional_constraints="one of: " + ", ".join(choices) if choices else "",
        **_ranges(default, minimum, maximum),
    )
    given = node._parameter_overrides.get(name)
    found = default if given is None else given.value
    value = _converted(found, default)
    numbers = value if isinstance(value, list) else [value]
    if minimum is not None or maximum is not None:
        low, high = -math.inf if minimum is None else minimum, math.inf if maximum is None else maximum
        expected += f" in {low} .. {high}"
        if value is not None and not all(low <= number <= high for number in numbers):
            value = None
    if choices:
        expected += ": " + ", ".join(choices)
        if value not in choices:
            value = None
    if value is None:
        raise DeploymentError(
            f"parameter {name} of node {node.get_name()} ({description}) cannot be used", found=found, expected=expected
        )
    node.declare_parameter(
        name,
        Parameter(name, Parameter.Type.STRING_ARRAY, []).value if value == [] else value,
        descriptor,
        ignore_override=True,
    )
    return value  # type: ignore[no-any-return]
