"""Where a robot is whose halt holds it in place: measured positions of the action's dimensions, from what it observes.

A dimension is measured where an observation carries its name: the action ``position.elbow`` by the observation
``position.elbow``, on whichever topic that is.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np

from il_nodes.codecs import decode_raw
from models.contract import Channel, Contract, Source
from models.data import FloatArray

__all__ = ["MeasuredPositions"]


class MeasuredPositions:
    """Picks held positions out of observed messages.

    Args:
        contract: its ``action_held`` says which dimensions are wanted.

    Attributes:
        channels: topic to channel of what has to be listened to; empty where nothing is held, or nothing measured.
        dimensions: ``(dims,)`` whether an observation measures that held dimension.
    """

    def __init__(self, contract: Contract) -> None:
        held = dict(enumerate(contract.action_names))
        wanted = {name: dim for dim, name in held.items() if contract.action_held[dim]}
        self._dims = len(held)
        self.dimensions = np.zeros(self._dims, bool)
        self._parts: dict[str, list[tuple[Source, int, int]]] = defaultdict(list)
        for stream in contract.observations:
            names = iter(stream.names)
            for source in () if stream.is_image else stream.sources:
                # In the units of the wire, as actions are: no operator.
                plain = replace(source, apply=())
                for index in range(len(source.names)):
                    dim = wanted.get(next(names))
                    if dim is not None:
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
