"""``trajectory_msgs/JointTrajectory``: commands to arms (its first point), and proposals of a policy (all of it).

On the wire a proposal is a trajectory over named channels: the action dimensions, then ``unsafe_probability``; one
point a chunk step, ``time_from_start`` = step x period, header stamp = stamp of the newest observation used.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from il_nodes.codecs.cdr import ENCAPSULATION, CdrCursor
from il_nodes.codecs.interface import Array, Codec, import_message_class, set_header_stamp, source_error
from il_nodes.codecs.joints import joint_plan, pick_joints, scatter_joints
from models.data import Proposal
from models.errors import CodecError

if TYPE_CHECKING:
    from models.contract import Source

__all__ = ["UNSAFE_PROBABILITY", "JointTrajectoryCodec", "encode_proposal", "proposal_from_cdr"]

#: Name of the last channel of a proposal.
UNSAFE_PROBABILITY = "unsafe_probability"

#: Points of a proposal. A chunk has a few dozen steps; reading 1,000 takes some milliseconds, 200,000 a second.
MAX_POINTS = 1000

_FIELDS = ("positions", "velocities", "accelerations", "effort")
#: Bytes of the smallest point: the lengths of four empty sequences, and a duration.
_MIN_POINT_BYTES = 4 * len(_FIELDS) + 8
#: What a point has no numbers for: three empty sequences.
_EMPTY_FIELDS = bytes(4 * (len(_FIELDS) - 1))
#: Little-endian CDR.
_ENCAPSULATED = b"\x00\x01\x00\x00"
_time = struct.Struct("<iI").pack
_uint32 = struct.Struct("<I").pack
_ALIASES = {field: field for field in _FIELDS} | {
    "position": "positions",
    "velocity": "velocities",
    "acceleration": "accelerations",
}


@dataclass(frozen=True, slots=True)
class _Trajectory:
    stamp_ns: int
    names: list[str]
    points: list[dict[str, Array]]
    times_ns: list[int]


def _parse(cdr: bytes, limit: int | None = None) -> _Trajectory:
    """Trajectory of CDR bytes: its first ``limit`` points, or all of them.

    Raises:
        CodecError: more points than ``MAX_POINTS`` are to be read, or than the bytes can hold.
    """
    cursor = CdrCursor(cdr)
    stamp_ns = cursor.header()
    names = cursor.strings()
    count = cursor.uint32()
    wanted = count if limit is None else min(count, limit)
    room = (len(cdr) - cursor.position) // _MIN_POINT_BYTES
    if wanted > min(MAX_POINTS, room):
        raise CodecError(
            "a trajectory with too many points",
            found=f"{count} points in {len(cdr)} bytes",
            expected=f"at most {MAX_POINTS}, and no more than the bytes can hold",
        )
    points, times_ns = [], []
    for _ in range(wanted):
        points.append({field: cursor.array("<f8") for field in _FIELDS})
        times_ns.append(cursor.time_ns())
    return _Trajectory(stamp_ns, names, points, times_ns)


class JointTrajectoryCodec(Codec):
    """First point of a trajectory: ``positions.<joint>``, ``velocities.<joint>``, …; ``<joint>`` alone is its position.

    The singular (``position.<joint>``) is understood too.
    """

    type = "trajectory_msgs/msg/JointTrajectory"
    has_header = True

    def decode(self, message: Any, source: Source) -> Array:
        """Float32 values in the select's order; see :class:`Codec`."""
        points = [{field: getattr(point, field) for field in _FIELDS} for point in message.points[:1]]
        return self._first_point(points, list(message.joint_names), source)

    def decode_raw(self, cdr: bytes, source: Source) -> Array:
        """The same from CDR bytes."""
        trajectory = _parse(cdr, limit=1)
        return self._first_point(trajectory.points, trajectory.names, source)

    def _first_point(self, points: list[dict[str, Any]], names: list[str], source: Source) -> Array:
        if not points:
            raise source_error(source, "this trajectory has no points", expected="at least one point with positions")
        return pick_joints(joint_plan(source, _ALIASES, "positions"), names, points[0], source)

    def encode(self, values: Array, source: Source, stamp_ns: int, message_class: Any) -> Any:
        """Trajectory of one point at time zero, joints in the order they first appear in the select."""
        names, fields = scatter_joints(joint_plan(source, _ALIASES, "positions"), values, source)
        message, point = message_class(), import_message_class("trajectory_msgs/msg/JointTrajectoryPoint")()
        set_header_stamp(message, stamp_ns)
        message.joint_names = names
        for field, numbers in fields.items():
            setattr(point, field, numbers)
        message.points = [point]
        return message

    def set_reach_time(self, message: Any, duration_ns: int) -> None:
        """``time_from_start`` of its point. joint_trajectory_controller drops a trajectory that ends in the past."""
        reach = message.points[0].time_from_start
        reach.sec, reach.nanosec = divmod(duration_ns, 1_000_000_000)


