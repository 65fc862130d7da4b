"""Which robots episodes can be learned from for: those that see and do a part of what was recorded."""

from __future__ import annotations

from collections.abc import Sequence

from models.contract import Contract, Stream
from models.contract.contract import canonical_stream
from models.errors import DatasetError

__all__ = ["require_robot"]


def require_robot(
    recorded: Contract, robot: Contract, streams: Sequence[str], what: str = "the recordings were"
) -> None:
    """Refuse a robot that something was not recorded for.

    It may have fewer streams, other limits, or another memory. Streams and actions must mean the same, at the same
    rate, started by the same one.

    Args:
        recorded: the contract of the recordings.
        robot: that of the robot.
        streams: what was recorded; more than in ``recorded``, perhaps.
        what: begins the message.

    Raises:
        DatasetError: with what is there, and what is asked for.
    """
    missing = [stream.key for stream in robot.observations if stream.key not in streams]
    known = {stream.key: stream for stream in (*recorded.observations, *recorded.actions)}
    asked = (*robot.observations, *robot.actions)
    other = [stream.key for stream in asked if stream.key in known and not _mean_the_same(stream, known[stream.key])]
    before, after = _essence(recorded), _essence(robot)
    if not (missing or other or before != after):
        return
    found = f"streams {', '.join(streams)}; {before}"
    raise DatasetError(
        f"{what} not recorded for this robot",
        found=f"{found}; {', '.join(other)} otherwise than in its contract" if other else found,
        expected=f"streams {', '.join(stream.key for stream in robot.observations)}; {after}",
    )


def _mean_the_same(one: Stream, other: Stream) -> bool:
    return canonical_stream(one) == canonical_stream(other)


def _essence(contract: Contract) -> str:
    """What recordings depend on beside the streams."""
    gap = f"memory anew after {contract.memory.reset_gap_s:g} s"
    return f"actions {', '.join(contract.action_names)}; {contract.fps:g} ticks per second by {contract.trigger}; {gap}"
