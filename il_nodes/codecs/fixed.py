"""Messages that are a header, some strings, and then nothing but float64: twists, odometry, inertial measurements.

Once the strings are stepped over, the rest of such a message is one aligned block of doubles, so decoding is an index
into a NumPy view. The tables list the doubles in declaration order of ROS 2 Jazzy.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from il_nodes.codecs.cdr import ENCAPSULATION, require_little_endian
from il_nodes.codecs.interface import Array, Codec, nearest, set_header_stamp, source_error
from models.errors import CodecError

if TYPE_CHECKING:
    from models.contract import Source

__all__ = ["FIXED_CODECS", "FixedCodec"]

_length = struct.Struct("<I").unpack_from
_stamp = struct.Struct("<iI").pack_into


def _vector(prefix: str) -> tuple[str, ...]:
    return tuple(f"{prefix}.{axis}" for axis in "xyz")


def _quaternion(prefix: str) -> tuple[str, ...]:
    return tuple(f"{prefix}.{axis}" for axis in "xyzw")


def _covariance(prefix: str, count: int) -> tuple[str, ...]:
    return tuple(f"{prefix}.{index}" for index in range(count))


_TWIST = _vector("linear") + _vector("angular")
_POSE = _vector("position") + _quaternion("orientation")


def _under(prefix: str, fields: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{prefix}.{field}" for field in fields)


class FixedCodec(Codec):
    """Codec of one type with a fixed block of doubles.

    Args:
        type_name: ROS type.
        fields: dot path of every double, in the order of the wire.
        has_header: whether a ``std_msgs/Header`` comes first.
        strings: strings between the header's stamp and the doubles, the header's ``frame_id`` included.
    """

    def __init__(self, type_name: str, fields: tuple[str, ...], *, has_header: bool, strings: int) -> None:
        self.type = type_name
        self.has_header = has_header
        self.fields = fields
        self.strings = strings
        self._start = ENCAPSULATION + (8 if has_header else 0)
        self._position = {field: index for index, field in enumerate(fields)}
        # Without a select: everything but covariances, which are hardly ever what a policy should see.
        self._default = tuple(field for field in fields if ".covariance." not in field and "_covariance." not in field)
        self._blank = lru_cache(maxsize=8)(_blank_cdr)
        # A contract has a handful of selects; looking the names up once makes decoding an array index.
        self._indices = lru_cache(maxsize=256)(self._look_up)

    def _look_up(self, select: tuple[str, ...] | None, topic: str) -> npt.NDArray[np.intp]:
        chosen = self._default if select is None else select
        unknown = next((field for field in chosen if field not in self._position), None)
        if unknown is not None:
            raise CodecError(
                f"{topic}: {self.type} has no number called {unknown!r}",
                found=unknown,
                expected=nearest(unknown, self.fields) or f"one of {', '.join(self._default)}",
            )
        return np.array([self._position[field] for field in chosen], np.intp)

    def decode(self, message: Any, source: Source) -> Array:
        """Float32 values in the select's order; see :class:`Codec`."""
        indices = self._indices(source.select, source.channel.topic)
        return np.array([_get(message, self.fields[index]) for index in indices.tolist()], np.float64).astype(
            np.float32
        )

    def decode_raw(self, cdr: bytes, source: Source) -> Array:
        """The same from CDR bytes, in about two microseconds."""
        require_little_endian(cdr)
        block = np.frombuffer(cdr, "<f8", len(self.fields), self._block(cdr))
        return block[self._indices(source.select, source.channel.topic)].astype(np.float32)

    def _block(self, cdr: bytes | bytearray) -> int:
        """Where the doubles begin."""
        position = self._start
        for _ in range(self.strings):
            position = (position + 3) & -4  # the encapsulation header is itself a multiple of four
            position += 4 + _length(cdr, position)[0]
        return ENCAPSULATION + ((position - ENCAPSULATION + 7) & -8)

    def encode(self, values: Array, source: Source, stamp_ns: int, message_class: Any) -> Any:
        """Message with ``values`` at the select's paths and zero (or the type's defaults) elsewhere."""
        indices = self._require_indices(values, source).tolist()
        message = message_class()
        if self.has_header:
            set_header_stamp(message, stamp_ns)
        for index, value in zip(indices, values.tolist(), strict=True):
            _set(message, self.fields[index], float(value))
        return message

    def encode_cdr(self, values: Array, source: Source, stamp_ns: int, message_class: Any) -> bytes:
        """The same as the bytes that go out: an empty message's, with the numbers put into their places.

        For the path of every command, where building a message and having it serialised would come on top.
        """
        indices = self._require_indices(values, source)
        cdr = bytearray(self._blank(message_class))
        if self.has_header:
            _stamp(cdr, ENCAPSULATION, *divmod(stamp_ns, 1_000_000_000))
        np.frombuffer(cdr, "<f8", len(self.fields), self._block(cdr))[indices] = values
        return bytes(cdr)

    def _require_indices(self, values: Array, source: Source) -> npt.NDArray[np.intp]:
        """Where each value goes. Raises CodecError when there are more or fewer of them."""
        indices = self._indices(source.select, source.channel.topic)
        if len(indices) != len(values):
            raise source_error(
                source, "wrong number of values", found=f"{len(values)} values", expected=f"{len(indices)} values"
            )
        return indices


def _blank_cdr(message_class: Any) -> bytes:
    """A new message as it is sent, the type's defaults in it."""
    from rclpy.serialization import serialize_message

    cdr: bytes = serialize_message(message_class())
    require_little_endian(cdr)
    return cdr


def _get(message: Any, path: str) -> float:
    for part in path.split("."):
        message = message[int(part)] if part.isdigit() else getattr(message, part)
    return float(message)


def _set(message: Any, path: str, value: float) -> None:
    *parents, last = path.split(".")
    for part in parents:
        message = getattr(message, part)
    if last.isdigit():
        message[int(last)] = value
    else:
        setattr(message, last, value)


_ODOMETRY = (
    _under("pose.pose", _POSE)
    + _covariance("pose.covariance", 36)
    + _under("twist.twist", _TWIST)
    + _covariance("twist.covariance", 36)
)
_IMU = (
    _quaternion("orientation")
    + _covariance("orientation_covariance", 9)
    + _vector("angular_velocity")
    + _covariance("angular_velocity_covariance", 9)
    + _vector("linear_acceleration")
    + _covariance("linear_acceleration_covariance", 9)
)

FIXED_CODECS = (
    FixedCodec("geometry_msgs/msg/Twist", _TWIST, has_header=False, strings=0),
    FixedCodec("geometry_msgs/msg/TwistStamped", _under("twist", _TWIST), has_header=True, strings=1),
    FixedCodec("geometry_msgs/msg/PoseStamped", _under("pose", _POSE), has_header=True, strings=1),
    FixedCodec(
        "geometry_msgs/msg/WrenchStamped",
        _under("wrench", _vector("force") + _vector("torque")),
        has_header=True,
        strings=1,
    ),
    FixedCodec("nav_msgs/msg/Odometry", _ODOMETRY, has_header=True, strings=2),
    FixedCodec("sensor_msgs/msg/Imu", _IMU, has_header=True, strings=1),
)
