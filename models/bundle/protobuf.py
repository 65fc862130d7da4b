"""Just enough of the protobuf wire format to look into an ONNX file without trusting it.

https://protobuf.dev/programming-guides/encoding/ — a message is a sequence of (field number, wire type, value). Nothing
is copied: values are integers or views of the file.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["Field", "WireError", "fields", "text"]

Field = tuple[int, "int | memoryview"]
"""Field number and value: an integer for varints and fixed-size numbers, a view of the bytes for everything else."""

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
MAX_VARINT_BYTES = 10


class WireError(Exception):
    """Bytes that are no protobuf message."""


def fields(message: memoryview) -> Iterator[Field]:
    """Every field of a message, in the order of the file.

    Raises:
        WireError: a field that reaches beyond the end (a truncated file), or that no encoder writes.
    """
    position, end = 0, len(message)
    while position < end:
        tag, position = _varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        if number == 0:
            raise WireError(f"field number 0 at byte {position}")
        if wire_type == VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire_type == LENGTH_DELIMITED:
            size, position = _varint(message, position)
        elif wire_type in (FIXED64, FIXED32):
            size = 8 if wire_type == FIXED64 else 4
        else:
            raise WireError(f"wire type {wire_type} at byte {position}")
        if position + size > end:
            raise WireError(f"field {number} needs {size} bytes and only {end - position} are left")
        content = message[position : position + size]
        position += size
        yield number, content if wire_type == LENGTH_DELIMITED else int.from_bytes(content, "little")


def text(value: int | memoryview) -> str:
    """A string field's value; raises ``WireError`` when it is none."""
    if isinstance(value, int):
        raise WireError(f"a number ({value}) where text belongs")
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError as error:
        raise WireError(f"text that is not UTF-8: {error}") from error


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for index in range(MAX_VARINT_BYTES):
        if position >= len(message):
            raise WireError("the file ends inside a number")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position
    raise WireError(f"a number longer than {MAX_VARINT_BYTES} bytes before byte {position}")
