"""Proposals of a policy, on their way to the gate.

On the wire a proposal is a ``trajectory_msgs/JointTrajectory`` over named channels: the action dimensions, then
``unsafe_probability``; one point a chunk step, ``time_from_start`` = step x period, header stamp = stamp of the newest
observation used.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from il_nodes.codecs.cdr import ENCAPSULATION, CdrCursor
from il_nodes.codecs.trajectory import FIELDS, Trajectory, parse_trajectory
from models.data import Proposal
from models.errors import CodecError

__all__ = ["UNSAFE_PROBABILITY", "encode_proposal", "proposal_from_cdr"]

#: Name of the last channel of a proposal.
UNSAFE_PROBABILITY = "unsafe_probability"

#: What a point has no numbers for: three empty sequences.
_EMPTY_FIELDS = bytes(4 * (len(FIELDS) - 1))
#: Little-endian CDR.
_ENCAPSULATED = b"\x00\x01\x00\x00"
_STAMP_END = ENCAPSULATION + 8
_SECOND_NS = 1_000_000_000
_time = struct.Struct("<iI")
_uint32 = struct.Struct("<I").pack


def encode_proposal(proposal: Proposal, period_s: float) -> bytes:
    """``trajectory_msgs/JointTrajectory`` of a proposal, as the bytes that a publisher sends.

    Laid out here rather than by building a message of nested Python objects and having it serialised; it is
    part of every tick. NaN is passed on, since the gate must see it to refuse it; only shapes are checked.

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
        parts += [point, _EMPTY_FIELDS, _time.pack(*divmod(step * period_ns, _SECOND_NS))]
        end += len(point) + len(_EMPTY_FIELDS) + 8
    return b"".join(parts)


def _stamp(stamp_ns: int) -> bytes:
    try:
        return _time.pack(*divmod(stamp_ns, _SECOND_NS))
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


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the numbers of a proposal stand, and everything between them, which is the same in each one of a policy.

    Attributes:
        names: of the action dimensions.
        count: points.
        first: where the first point's numbers begin.
        stride: from there to the next point's.
        before: all bytes in front of the first number, the stamp left out.
        between: all bytes behind each point's numbers, up to the next ones.
    """

    names: tuple[str, ...]
    count: int
    first: int
    stride: int
    before: bytes
    between: tuple[bytes, ...]

    def read(self, cdr: bytes) -> Proposal | None:
        """The proposal in a message of the same length; ``None`` when it is laid out otherwise."""
        seconds, nanoseconds = _time.unpack_from(cdr, ENCAPSULATION)
        if nanoseconds >= _SECOND_NS or self != _layout(cdr, self.names, self.count, self.first):
            return None
        width = len(self.names) + 1
        table = np.ndarray((self.count, width), "<f8", cdr, self.first, (self.stride, 8))
        return Proposal(
            stamp_ns=seconds * _SECOND_NS + nanoseconds,
            actions=table[:, :-1].astype(np.float32),
            unsafe_probability=float(table[0, -1]),
            names=self.names,
        )


#: Length of a message to the layout of the last one of that length, which its policy's next ones share.
_layouts: dict[int, _Layout] = {}


def _layout(cdr: bytes, names: tuple[str, ...], count: int, first: int) -> _Layout:
    numbers = 8 * (len(names) + 1)
    # Behind a point's numbers: its empty fields, its time, the length of the next one's numbers. All stays aligned.
    stride = numbers + len(_EMPTY_FIELDS) + _time.size + 4
    ends = range(first + numbers, first + count * stride, stride)
    between = tuple(cdr[end : end + stride - numbers] for end in ends)
    return _Layout(names, count, first, stride, cdr[:ENCAPSULATION] + cdr[_STAMP_END:first], between)


def _remember(cdr: bytes, trajectory: Trajectory) -> None:
    """Keep how a proposal that was read whole is laid out, if there are positions in it and nothing else."""
    cursor = CdrCursor(cdr)
    cursor.header()
    cursor.strings()
    cursor.uint32()  # points
    cursor.uint32()  # numbers of the first
    cursor.align(8)
    layout = _layout(cdr, tuple(trajectory.names[:-1]), len(trajectory.points), cursor.position)
    others = sum(point[field].size for point in trajectory.points for field in FIELDS[1:])
    if not others and layout.first + layout.count * layout.stride - 4 == len(cdr):
        if len(_layouts) >= 8:
            _layouts.clear()
        _layouts[len(cdr)] = layout


def proposal_from_cdr(cdr: bytes) -> Proposal:
    """Proposal of a trajectory's CDR bytes; numbers may be NaN, shapes and names are checked.

    Raises:
        CodecError: no points or more than ``MAX_POINTS``, a last channel that is not ``unsafe_probability``, or a point
            of another length.
        struct.error, ValueError: the bytes end too early.
    """
    known = _layouts.get(len(cdr))
    if known is not None:
        proposal = known.read(cdr)
        if proposal is not None:
            return proposal
    trajectory = parse_trajectory(cdr)
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
    _remember(cdr, trajectory)
    table = np.array([point["positions"] for point in trajectory.points], np.float64)
    return Proposal(
        stamp_ns=trajectory.stamp_ns,
        actions=table[:, :-1].astype(np.float32),
        unsafe_probability=float(table[0, -1]),
        names=tuple(names[:-1]),
    )
