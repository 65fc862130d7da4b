"""What a survey reads out of a message's bytes: numbers by name, the size of a picture. Pixels are never decoded."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from il_nodes.codecs import CODECS, CdrCursor, decode_raw
from il_nodes.codecs.fixed import FixedCodec
from il_nodes.codecs.interface import Array
from models.contract import Align, Channel, Source
from models.contract.messages import IMAGE_TYPES, SCALAR_TYPES
from models.errors import CodecError

__all__ = ["Content", "Picture", "jpeg_size", "png_size", "read_content", "read_values"]

#: More numbers than that in one message are no state of a robot that a policy would see one by one.
MOST_VALUES = 64
_MALFORMED = (struct.error, ValueError, IndexError)


@dataclass(frozen=True)
class Picture:
    """Size in pixels and encoding of one frame."""

    height: int
    width: int
    encoding: str


@dataclass(frozen=True)
class Content:
    """What one message holds: numbers under their names, or a picture."""

    names: tuple[str, ...] = ()
    values: tuple[float, ...] = ()
    picture: Picture | None = None


def read_content(type_name: str, cdr: bytes) -> Content:
    """The content of a message of any type with a codec, without a contract that says what is wanted of it.

    Numbers have the names that a contract's ``select`` would give them; covariances are left out.

    Raises:
        CodecError: the bytes do not hold a whole message, an image of an unsupported encoding, or too many numbers.
    """
    reader = _READERS.get(type_name)
    if reader is None:
        raise CodecError(f"no codec for messages of type {type_name}", found=type_name)
    try:
        return reader(cdr)
    except _MALFORMED as error:
        found = f"{len(cdr)} bytes: {error}"
        raise CodecError(f"these bytes are not a whole {type_name}", found=found) from error


def read_values(sources: Sequence[Source], cdr: bytes) -> Content:
    """The numbers that a contract's sources take from one message, or its picture's size.

    Raises:
        CodecError: the message does not hold what the contract says.
    """
    if sources[0].channel.type in IMAGE_TYPES:
        return read_content(sources[0].channel.type, cdr)
    names: list[str] = []
    values: list[float] = []
    for source in sources:
        names += source.names
        values += np.atleast_1d(decode_raw(cdr, source)).tolist()
    return Content(tuple(names), tuple(values))


def _image(cdr: bytes) -> Content:
    cursor = CdrCursor(cdr)
    cursor.skip_header()
    height, width, encoding = cursor.uint32(), cursor.uint32(), cursor.string()
    source = Source(Channel("image", "sensor_msgs/msg/Image"), Align("hold", "header"))
    decode_raw(cdr, source)  # a view: it only checks that the encoding is known and that the size fits the data
    return Content(picture=Picture(height, width, encoding))


def _compressed_image(cdr: bytes) -> Content:
    cursor = CdrCursor(cdr)
    cursor.skip_header()
    image_format = cursor.string()
    data = cursor.array("|u1").tobytes()
    kind, size = ("png", png_size(data)) if data.startswith(b"\x89PNG") else ("jpeg", jpeg_size(data))
    if size is None:
        raise CodecError(
            "neither a JPEG nor a PNG picture",
            found=f"format {image_format!r}, first bytes {data[:8].hex(' ') or 'none'}",
            expected="a JPEG, or a PNG with 8 bits a channel",
        )
    return Content(picture=Picture(*size, kind))


def png_size(data: bytes) -> tuple[int, int] | None:
    """Height and width of a PNG with 8 bits a channel (PNG specification, clause 11.2.1), else ``None``."""
    if len(data) < 25 or not data.startswith(b"\x89PNG\r\n\x1a\n") or data[24] > 8:
        return None
    width, height = struct.unpack_from(">2I", data, 16)
    return height, width


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Height and width of a JPEG, from its frame header (ITU-T T.81, B.2.2); ``None`` if there is none."""
    position = 2
    if not data.startswith(b"\xff\xd8"):
        return None
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker, (length,) = data[position + 1], struct.unpack_from(">H", data, position + 2)
        # SOF0 to SOF15, without the three of that range that are something else: DHT, JPG and DAC.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">2H", data, position + 5)
            return height, width
        position += 2 + length
    return None


def _numbers(names: Sequence[str], values: Array) -> Content:
    if len(names) != len(values):
        raise CodecError("as many names as values are needed", found=f"{len(names)} names, {len(values)} values")
    if len(names) > MOST_VALUES:
        raise CodecError("too many numbers to be a robot's state", found=f"{len(names)} numbers")
    return Content(tuple(names), tuple(np.asarray(values, np.float64).tolist()))


def _joints(names: list[str], fields: dict[str, Array]) -> Content:
    """Every field that has one value a joint; drivers leave the others empty."""
    given = {field: values for field, values in fields.items() if len(values)}
    labels = [f"{field}.{name}" for field in given for name in names]
    return _numbers(labels, np.concatenate(list(given.values())) if given else np.empty(0))


def _joint_state(cdr: bytes) -> Content:
    cursor = CdrCursor(cdr)
    cursor.skip_header()
    names = cursor.strings()
    return _joints(names, {field: cursor.array("<f8") for field in ("position", "velocity", "effort")})


def _joint_trajectory(cdr: bytes) -> Content:
    """The first point: the one that a policy would command."""
    cursor = CdrCursor(cdr)
    cursor.skip_header()
    names = cursor.strings()
    if not cursor.uint32():
        return Content()
    fields = ("positions", "velocities", "accelerations", "effort")
    return _joints(names, {field: cursor.array("<f8") for field in fields})


def _joy(cdr: bytes) -> Content:
    cursor = CdrCursor(cdr)
    cursor.skip_header()
    axes, buttons = cursor.array("<f4"), cursor.array("<i4")
    names = [f"axes.{index}" for index in range(len(axes))] + [f"buttons.{index}" for index in range(len(buttons))]
    return _numbers(names, np.concatenate([axes, buttons]))


def _plain(type_name: str) -> Callable[[bytes], Content]:
    """Scalars and multi-arrays: all there is, by index."""
    source = Source(Channel("numbers", type_name), Align("hold", "receive"))

    def read(cdr: bytes) -> Content:
        values = decode_raw(cdr, source)
        return _numbers(["data"] if type_name in SCALAR_TYPES else [f"data.{i}" for i in range(len(values))], values)

    return read


def _fixed(codec: FixedCodec) -> Callable[[bytes], Content]:
    names = tuple(name for name in codec.fields if "covariance." not in name)
    source = Source(Channel("numbers", codec.type), Align("hold", "receive"), select=names)

    def read(cdr: bytes) -> Content:
        return _numbers(names, decode_raw(cdr, source))

    return read


_READERS: dict[str, Callable[[bytes], Content]] = {
    name: _fixed(codec) if isinstance(codec, FixedCodec) else _plain(name) for name, codec in CODECS.items()
} | {
    "sensor_msgs/msg/Image": _image,
    "sensor_msgs/msg/CompressedImage": _compressed_image,
    "sensor_msgs/msg/JointState": _joint_state,
    "trajectory_msgs/msg/JointTrajectory": _joint_trajectory,
    "sensor_msgs/msg/Joy": _joy,
}
