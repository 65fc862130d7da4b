"""Plain lists of numbers: multi-arrays and joysticks, selected by index."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from il_nodes.codecs.cdr import ENCAPSULATION, CdrCursor, require_little_endian
from il_nodes.codecs.interface import Array, Codec, nearest, set_header_stamp, source_error

if TYPE_CHECKING:
    from models.contract import Source

__all__ = ["JoyCodec", "MultiArrayCodec", "ScalarCodec"]


def _index(text: str, field: str) -> int | None:
    """``3`` of ``"3"`` or ``"<field>.3"``, None of anything else."""
    text = text.removeprefix(f"{field}.")
    return int(text) if text.isdigit() else None


def _take(values: Array, index: int, field: str, source: Source) -> float:
    if index >= len(values):
        raise source_error(
            source,
            f"{field}.{index} is not in this message",
            found=f"{len(values)} {field}",
            expected=f"{field}.0 to {field}.{len(values) - 1}" if len(values) else f"a message with {field}",
        )
    return float(values[index])


class MultiArrayCodec(Codec):
    """``std_msgs/Float64MultiArray`` and ``Float32MultiArray``, without their padding (``layout.data_offset``).

    ``select`` holds indices (``3`` or ``data.3``), or names: names label the elements in order, one each.
    """

    has_header = False

    def __init__(self, type_name: str, dtype: str) -> None:
        self.type = type_name
        self._dtype = dtype

    def decode(self, message: Any, source: Source) -> Array:
        """Float32 values in the select's order; see :class:`Codec`."""
        return self._pick(np.asarray(message.data)[message.layout.data_offset :], source)

    def decode_raw(self, cdr: bytes, source: Source) -> Array:
        """The same from CDR bytes."""
        cursor = CdrCursor(cdr)
        for _ in range(cursor.uint32()):  # layout.dim: label, size, stride
            cursor.skip_string()
            cursor.uint32()
            cursor.uint32()
        offset = cursor.uint32()
        return self._pick(cursor.array(self._dtype)[offset:], source)

    def _pick(self, data: Array, source: Source) -> Array:
        indices = self._indices(source)
        if indices is not None:
            return np.array([_take(data, index, "data", source) for index in indices], np.float32)
        if source.select is not None and len(source.select) != len(data):
            raise source_error(
                source,
                "the select names another number of elements than the message has",
                found=f"{len(data)} elements",
                expected=f"{len(source.select)}: {', '.join(source.select)}",
            )
        return data.astype(np.float32)

    def _indices(self, source: Source) -> list[int] | None:
        found = [_index(entry, "data") for entry in source.select or ()]
        indices = [index for index in found if index is not None]
        return indices if indices and len(indices) == len(found) else None

    def encode(self, values: Array, source: Source, stamp_ns: int, message_class: Any) -> Any:
        """Elements in order. Indices must be 0 to n-1 in any order: a gap would be an invented command."""
        indices = self._indices(source) or list(range(len(values)))
        if sorted(indices) != list(range(len(values))):
            raise source_error(
                source,
                "the select leaves elements without a value",
                found=", ".join(source.select or ()),
                expected=f"each index from 0 to {len(values) - 1} once",
            )
        message = message_class()
        by_index = dict(zip(indices, values.tolist(), strict=True))
        message.data = [float(by_index[index]) for index in range(len(values))]
        return message


class JoyCodec(Codec):
    """``sensor_msgs/Joy``: ``axes.0`` in [-1, 1], ``buttons.3`` as 0 or 1; a bare index is an axis.

    Without a select: all axes, then all buttons.
    """

    type = "sensor_msgs/msg/Joy"
    has_header = True

    def decode(self, message: Any, source: Source) -> Array:
        """Float32 values in the select's order; see :class:`Codec`."""
        return self._pick(np.asarray(message.axes, np.float32), np.asarray(message.buttons, np.int32), source)

    def decode_raw(self, cdr: bytes, source: Source) -> Array:
        """The same from CDR bytes."""
        cursor = CdrCursor(cdr)
        cursor.skip_header()
        return self._pick(cursor.array("<f4"), cursor.array("<i4"), source)

    def _pick(self, axes: Array, buttons: Array, source: Source) -> Array:
        if source.select is None:
            return np.concatenate([axes.astype(np.float32), buttons.astype(np.float32)])
        values = np.empty(len(source.select), np.float32)
        for slot, entry in enumerate(source.select):
            field = "buttons" if entry.startswith("buttons.") else "axes"
            index = _index(entry, field)
            if index is None:
                known = [f"axes.{i}" for i in range(len(axes))] + [f"buttons.{i}" for i in range(len(buttons))]
                raise source_error(
                    source,
                    f"{entry!r} is neither an axis nor a button",
                    found=f"{len(axes)} axes, {len(buttons)} buttons",
                    expected=nearest(entry, known) or "axes.<index> or buttons.<index>",
                )
            values[slot] = _take(buttons if field == "buttons" else axes, index, field, source)
        return values

    def encode(self, values: Array, source: Source, stamp_ns: int, message_class: Any) -> Any:
        """Joystick message with zeros, its resting position, below the highest selected index of each list."""
        if source.select is None:
            raise source_error(source, "a Joy message needs a select to be written", expected="axes.0, buttons.0, …")
        axes: dict[int, float] = {}
        buttons: dict[int, int] = {}
        for entry, value in zip(source.select, values.tolist(), strict=True):
            if entry.startswith("buttons."):
                buttons[int(entry.removeprefix("buttons."))] = round(value)
            else:
                axes[int(entry.removeprefix("axes."))] = float(value)
        message = message_class()
        set_header_stamp(message, stamp_ns)
        message.axes = [axes.get(index, 0.0) for index in range(max(axes, default=-1) + 1)]
        message.buttons = [buttons.get(index, 0) for index in range(max(buttons, default=-1) + 1)]
        return message


class ScalarCodec(Codec):
    """``std_msgs/Float64`` and ``Float32``: one number, which a ``select`` of one entry may label."""

    has_header = False

    def __init__(self, type_name: str, layout: str) -> None:
        self.type = type_name
        self._read = struct.Struct(layout).unpack_from

    def decode(self, message: Any, source: Source) -> Array:
        """``(1,)`` float32; see :class:`Codec`."""
        return np.array([message.data], np.float32)

    def decode_raw(self, cdr: bytes, source: Source) -> Array:
        """The same from CDR bytes."""
        require_little_endian(cdr)
        return np.array(self._read(cdr, ENCAPSULATION), np.float32)

    def encode(self, values: Array, source: Source, stamp_ns: int, message_class: Any) -> Any:
        """Message of exactly one value."""
        if len(values) != 1:
            raise source_error(source, f"{self.type} holds one number", found=f"{len(values)} values")
        message = message_class()
        message.data = float(values[0])
        return message
