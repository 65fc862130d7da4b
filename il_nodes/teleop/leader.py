"""A leader that is moved by hand: its messages, decoded, as the expert's wishes. Pure logic, no clock of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from il_nodes.codecs import codec_for
from il_nodes.codecs.action_channels import ActionChannels
from il_nodes.gate.pacing import TickGrid
from il_nodes.teleop.shaping import Wish, numbers_per_dimension
from models.contract import Align, Contract, Source, Stream
from models.errors import CodecError, DeploymentError

__all__ = ["Leader", "leader_sources"]

JOINT_STATE = "sensor_msgs/msg/JointState"
JOINT_TRAJECTORY = "trajectory_msgs/msg/JointTrajectory"
#: What a trajectory's fields are called in a joint state.
_SINGULAR = {"positions": "position", "velocities": "velocity"}


def leader_sources(
    contract: Contract, topics: Sequence[str], types: Sequence[str] = (), select: Sequence[str] = ()
) -> tuple[Source, ...]:
    """What to read from the leader, one source a command channel.

    Args:
        contract: of the robot that follows.
        topics: one a command channel, in its order.
        types: of the leader's messages; nothing: the robot's own.
        select: what to take from them, one field path an action dimension; nothing: what the contract's actions are
            called, where a trajectory's ``positions.elbow`` is a joint state's ``position.elbow``.

    Raises:
        DeploymentError: lists that do not fit the contract.
        CodecError: a type that cannot be read.
    """
    followers = contract.action_sources
    names = contract.action_names
    if len(topics) != len(followers):
        raise DeploymentError(
            "parameter leader_topics of the teleop node does not fit the robot's command channels",
            found=list(topics) or "none",
            expected=f"{len(followers)}, in this order: {', '.join(source.channel.topic for source in followers)}",
        )
    if types and len(types) != len(topics):
        raise DeploymentError(
            "parameter leader_types of the teleop node", found=list(types), expected=f"none, or {len(topics)}"
        )
    if select and len(select) != len(names):
        raise DeploymentError(
            "parameter leader_select of the teleop node",
            found=list(select),
            expected=f"none, or {len(names)} field paths, for {', '.join(names)}",
        )
    chosen = iter(select)
    sources = []
    for topic, kind, source in zip(topics, types or [s.channel.type for s in followers], followers, strict=True):
        codec = codec_for(kind)
        own = tuple(next(chosen) for _ in source.names) if select else _translated(source, kind)
        sources.append(
            replace(
                source,
                channel=replace(source.channel, topic=topic, type=kind),
                select=own,
                align=Align("hold", "header" if codec.has_header else "receive"),
            )
        )
    return tuple(sources)


def _translated(source: Source, kind: str) -> tuple[str, ...] | None:
    """The contract's select, in the words of a leader of another type."""
    if source.channel.type != JOINT_TRAJECTORY or kind != JOINT_STATE or source.select is None:
        return source.select
    paths = [path.split(".", 1) for path in source.select]
    return tuple(".".join([_SINGULAR.get(head, head), *rest]) for head, *rest in paths)


class Leader:
    """Joins the leader's messages and says when one is to be passed on: once a tick of the contract, by its own stamps.

    Args:
        contract: of the robot that follows.
        sources: from :func:`leader_sources`.
        scales: the leader's number times this, for each dimension (empty: 1).
        offsets: plus this, in SI units (empty: 0).
    """

    def __init__(
        self,
        contract: Contract,
        sources: Sequence[Source],
        scales: Sequence[object] = (),
        offsets: Sequence[object] = (),
    ) -> None:
        names = contract.action_names
        self._scales = np.array(numbers_per_dimension("leader_scales", scales, names, 1.0))
        self._offsets = np.array(numbers_per_dimension("leader_offsets", offsets, names, 0.0))
        self._channels = ActionChannels(replace(contract, actions=(Stream("leader", tuple(sources)),)))
        self._grid = TickGrid(contract.period_s)
        self._max_age_s = contract.gate.expert_max_age_s
        self._arrived_s = [-math.inf] * len(sources)
        self.received_s = -math.inf
        self.refused = 0
        self.problem = ""

    def take(self, index: int, cdr: bytes, clock_ns: int, now_s: float) -> tuple[int, Wish] | None:
        """Take in the message of channel ``index``.

        Returns:
            ``(stamp_ns, wish)`` when a new tick is complete: the stamp of its oldest part. A message without a stamp,
            or with a zero in its place, counts as stamped ``clock_ns``. ``None`` while a channel is missing or silent,
            between ticks, and for what cannot be used, which is counted.
        """
        try:
            command = self._channels.join(index, cdr, clock_ns)
            if command is not None and not np.isfinite(command.values).all():
                raise CodecError("the leader's numbers are not finite", found=command.values.tolist())
        except CodecError as error:
            self.refused += 1
            self.problem = error.problem
            return None
        self.problem = ""
        self._arrived_s[index] = now_s
        if command is None or now_s - min(self._arrived_s) > self._max_age_s:
            return None
        stamp_ns = command.stamp_ns or clock_ns
        if not self._grid.is_due(stamp_ns):
            return None
        self._grid.answered(stamp_ns)
        self.received_s = now_s
        return stamp_ns, command.values.astype(np.float64) * self._scales + self._offsets

    def age_s(self, now_s: float) -> float:
        """Seconds since the leader's last tick; infinite before the first."""
        return now_s - self.received_s
