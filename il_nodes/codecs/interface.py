"""What a codec is: one ROS message type, to and from arrays."""

from __future__ import annotations

import difflib
import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from models.errors import CodecError

if TYPE_CHECKING:
    from models.contract import Source

__all__ = ["Array", "Codec", "import_message_class", "nearest", "set_header_stamp", "source_error"]

Array = npt.NDArray[np.generic]


class Codec(ABC):
    """One ROS message type as an array: images ``(height, width, channels)`` uint8, all else ``(dims,)`` float32.

    ``decode`` and ``decode_raw`` must give the same bytes for the same message: the first serves tests and code that
    holds a message, the second is the path of both the live nodes and the bags. Instances are stateless, take their
    orders from the contract's :class:`~models.contract.Source`, and are shared between threads.
    """

    #: ROS type this codec serves, as written in contracts and bags: ``sensor_msgs/msg/Image``.
    type: str
    #: Whether the message starts with a ``std_msgs/Header``, so that it has a stamp of its own.
    has_header: bool

    @abstractmethod
    def decode(self, message: Any, source: Source) -> Array:
        """Array of a deserialised message (rclpy's or rosbags'). Raises CodecError."""

    @abstractmethod
    def decode_raw(self, cdr: bytes, source: Source) -> Array:
        """The same from the message's CDR bytes; images are views into ``cdr``. Raises CodecError."""

    def encode(self, values: Array, source: Source, stamp_ns: int, message_class: Any) -> Any:
        """New ``message_class`` that carries ``values``, finite and of the select's length. Raises CodecError."""
        raise source_error(
            source,
            f"{self.type} cannot be written as an action",
            expected="a type with an encoder, for example geometry_msgs/msg/TwistStamped or sensor_msgs/msg/JointState",
        )

    def encode_cdr(self, values: Array, source: Source, stamp_ns: int, message_class: Any) -> bytes | None:
        """The same as ``encode`` as the bytes that go out; ``None`` where they are not laid out here."""
        return None

    def set_reach_time(self, message: Any, duration_ns: int) -> None:
        """Say in a command how long after its stamp it is to be reached."""
        return  # most are to be followed when they arrive, and have no word for it


def source_error(
    source: Source, problem: str, *, found: object = None, expected: str = "", fix: str = ""
) -> CodecError:
    """CodecError that starts with the topic it is about."""
    return CodecError(f"{source.channel.topic}: {problem}", found=found, expected=expected, fix=fix)


def nearest(name: str, known: Iterable[str]) -> str:
    """Hint with the known name that is spelt most like ``name``; empty when none comes close."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else ""


@lru_cache(maxsize=64)
def import_message_class(type_name: str) -> Any:
    """Message class of ``package/msg/Name``, imported only now because reading bags must not need ROS.

    Raises:
        CodecError: the package is not installed, or has no such message.
    """
    parts = type_name.split("/")
    if len(parts) != 3:
        raise CodecError("not a ROS message type", found=type_name, expected="package/msg/Name")
    package, kind, name = parts
    try:
        return getattr(importlib.import_module(f"{package}.{kind}"), name)
    except (ImportError, AttributeError) as error:
        raise CodecError(
            f"no Python class for {type_name}", found=str(error), fix=f"install the ROS package {package} and source it"
        ) from error


def set_header_stamp(message: Any, stamp_ns: int) -> None:
    """Write ``stamp_ns`` into ``message.header.stamp``."""
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(int(stamp_ns), 1_000_000_000)
