"""Cameras: ``sensor_msgs/Image`` and ``sensor_msgs/CompressedImage``.

Colour always comes out as RGB. A raw image is a view of the message's own bytes: at 640x480 that is 900 kB not copied.
"""

from __future__ import annotations

import array
import re
import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from il_nodes.codecs.cdr import ENCAPSULATION, CdrCursor, require_little_endian
from il_nodes.codecs.interface import Array, Codec, import_message_class, set_header_stamp, source_error

if TYPE_CHECKING:
    from models.contract import Source

__all__ = ["CompressedImageCodec", "ImageCodec", "encode_image"]

#: Encoding to (channels on the wire, which of them, in which order). Alpha is dropped.
_NAMED: dict[str, tuple[int, slice | None]] = {
    "rgb8": (3, None),
    "bgr8": (3, slice(None, None, -1)),
    "rgba8": (4, slice(0, 3)),
    "bgra8": (4, slice(2, None, -1)),
    "mono8": (1, None),
}
#: OpenCV's names: any number of 8-bit channels, meaning unknown, so their order is kept.
_OPENCV = re.compile(r"8uc([1-9]\d?)$")

#: Where the header's frame_id starts: behind the encapsulation and the stamp.
_FRAME_ID = ENCAPSULATION + 8
_uint32 = struct.Struct("<I").unpack_from
_uint32_2 = struct.Struct("<2I").unpack_from
_uint32_3 = struct.Struct("<3I").unpack_from

_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
#: Where a PNG's IHDR chunk says how many bits a sample has (PNG specification, clause 11.2.1).
_PNG_BIT_DEPTH = 24


@lru_cache(maxsize=32)
def _channels(encoding: str) -> tuple[int, slice | None] | None:
    """Channels on the wire and how to reorder them, if at all; None for an encoding that is not supported."""
    lowered = encoding.lower()
    match = _OPENCV.match(lowered)
    if match:
        return int(match.group(1)), None
    return _NAMED.get(lowered)


def _pixels(data: Array, height: int, width: int, encoding: str, step: int, source: Source) -> Array:
    """View ``(height, width, channels)`` of the bytes behind an image message, row padding cut off."""
    layout = _channels(encoding)
    if layout is None:
        raise source_error(
            source,
            "this image encoding is not supported",
            found=repr(encoding),
            expected=f"8 bits a channel: {', '.join(_NAMED)} or 8UC1 to 8UC99",
            fix="have the driver publish an 8-bit encoding; depth and Bayer images must be converted first",
        )
    channels, order = layout
    row = width * channels
    if height == 0 or width == 0 or step < row or len(data) != height * step:
        raise source_error(
            source,
            "the size of this image contradicts its data",
            found=f"{width}x{height} {encoding}, step {step}, {len(data)} bytes",
            expected=f"a step of at least {row} and step x height bytes, for an image that is not empty",
        )
    if step == row:
        pixels = data.reshape(height, width, channels)
    else:
        strides = (step, channels, 1)
        pixels = np.lib.stride_tricks.as_strided(data, (height, width, channels), strides, writeable=False)
    return pixels if order is None else pixels[:, :, order]


class ImageCodec(Codec):
    """Raw images with 8 bits a channel: ``(height, width, channels)`` uint8, RGB where there is colour."""

    type = "sensor_msgs/msg/Image"
    has_header = True

    def decode(self, message: Any, source: Source) -> Array:
        """View of the message's pixels; see :class:`Codec`."""
        data = np.frombuffer(message.data, np.uint8)
        return _pixels(data, message.height, message.width, message.encoding, message.step, source)

    def decode_raw(self, cdr: bytes, source: Source) -> Array:
        """View of the pixels inside ``cdr``, which it keeps alive."""
        # By hand instead of with a cursor: this is the hottest line of a robot, and a third of the time.
        require_little_endian(cdr)
        position = _FRAME_ID + 4 + (_uint32(cdr, _FRAME_ID)[0] + 3 & -4)
        height, width, length = _uint32_3(cdr, position)
        encoding = cdr[position + 12 : position + 11 + length]
        # Behind the encoding stands is_bigendian, which says nothing about single bytes.
        position += 12 + length + 1 + 3 & -4
        step, size = _uint32_2(cdr, position)
        data = np.frombuffer(cdr, np.uint8, size, position + 8)
        return _pixels(data, height, width, encoding.decode(), step, source)

    def encode(self, values: Array, source: Source, stamp_ns: int, message_class: Any) -> Any:
        """Message of ``(height, width, channels)`` uint8 with an empty frame id."""
        return encode_image(values, stamp_ns, "", message_class)


def encode_image(pixels: Array, stamp_ns: int, frame_id: str, message_class: Any = None) -> Any:
    """``sensor_msgs/Image`` of ``(height, width, channels)`` uint8: RGB as rgb8, one channel as mono8, else 8UCn.

    The data is handed over as ``array.array('B')``, which rclpy takes as it is (0.05 ms for 640x480; it would check a
    NumPy array element by element, 93 ms).
    """
    height, width, channels = pixels.shape
    message = (message_class or import_message_class(ImageCodec.type))()
    set_header_stamp(message, stamp_ns)
    message.header.frame_id = frame_id
    message.height, message.width = height, width
    message.encoding = {1: "mono8", 3: "rgb8"}.get(channels, f"8UC{channels}")
    message.step = width * channels
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(pixels, np.uint8).data)
    message.data = data
    return message


class CompressedImageCodec(Codec):
    """JPEG and PNG with 8 bits a channel, decoded by OpenCV to ``(height, width, 3)`` uint8 RGB.

    Live and offline must run the same OpenCV: JPEG decoders differ in the last bit of a pixel.
    """

    type = "sensor_msgs/msg/CompressedImage"
    has_header = True

    def decode(self, message: Any, source: Source) -> Array:
        """Pixels of a message; see :class:`Codec`."""
        return _decompress(np.frombuffer(message.data, np.uint8), message.format, source)

    def decode_raw(self, cdr: bytes, source: Source) -> Array:
        """The same from CDR bytes."""
        cursor = CdrCursor(cdr)
        cursor.skip_header()
        image_format = cursor.string()
        return _decompress(cursor.array("|u1"), image_format, source)


def _decompress(data: Array, image_format: str, source: Source) -> Array:
    start = data[: _PNG_BIT_DEPTH + 1].tobytes()
    sixteen_bit = start.startswith(_PNG) and len(start) > _PNG_BIT_DEPTH and start[_PNG_BIT_DEPTH] > 8
    pixels = None
    if start.startswith(_JPEG) or (start.startswith(_PNG) and not sixteen_bit):
        import cv2  # 60 ms to import, and only robots with compressed cameras need it

        # Orientation tags would turn the image on one machine and not on another: the robot's mounting is what counts.
        pixels = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise source_error(
            source,
            "this compressed image cannot be decoded",
            found=f"format {image_format!r}, {len(data)} bytes starting {start[:8].hex(' ') or 'nowhere'}"
            + (", 16 bits a channel" if sixteen_bit else ""),
            expected="a whole JPEG, or a PNG with 8 bits a channel",
        )
    # compressed_image_transport writes "rgb8; jpeg compressed bgr8": the last word is the order that OpenCV was given.
    _, _, order = image_format.lower().partition("compressed ")
    return np.asarray(pixels) if order.startswith("rgb") else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
