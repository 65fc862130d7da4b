"""One spelling for each message: the same values always as the same bytes.

Serialisers leave whatever was in memory in the padding between fields, and rclpy's appends up to a few bytes after a
trailing empty sequence. So two runs that send equal messages send different bytes, stale memory ends up on disk, and
some readers (rosbags' among them) refuse the surplus. A recording stores the canonical bytes instead.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

from il_nodes.codecs.cdr import ENCAPSULATION

__all__ = ["canonical_cdr", "typestore"]


@cache
def typestore() -> Any:
    """Definitions of every message of ROS 2 Jazzy's common packages, as rosbags knows them."""
    from rosbags.typesys import Stores, get_typestore  # 0.15 s, and only recorders need it

    return get_typestore(Stores.ROS2_JAZZY)


def canonical_cdr(cdr: bytes, type_name: str) -> bytes:
    """Same message with zeros as padding and nothing behind its last field; every value keeps its bits.

    What cannot be parsed (an unknown type, broken or big-endian bytes) comes back as it is: recording must not lose it.
    About 15 µs for a 96x64 image, 50 µs for odometry.
    """
    from rosbags.serde import SerdeError

    store = typestore()
    if cdr[:2] != b"\x00\x01" or type_name not in store.fielddefs:
        return cdr
    definition = store.get_msgdef(type_name)
    try:
        # Not deserialize_cdr: that one refuses the very surplus bytes that are to be removed here.
        message, _ = definition.deserialize_cdr_le(cdr[ENCAPSULATION:], 0, definition.cls, store)
        return bytes(store.serialize_cdr(message, type_name, little_endian=True))
    except (struct.error, ValueError, AssertionError, SerdeError):
        return cdr
