"""``trajectory_msgs/JointTrajectory``, as arms are commanded by it: the first point counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from il_nodes.codecs.cdr import CdrCursor
from il_nodes.codecs.interface import Array, Codec, import_message_class, set_header_stamp, source_error
from il_nodes.codecs.joints import joint_plan, pick_joints, scatter_joints
from models.errors import CodecError

if TYPE_CHECKING:
    from models.contract import Source

__all__ = ["FIELDS", "JointTrajectoryCodec", "parse_trajectory"]

#: Points that are read. A chunk has a few dozen steps; reading 1,000 takes some milliseconds, 200,000 a second.
MAX_POINTS = 1000

#: Number sequences of a point, in the order of the wire.
FIELDS = ("positions", "velocities", "accelerations", "effort")
#: Bytes of the smallest point: the lengths of four empty sequences, and a duration.
_MIN_POINT_BYTES = 4 * len(FIELDS) + 8
_ALIASES = {field: field for field in FIELDS} | {
    "position": "positions",
    "velocity": "velocities",
    "acceleration": "accelerations",
}


@dataclass(frozen=True, slots=True)
class Trajectory:
    """A message, its numbers as views of the bytes."""

    stamp_ns: int
    names: list[str]
    points: list[dict[str, Array]]
    times_ns: list[int]


def parse_trajectory(cdr: bytes, limit: int | None = None) -> Trajectory:
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
        points.append({field: cursor.array("<f8") for field in FIELDS})
        times_ns.append(cursor.time_ns())
    return Trajectory(stamp_ns, names, points, times_ns)


class JointTrajectoryCodec(Codec):
    """First point of a trajectory: ``positions.<joint>``, ``velocities.<joint>``, …; ``<joint>`` alone is its position.

    The singular (``position.<joint>``) is understood too.
    """

    type = "trajectory_msgs/msg/JointTrajectory"
    has_header = True

    def decode(self, message: Any, source: Source) -> Array:
        """Float32 values in the select's order; see :class:`Codec`."""
        points = [{field: getattr(point, field) for field in FIELDS} for point in message.points[:1]]
        return self._first_point(points, list(message.joint_names), source)

    def decode_raw(self, cdr: bytes, source: Source) -> Array:
        """The same from CDR bytes."""
        trajectory = parse_trajectory(cdr, limit=1)
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
