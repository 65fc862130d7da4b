"""Reading CDR, the byte layout of every ROS 2 message on the wire and in a bag, without building message objects.

The first four bytes say which CDR follows; ROS 2 on today's machines sends plain little-endian CDR (XCDR1). Alignment
counts from the byte after those four. Source: OMG CORBA 3.4, part 2, chapter 9.3, and DDS-XTYPES 1.3, clause 7.4.1.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from models.errors import CodecError

__all__ = ["ENCAPSULATION", "CdrCursor", "header_stamp_ns", "require_little_endian"]

#: Length of the encapsulation header: two bytes of representation, two of options. Alignment starts after it.
ENCAPSULATION = 4

#: Strings in one sequence. They name joints or channels; the largest robots have a few dozen, and a sequence of many
#: thousands keeps a node that reads it from everything else.
MAX_STRINGS = 1000

_LITTLE_ENDIAN = b"\x00\x01"
_REPRESENTATIONS = {b"\x00\x00": "big-endian CDR", b"\x00\x02": "big-endian PL_CDR", b"\x00\x03": "PL_CDR"}

_SECOND_NS = 1_000_000_000

_stamp = struct.Struct("<iI").unpack_from
_uint32 = struct.Struct("<I").unpack_from


def require_little_endian(cdr: bytes) -> None:
    """Raise :class:`CodecError` unless ``cdr`` starts like plain little-endian CDR."""
    if cdr[:2] == _LITTLE_ENDIAN and len(cdr) >= ENCAPSULATION:
        return
    kind = bytes(cdr[:2])
    raise CodecError(
        "these bytes are not a little-endian CDR message",
        found="nothing: the message is empty"
        if not cdr
        else _REPRESENTATIONS.get(kind, f"first bytes {kind.hex(' ')}"),
        expected="little-endian CDR (first bytes 00 01), which every ROS 2 middleware sends on x86 and ARM",
    )


def header_stamp_ns(cdr: bytes) -> int:
    """Stamp in nanoseconds of a message whose first field is a ``std_msgs/Header`` (or a ``builtin_interfaces/Time``).

    Raises:
        CodecError: the bytes are not little-endian CDR, too short to hold a stamp, or the stamp is none.
    """
    if cdr[:2] != _LITTLE_ENDIAN:
        require_little_endian(cdr)
    try:
        seconds, nanoseconds = _stamp(cdr, ENCAPSULATION)
    except struct.error as error:
        raise CodecError("a message is too short to hold a header stamp", found=f"{len(cdr)} bytes") from error
    if nanoseconds >= _SECOND_NS:
        raise _no_stamp(seconds, nanoseconds)
    return int(seconds) * _SECOND_NS + int(nanoseconds)


def _no_stamp(seconds: int, nanoseconds: int) -> CodecError:
    """Of a second's fraction that is a second or more: the bytes are broken, and so is any time made of them."""
    return CodecError(
        "a message carries a stamp that is none",
        found=f"{seconds} s and {nanoseconds} ns",
        expected=f"fewer than {_SECOND_NS} ns beside the seconds",
    )


class CdrCursor:
    """A position that walks through one little-endian CDR message, field by field in declaration order.

    Reading past the end raises ``struct.error`` or ``ValueError``; the codecs' entry points turn both into CodecError.

    Args:
        cdr: the whole message, encapsulation header included.
    """

    __slots__ = ("cdr", "position")

    def __init__(self, cdr: bytes) -> None:
        if cdr[:2] != _LITTLE_ENDIAN:
            require_little_endian(cdr)
        self.cdr = cdr
        self.position = ENCAPSULATION

    def align(self, size: int) -> None:
        """Skip padding so that the next read starts at a multiple of ``size`` bytes."""
        self.position = ENCAPSULATION + ((self.position - ENCAPSULATION + size - 1) & -size)

    def uint8(self) -> int:
        """Next ``uint8``, ``byte`` or ``bool``."""
        value = self.cdr[self.position]
        self.position += 1
        return value

    def uint32(self) -> int:
        """Next ``uint32``, or the length of a sequence."""
        self.align(4)
        (value,) = _uint32(self.cdr, self.position)
        self.position += 4
        return int(value)

    def time_ns(self) -> int:
        """Next ``builtin_interfaces/Time`` or ``Duration``, in nanoseconds. Raises CodecError when it is none."""
        self.align(4)
        seconds, nanoseconds = _stamp(self.cdr, self.position)
        if nanoseconds >= _SECOND_NS:
            raise _no_stamp(seconds, nanoseconds)
        self.position += 8
        return int(seconds) * _SECOND_NS + int(nanoseconds)

    def string(self, errors: str = "strict") -> str:
        """Next ``string``, without its terminating zero; ``errors`` as in ``bytes.decode``."""
        length = self.uint32()
        start, self.position = self.position, self.position + length
        if self.position > len(self.cdr):
            raise ValueError(f"a string of {length} bytes does not fit into {len(self.cdr)} bytes")
        return bytes(self.cdr[start : self.position - 1]).decode("utf-8", errors) if length else ""

    def skip_string(self) -> None:
        """Step over a ``string`` without decoding it."""
        length = self.uint32()
        self.position += length

    def strings(self) -> list[str]:
        """Next ``string[]``, of at most ``MAX_STRINGS``; a length that cannot be true is refused before any is read."""
        count = self.uint32()
        if count > min(MAX_STRINGS, (len(self.cdr) - self.position) // 4):  # each has its own length in front of it
            raise ValueError(
                f"a sequence of {count} strings: more than {MAX_STRINGS}, or than {len(self.cdr)} bytes hold"
            )
        return [self.string() for _ in range(count)]

    def header(self) -> int:
        """Step over a ``std_msgs/Header``; its stamp in nanoseconds. Raises CodecError when that is none."""
        stamp_ns = self.time_ns()
        self.skip_string()
        return stamp_ns

    def skip_header(self) -> None:
        """Step over a ``std_msgs/Header`` whose stamp does not matter, whatever it is."""
        self.skip_time()
        self.skip_string()

    def skip_time(self) -> None:
        """Step over a ``builtin_interfaces/Time`` without looking at it."""
        self.align(4)
        self.position += 8

    def array(self, dtype: str) -> npt.NDArray[np.generic]:
        """Next sequence of numbers, such as ``float64[]``, as a view of the message: nothing is copied.

        Args:
            dtype: little-endian NumPy type of one element, ``"<f8"`` or ``"|u1"``.
        """
        count = self.uint32()
        element = np.dtype(dtype)
        if count:  # an empty sequence has no padding behind its length
            self.align(element.itemsize)
        start, self.position = self.position, self.position + count * element.itemsize
        if self.position > len(self.cdr):
            raise ValueError(f"a sequence of {count} elements does not fit into {len(self.cdr)} bytes")
        return np.frombuffer(self.cdr, element, count, start) if count else np.empty(0, element)
