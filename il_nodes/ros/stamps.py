"""Stamps: ``builtin_interfaces/Time`` and nanoseconds."""

from __future__ import annotations

from typing import Any

__all__ = ["ns_to_stamp", "stamp_to_ns"]


def stamp_to_ns(stamp: Any) -> int:
    """Nanoseconds of a ``builtin_interfaces/Time`` message."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def ns_to_stamp(time_ns: int) -> Any:
    """``builtin_interfaces/Time`` message of nanoseconds since the epoch of whichever clock."""
    from builtin_interfaces.msg import Time

    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    return Time(sec=seconds, nanosec=nanoseconds)
