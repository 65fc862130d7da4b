"""Values by joint name: ``sensor_msgs/JointState``, and what it shares with trajectories.

Joints are looked up by name in every message, never by position: drivers disagree on the order, and some change it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from il_nodes.codecs.cdr import CdrCursor
from il_nodes.codecs.interface import Array, Codec, nearest, set_header_stamp, source_error

if TYPE_CHECKING:
    from models.contract import Source

__all__ = ["JointStateCodec", "joint_plan", "pick_joints", "scatter_joints"]


def joint_plan(source: Source, aliases: Mapping[str, str], default: str) -> list[tuple[str, str]]:
    """Split every select entry into (field of the message, joint name); an entry without a field means ``default``.

    Joint names may contain dots: only a first part that is a known field counts as one.
    """
    if not source.select:
        raise source_error(
            source,
            f"{source.channel.type} needs a select, since joints come in any order and number",
            found="no select",
            expected=f"for example select: [{default}.<joint name>]",
        )
    plan = []
    for entry in source.select:
        head, dot, rest = entry.partition(".")
        plan.append((aliases[head], rest) if dot and head in aliases else (aliases[default], entry))
    return plan


def pick_joints(
    plan: Sequence[tuple[str, str]], names: Sequence[str], fields: Mapping[str, Any], source: Source
) -> npt.NDArray[np.float32]:
    """Values of ``plan`` out of parallel arrays that are indexed like ``names``."""
    position = {name: index for index, name in enumerate(names)}
    values = np.empty(len(plan), np.float32)
    for slot, (field, joint) in enumerate(plan):
        index = position.get(joint)
        if index is None:
            raise source_error(
                source,
                f"no joint named {joint!r} in this message",
                found=f"joints {', '.join(names) or 'none'}",
                expected=nearest(joint, names),
            )
        if index >= len(fields[field]):
            raise source_error(
                source,
                f"the message holds no {field} for joint {joint!r}",
                found=f"{len(fields[field])} values in {field} for {len(names)} joints",
                expected=f"one {field} value a joint",
            )
        values[slot] = fields[field][index]
    return values


def scatter_joints(
    plan: Sequence[tuple[str, str]], values: Array, source: Source
) -> tuple[list[str], dict[str, list[float]]]:
    """Joint names, and per used field one value a joint. Every used field must cover every joint.

    A field given for some joints only would have to be padded, and a made-up zero is a command.
    """
    names = list(dict.fromkeys(joint for _, joint in plan))
    chosen: dict[str, dict[str, float]] = {}
    for (field, joint), value in zip(plan, values, strict=True):
        chosen.setdefault(field, {})[joint] = float(value)
    for field, by_joint in chosen.items():
        missing = [name for name in names if name not in by_joint]
        if missing:
            raise source_error(
                source,
                f"{field} is selected for some joints only",
                found=f"{field} for {', '.join(by_joint)}, none for {', '.join(missing)}",
                expected="each selected field for every joint",
            )
    return names, {field: [by_joint[name] for name in names] for field, by_joint in chosen.items()}


_FIELDS = ("position", "velocity", "effort")
_ALIASES = {field: field for field in _FIELDS}


class JointStateCodec(Codec):
    """Selects ``position.<joint>``, ``velocity.<joint>``, ``effort.<joint>``; ``<joint>`` alone is its position.

    Units: rad or m, rad/s or m/s, N m or N, as the message defines them.
    """

    type = "sensor_msgs/msg/JointState"
    has_header = True

    def decode(self, message: Any, source: Source) -> Array:
        """Float32 values in the select's order; see :class:`Codec`."""
        plan = joint_plan(source, _ALIASES, "position")
        return pick_joints(plan, list(message.name), {field: getattr(message, field) for field in _FIELDS}, source)

    def decode_raw(self, cdr: bytes, source: Source) -> Array:
        """The same from CDR bytes."""
        cursor = CdrCursor(cdr)
        cursor.skip_header()
        names = cursor.strings()
        fields = {field: cursor.array("<f8") for field in _FIELDS}
        return pick_joints(joint_plan(source, _ALIASES, "position"), names, fields, source)

    def encode(self, values: Array, source: Source, stamp_ns: int, message_class: Any) -> Any:
        """Joints in the order they first appear in the select; fields that are not selected stay empty."""
        names, fields = scatter_joints(joint_plan(source, _ALIASES, "position"), values, source)
        message = message_class()
        set_header_stamp(message, stamp_ns)
        message.name = names
        for field, numbers in fields.items():
            setattr(message, field, numbers)
        return message
