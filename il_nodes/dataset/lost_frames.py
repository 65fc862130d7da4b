"""A few camera frames that were lost from a long episode: how many, where, and which ticks go with them.

A recording that lacks anything is in quarantine. A person may decide that an hour's demonstration is worth more than
the three frames that it lacks; then no tick is kept whose frame of a camera was lost, and memory starts anew behind
each hole, so that neither a stack of frames nor a chunk of actions reaches across it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from il_nodes.bags.reader import BagReader
from il_nodes.codecs import codec_for, header_stamp_ns
from il_nodes.recorder.message_accounts import reasons
from models.contract import Contract, Source
from models.errors import CodecError

__all__ = ["Hole", "find_holes", "lost_frames"]

#: Kinds of loss that are frames: not arrived, no room while the disk was slow, never came.
_LOST, _DROPPED, _MISSING = "lost", "dropped", "missing"
#: A frame that comes so many periods after the one before it stands behind a hole; a jittering camera's does not.
_HOLE_PERIODS = 1.5
#: A frame may come so much of a period early, and the tick that it belongs to with it.
_EARLY_PERIODS = 0.25


@dataclass(frozen=True, slots=True)
class Hole:
    """Ticks stamped from ``begin_ns`` to before ``end_ns`` would have had a frame that was lost."""

    begin_ns: int
    end_ns: int


def lost_frames(reader: BagReader, contract: Contract) -> dict[str, int] | None:
    """Camera topic to frames that a recording in quarantine lacks; ``None`` when it is there for anything else.

    A frame that was lost on the way is missing among the ticks too, and counts once.
    """
    losses, cameras = reader.losses, _cameras(contract)
    if not reader.quarantine or reader.quarantine != reasons(losses):
        return None  # marked by hand, recovered, imported: nobody has counted what it lacks
    frame_kinds = (_LOST, _DROPPED, _MISSING)
    others = {
        kind: {topic: count for topic, count in counts.items() if kind not in frame_kinds or topic not in cameras}
        for kind, counts in losses.items()
    }
    if reasons(others):
        return None
    lost, dropped, missing = ({**losses.get(kind, {})} for kind in frame_kinds)
    topics = sorted({*lost, *dropped, *missing})
    return {topic: dropped.get(topic, 0) + max(lost.get(topic, 0), missing.get(topic, 0)) for topic in topics}


def find_holes(reader: BagReader, contract: Contract, topics: Sequence[str]) -> list[Hole]:
    """Where frames of these camera topics were lost, by their stamps; what was lost at an end leaves no hole."""
    cameras = _cameras(contract)
    return [hole for topic in topics for hole in _holes(_stamps(reader, cameras[topic]))]


def _cameras(contract: Contract) -> Mapping[str, Source]:
    return {
        source.channel.topic: source for stream in contract.observations if stream.is_image for source in stream.sources
    }


def _stamps(reader: BagReader, source: Source) -> npt.NDArray[np.int64]:
    """``(N,)`` of one camera's frames, sorted, by what the contract goes by."""
    stamped = source.align.timeline == "header" and codec_for(source.channel.type).has_header
    found = []
    for _, log_time_ns, cdr in reader.messages([source.channel.topic]):
        try:
            found.append(header_stamp_ns(cdr) if stamped else log_time_ns)
        except CodecError:
            continue
    return np.unique(np.array(found, np.int64))


def _holes(stamps_ns: npt.NDArray[np.int64]) -> list[Hole]:
    steps_ns = np.diff(stamps_ns)
    if not len(steps_ns):
        return []
    period_ns = float(np.median(steps_ns))
    before = np.flatnonzero(steps_ns > _HOLE_PERIODS * period_ns)
    early_ns = round((1.0 - _EARLY_PERIODS) * period_ns)
    return [Hole(int(stamps_ns[index]) + early_ns, int(stamps_ns[index + 1])) for index in before]
