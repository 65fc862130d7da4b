"""Where a robot is whose halt holds it in place: measured positions of the action's dimensions, from what it observes.

A dimension is measured where an observation carries its name: the action ``position.elbow`` by the observation
``position.elbow``, on whichever topic that is. The gate and the teleoperator both ask here, so that both see alike.

Messages of joints spell one position in three ways, and all of them are one name here: a ``JointTrajectory`` has
``positions.elbow`` where a ``JointState`` has ``position.elbow``, and ``elbow`` alone is its position in both.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np

from il_nodes.codecs import decode_raw
from models.contract import Channel, Contract, Source, Stream
from models.contract.channels import same_topic
from models.contract.messages import NAMED_FIELDS
from models.data import FloatArray

__all__ = ["MeasuredPositions"]


class MeasuredPositions:
    """Picks held positions out of observed messages.

    A name that two dimensions of the action have measures neither. Nor does a command topic measure anything, where a
    contract observes it: it says where the robot was told to be.

    Args:
        contract: its ``action_held`` says which dimensions are wanted.

    Attributes:
        channels: topic to channel of what has to be listened to; empty where nothing is held, or nothing measured.
        dimensions: ``(dims,)`` whether an observation measures that held dimension.
    """

    def __init__(self, contract: Contract) -> None:
        names = [name for stream in contract.actions for name in _names(stream)]
        wanted = {name: dim for dim, name in enumerate(names) if contract.action_held[dim] and names.count(name) == 1}
        commanded = {same_topic(source.channel.topic) for source in contract.action_sources}
        self._dims = len(names)
        self.dimensions = np.zeros(self._dims, bool)
        self._parts: dict[str, list[tuple[Source, int, int]]] = defaultdict(list)
        for stream in contract.observations:
            if stream.is_image:
                continue
            labels = iter(_names(stream))
            for source in stream.sources:
                # In the units of the wire, as actions are: no operator.
                plain = replace(source, apply=())
                for index in range(len(source.names)):
                    dim = wanted.get(next(labels))
                    if dim is not None and same_topic(source.channel.topic) not in commanded:
                        self._parts[source.channel.topic].append((plain, index, dim))
                        self.dimensions[dim] = True
        self.channels: dict[str, Channel] = {topic: parts[0][0].channel for topic, parts in self._parts.items()}

    def positions(self, topic: str, cdr: bytes) -> FloatArray:
        """``(dims,)`` SI units: what this message measures, NaN elsewhere.

        Raises:
            CodecError: the bytes are not what the contract says.
        """
        found = np.full(self._dims, np.nan, np.float32)
        for source, index, dim in self._parts[topic]:
            found[dim] = decode_raw(cdr, source)[index]
        return found


def _names(stream: Stream) -> list[str]:
    """Labels of a stream's values, each position spelled in one way."""
    paths = [(path, source.channel.type) for source in stream.sources for path in source.names]
    return [
        label.removesuffix(path) + _spelled(path, message_type)
        for label, (path, message_type) in zip(stream.names, paths, strict=True)
    ]


def _spelled(path: str, message_type: str) -> str:
    head, dot, joint = path.partition(".")
    if not dot and message_type in NAMED_FIELDS:
        return f"position.{path}"
    return f"position.{joint}" if head == "positions" else path