def encode_proposal(proposal: Proposal, period_s: float) -> bytes:
    """``trajectory_msgs/JointTrajectory`` of a proposal, as the bytes that a publisher sends.

    Laid out here rather than by building a message of nested Python objects and having it serialised: that took 94 µs
    of every tick, this 27 µs. NaN is passed on, since the gate must see it to refuse it; only shapes are checked.

    Args:
        proposal: actions ``(chunk, dims)`` in SI units, one name a dimension.
        period_s: seconds from one chunk step to the next.

    Raises:
        CodecError: the names do not fit the actions, there is no action, or the stamp fits into no message.
    """
    actions = np.asarray(proposal.actions, np.float64)
    if actions.ndim != 2 or not len(actions) or actions.shape[1] != len(proposal.names):
        raise CodecError(
            "a proposal whose actions do not fit its names",
            found=f"actions {actions.shape}, names {', '.join(proposal.names)}",
            expected="actions (chunk, dims) with at least one step and one name a dimension",
        )
    width, period_ns = len(proposal.names) + 1, round(period_s * 1e9)
    unsafe = float(proposal.unsafe_probability)
    parts = [
        _ENCAPSULATED,
        _stamp(proposal.stamp_ns),
        _names((*proposal.names, UNSAFE_PROBABILITY)),
        _uint32(len(actions)),
    ]
    end = sum(map(len, parts)) - ENCAPSULATION
    for step, row in enumerate(actions.tolist()):
        padding = bytes(-(end + 4) % 8)  # doubles are aligned to their size
        point = struct.pack(f"<I{len(padding)}s{width}d", width, padding, *row, unsafe)
        parts += [point, _EMPTY_FIELDS, _time(*divmod(step * period_ns, 1_000_000_000))]
        end += len(point) + len(_EMPTY_FIELDS) + 8
    return b"".join(parts)


def _stamp(stamp_ns: int) -> bytes:
    try:
        return _time(*divmod(stamp_ns, 1_000_000_000))
    except struct.error as error:
        raise CodecError(
            "a proposal whose stamp fits into no message", found=f"{stamp_ns} ns", expected="seconds of 32 bits"
        ) from error


@lru_cache(maxsize=8)
def _names(names: tuple[str, ...]) -> bytes:
    """An empty ``frame_id`` and the joint names, as they stand behind the stamp, at a multiple of four bytes."""
    return _string("") + _uint32(len(names)) + b"".join(map(_string, names))


def _string(text: str) -> bytes:
    """Length, characters, a zero, and zeros up to the next multiple of four bytes."""
    encoded = text.encode() + b"\0"
    return _uint32(len(encoded)) + encoded + bytes(-len(encoded) % 4)


def proposal_from_cdr(cdr: bytes) -> Proposal:
    """Proposal of a trajectory's CDR bytes; numbers may be NaN, shapes and names are checked.

    Raises:
        CodecError: no points or more than ``MAX_POINTS``, a last channel that is not ``unsafe_probability``, or a point
            of another length.
        struct.error, ValueError: the bytes end too early.
    """
    trajectory = _parse(cdr)
    names = trajectory.names
    if len(names) < 2 or names[-1] != UNSAFE_PROBABILITY:
        raise CodecError(
            "a proposal without its safety channel",
            found=f"channels {', '.join(names) or 'none'}",
            expected=f"the action dimensions, then {UNSAFE_PROBABILITY}",
        )
    sizes = {len(point["positions"]) for point in trajectory.points}
    if sizes != {len(names)}:
        raise CodecError(
            "a proposal whose points do not fit its channels",
            found=f"points of {sorted(sizes)} numbers" if sizes else "no points",
            expected=f"at least one point, each with {len(names)} numbers for {', '.join(names)}",
        )
    table = np.array([point["positions"] for point in trajectory.points], np.float64)
    return Proposal(
        stamp_ns=trajectory.stamp_ns,
        actions=table[:, :-1].astype(np.float32),
        unsafe_probability=float(table[0, -1]),
        names=tuple(names[:-1]),
    )
