"""What is known of ROS message types without ROS: their fields, whether they carry a header, and their units.

The field definitions of every message of ROS 2 Jazzy's common packages come with rosbags. A type of another package
is not an error: nothing can be said of it here, and the codec that reads it will.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

__all__ = [
    "IMAGE_TYPES",
    "LABEL_TYPES",
    "NAMED_FIELDS",
    "SCALAR_TYPES",
    "field_unit",
    "has_header",
    "known_packages",
    "known_types",
    "select_problem",
]

IMAGE_TYPES = frozenset({"sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"})

_SCALARS = (
    "Float32",
    "Float64",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
    "Bool",
    "Byte",
)
SCALAR_TYPES = frozenset(f"std_msgs/msg/{name}" for name in (*_SCALARS, "Char", "String"))
"""One value a message; a ``select`` only labels it."""

LABEL_TYPES = SCALAR_TYPES | {f"std_msgs/msg/{name}MultiArray" for name in _SCALARS if name != "Bool"}
"""Values without names; a ``select`` labels them in order, and none of them needs one."""

_JOINT_TRAJECTORY_FIELDS = (
    "position",
    "positions",
    "velocity",
    "velocities",
    "acceleration",
    "accelerations",
    "effort",
)
NAMED_FIELDS = {
    "sensor_msgs/msg/JointState": ("position", "velocity", "effort"),
    "trajectory_msgs/msg/JointTrajectory": _JOINT_TRAJECTORY_FIELDS,
}
"""Messages that name their values: ``<field>.<joint name>``, and a bare joint name means its position."""

JOY_FIELDS = ("axes", "buttons")

_UNIT_OF_PARENT = (
    # Field path (the part before the axis) and message families for which REP 103 fixes the unit.
    (re.compile(r"(^|\.)linear\.[xyz]$"), {"Twist": "m/s", "Accel": "m/s^2"}),
    (re.compile(r"(^|\.)angular\.[xyz]$"), {"Twist": "rad/s", "Accel": "rad/s^2"}),
    (re.compile(r"(^|\.)force\.[xyz]$"), {"Wrench": "N"}),
    (re.compile(r"(^|\.)torque\.[xyz]$"), {"Wrench": "Nm"}),
    (re.compile(r"(^|\.)position\.[xyz]$"), {"Pose": "m"}),
)
_UNITS_OF_JOINTS = {
    "position": ("rad", "m"),
    "velocity": ("rad/s", "m/s"),
    "acceleration": ("rad/s^2", "m/s^2"),
    "effort": ("Nm", "N"),
}


@cache
def _fields() -> dict[str, Any]:
    # Imported late: it takes 0.1 s, and whoever only wants the dataclasses does not need it.
    from rosbags.typesys import Stores, get_typestore

    return {name: dict(fields) for name, (_, fields) in get_typestore(Stores.ROS2_JAZZY).fielddefs.items()}


@cache
def known_types() -> frozenset[str]:
    """Every message type whose definition is known."""
    return frozenset(name for name in _fields() if "/msg/" in name)


@cache
def known_packages() -> frozenset[str]:
    """Packages of which every message type is known."""
    return frozenset(name.split("/", 1)[0] for name in known_types())


def has_header(message_type: str) -> bool | None:
    """Whether it carries a ``std_msgs/msg/Header``; ``None`` if the type is unknown."""
    if message_type not in known_types():
        return None
    kind = _fields()[message_type].get("header")
    return kind is not None and _named_type(kind) == "std_msgs/msg/Header"


def field_unit(message_type: str, path: str) -> tuple[str, ...]:
    """The SI units that the field may have, by REP 103; empty if nothing fixes them."""
    if message_type in NAMED_FIELDS:
        field = path.split(".", 1)[0] if "." in path else "position"
        singular = {"positions": "position", "velocities": "velocity", "accelerations": "acceleration"}
        return _UNITS_OF_JOINTS[singular.get(field, field)] if field in NAMED_FIELDS[message_type] else ()
    short = message_type.rsplit("/", 1)[-1]
    for pattern, families in _UNIT_OF_PARENT:
        if pattern.search(path):
            return tuple(unit for family, unit in families.items() if short.startswith(family))
    return ()


def select_problem(message_type: str, path: str) -> tuple[str, tuple[str, ...]] | None:
    """Why ``path`` selects no number from a message of that type, and the names it could have had at that place.

    ``None`` when it does, when the type is unknown, or when its values have no names.
    """
    if message_type not in known_types() or message_type in LABEL_TYPES:
        return None
    head, _, rest = path.partition(".")
    if message_type in NAMED_FIELDS:
        options = NAMED_FIELDS[message_type]
        if not rest or head in options:
            return ("it names no joint", options) if not (rest or head) or path.endswith(".") else None
        return f"{head!r} is no field with joints in it", options
    if message_type == "sensor_msgs/msg/Joy":
        field, index = (head, rest) if rest else ("axes", head)
        if field not in JOY_FIELDS:
            return f"{field!r} is neither axes nor buttons", JOY_FIELDS
        return None if index.isascii() and index.isdigit() else ("it needs an index, as in buttons.3", JOY_FIELDS)
    return _walk(message_type, path)


def _walk(message_type: str, path: str) -> tuple[str, tuple[str, ...]] | None:
    """Follow a dotted path through nested messages and fixed or variable arrays down to a number."""
    parts = path.split(".")
    current, kind = message_type, None
    for index, part in enumerate(parts):
        if kind is not None and kind[0].name in ("ARRAY", "SEQUENCE"):
            if not (part.isascii() and part.isdigit()):
                return f"{'.'.join(parts[:index])!r} is an array and needs an index", ("0",)
            length = kind[1][1]
            if kind[0].name == "ARRAY" and int(part) >= length:
                return f"{'.'.join(parts[:index])!r} has {length} elements", (str(length - 1),)
            kind = kind[1][0]
        else:
            fields = _fields().get(current, {})
            if kind is not None and kind[0].name == "BASE":
                return f"{'.'.join(parts[:index])!r} has no fields", ()
            if part not in fields:
                return f"{current} has no field {part!r}", tuple(fields)
            kind = fields[part]
        current = _named_type(kind) or current
    if kind is not None and kind[0].name == "BASE" and kind[1][0] != "string":
        return None
    where = tuple(f"{path}.{name}" for name in _fields().get(_named_type(kind) or "", {}))
    return "it ends before it reaches a number", where


def _named_type(kind: Any) -> str | None:
    """The message type's name where a field is itself a message."""
    return kind[1] if kind is not None and kind[0].name == "NAME" else None
