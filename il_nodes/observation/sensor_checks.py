"""What an observation must be spared before a policy may act on it: frozen sensors, and sensors too far apart; and
images without anything in them.

NaN, wrong shapes and gaps are found where the observation is assembled; the first two need to look over several
messages. A black or a white image is a valid one, and no policy was trained on what to do with it.
"""

from __future__ import annotations

import struct

import numpy as np

from il_nodes.codecs import canonical_cdr, codec_for
from il_nodes.codecs.interface import Array
from models.contract import Contract, Source, Stream
from models.data import Observation
from models.errors import CodecError

__all__ = ["SensorChecks", "any_saturated", "is_saturated"]

#: Encapsulation (4 bytes) and header stamp (8 bytes): a frozen sensor may well carry fresh stamps.
_STAMP_END = 12
_IMAGE = "sensor_msgs/msg/Image"
#: Share of an image's bytes that are all 0 or all 255 in one that shows nothing: a covered lens, a dead sensor, a lamp.
SATURATED_SHARE = 0.99
#: One row of so many is looked at first. If less than 80 % of them are saturated, so are less than 99 % of all: the
#: hundredth that may differ is at most 16 % of a sixteenth.
_SAMPLED_ROWS, _SAMPLED_SHARE = 16, 0.8


def _content(cdr: bytes, source: Source) -> Array | bytes:
    """What a message says, without its stamp and without the garbage that serialisers leave between its fields."""
    codec = codec_for(source.channel.type)
    try:
        if codec.type == _IMAGE:
            return codec.decode_raw(cdr, source)  # a view: pixels are many, and copied nowhere
    except (CodecError, ValueError, IndexError, struct.error):
        return cdr  # reported where the observation is made of it
    return canonical_cdr(cdr, codec.type)[_STAMP_END if codec.has_header else 0 :]


def _same(one: Array | bytes, other: Array | bytes) -> bool:
    if isinstance(one, np.ndarray):
        # Some rows first: nearly every picture differs there, and the whole of a large one takes long.
        return (
            isinstance(other, np.ndarray)
            and np.array_equal(one[::_SAMPLED_ROWS], other[::_SAMPLED_ROWS])
            and np.array_equal(one, other)
        )
    return isinstance(other, bytes) and one == other


def is_saturated(image: Array) -> bool:
    """Whether nearly all bytes of an image ``(height, width, channels)`` uint8 are 0, or nearly all are 255."""
    sample = image[::_SAMPLED_ROWS]
    if _extremes(sample) < _SAMPLED_SHARE * sample.size:
        return False
    return image.size > 0 and any(
        np.count_nonzero(image == value) >= SATURATED_SHARE * image.size for value in (0, 255)
    )


def any_saturated(stack: Array) -> bool:
    """The same of any image in ``(images, height, width, channels)``."""
    sample = stack[:, ::_SAMPLED_ROWS]
    # All at once, since nearly every stack ends here: together they have fewer than a single one would need.
    if _extremes(sample) * len(stack) < _SAMPLED_SHARE * sample.size:
        return False
    return any(map(is_saturated, stack))


def _extremes(values: Array) -> int:
    """How many bytes are 0 or 255; in one look, since one less makes 255 of 0 and 254 of 255."""
    return int(np.count_nonzero(np.subtract(values, 1, dtype=np.uint8) >= 254))


def _by_header(stream: Stream) -> bool:
    return all(s.align.timeline == "header" and codec_for(s.channel.type).has_header for s in stream.sources)


class SensorChecks:
    """Watches the messages of every observation topic.

    A sensor counts as frozen when what it says stays the same for ``gate.frozen_after_ticks`` ticks while another one
    changes: a robot that stands still before a noiseless camera is no fault. A lone sensor has nothing to be compared
    with, so there its own standstill is enough.

    Args:
        contract: its streams, and ``sync_tolerance_s`` and ``frozen_after_ticks`` of its gate.
    """

    def __init__(self, contract: Contract) -> None:
        self._tolerance_ns = contract.gate.sync_tolerance_s * 1e9
        self._frozen_after_ns = contract.gate.frozen_after_ticks * contract.period_s * 1e9
        self._images = {s.key: s.sources[0].channel.topic for s in contract.observations if s.is_image}
        self._stamped = [stream.key for stream in contract.observations if _by_header(stream)]
        self._sources = {source.channel.topic: source for stream in contract.observations for source in stream.sources}
        self.restart()

    def restart(self) -> None:
        """A new episode: forget all messages."""
        self._last: dict[str, Array | bytes] = {}
        self._changed_ns: dict[str, int] = {}
        self._newest_ns: dict[str, int] = {}

    def note(self, topic: str, cdr: bytes, receive_ns: int) -> None:
        """One message of an observation topic, received at ``receive_ns``."""
        content, last = _content(cdr, self._sources[topic]), self._last.get(topic)
        if last is None or not _same(content, last):
            self._changed_ns[topic] = receive_ns
        self._last[topic], self._newest_ns[topic] = content, receive_ns

    def frozen(self) -> list[str]:
        """Topics whose content has stayed the same for too long."""
        if not self._frozen_after_ns:
            return []
        return [topic for topic, changed_ns in self._changed_ns.items() if self._is_frozen(topic, changed_ns)]

    def _is_frozen(self, topic: str, changed_ns: int) -> bool:
        if self._newest_ns[topic] - changed_ns < self._frozen_after_ns:
            return False
        others = [other_ns for other, other_ns in self._changed_ns.items() if other != topic]
        # As much later as it has to stand still: a robot that comes to rest stops all its sensors, one after the other.
        return not others or max(others) - changed_ns >= self._frozen_after_ns

    def problem(self, observation: Observation) -> str:
        """Why no policy may act on this observation; empty if it may."""
        # Every frame of the stack: what a policy remembers must be something too. And before the standstill, which a
        # covered lens shows as well.
        arrays = [(topic, observation.arrays[key]) for key, topic in self._images.items() if key in observation.arrays]
        saturated = [topic for topic, stack in arrays if any_saturated(stack)]
        if saturated:
            return f"saturated: {', '.join(saturated)}"
        frozen = self.frozen()
        if frozen:
            return f"frozen: {', '.join(frozen)}"
        apart_ns = {key: observation.stamp_ns - observation.source_stamps_ns[key] for key in self._stamped}
        late = [f"{key} by {apart * 1e-6:.0f} ms" for key, apart in apart_ns.items() if apart > self._tolerance_ns]
        return f"sensors too far apart: {', '.join(late)}" if late else ""
