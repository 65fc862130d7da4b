"""What a robot contract says, as frozen dataclasses: channels, streams, limits, memory, gate. No YAML in here.

Units: everything is SI; durations end in ``_s``, except ``Align.tolerance_ms`` which keeps the vocabulary's name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from models.contract.operators import Operator, Resize

__all__ = [
    "IMAGE_PREFIX",
    "Align",
    "Channel",
    "DimensionLimits",
    "GateSpec",
    "HaltStop",
    "Memory",
    "Qos",
    "Safety",
    "Source",
    "Strategy",
    "Stream",
    "Timeline",
]

IMAGE_PREFIX = "observation.images."
"""A stream whose key starts so is an image, and nothing else is."""

UNNAMED = "data"
"""The label of the single value of a source that selects nothing (a ``std_msgs/msg/Float64``, say)."""

Strategy = Literal["hold", "asof", "drop"]
Timeline = Literal["header", "receive"]
Safety = Literal["none", "hold", "zeros"]
HaltStop = Literal["limits", "zeros", "hold"]


@dataclass(frozen=True)
class Qos:
    """Quality of service of one channel, in the words that ``rclpy`` and ``ros2 topic`` use.

    The defaults are those of a plain rclpy publisher or subscription, and of a contract's commands. An observation
    that says nothing is subscribed to best effort, as sensor data (REP-2003): that hears every publisher, whereas a
    reliable subscription hears nothing from one that offers best effort.
    """

    reliability: str = "reliable"
    durability: str = "volatile"
    history: str = "keep_last"
    depth: int = 10
    liveliness: str = "automatic"


@dataclass(frozen=True)
class Channel:
    """One ROS topic as a contract uses it.

    Attributes:
        topic: its name.
        type: the message type, always in three parts: ``sensor_msgs/msg/Image``.
        qos: how to subscribe or publish.
        dtype: the declared element type, ``None`` for the codec's own.
        decoder: ``module:function`` of a custom decoder, kept as text: loading a contract never imports it.
        encoder: the same for a command channel.
        safety: what the vocabulary's own watchdog sends on a stop. Understudy's gate stops by ``limits`` instead.
    """

    topic: str
    type: str
    qos: Qos = Qos()
    dtype: str | None = None
    decoder: str | None = None
    encoder: str | None = None
    safety: Safety = "none"


@dataclass(frozen=True)
class Align:
    """How samples are put on the ticks: ``hold`` the newest, ``asof`` the newest within tolerance, or ``drop``.

    ``drop`` takes the newest sample only when it fell into the current tick's window. ``timeline`` says which clock
    stamps a sample: its ``header``, or when it was received.
    """

    strategy: Strategy
    timeline: Timeline
    tolerance_ms: float = 0.0


@dataclass(frozen=True)
class Source:
    """One channel, aligned, selected and transformed: all or a part of a stream.

    Attributes:
        select: field paths in order, ``None`` for the whole message (an image, or a single number).
        apply: operators, in forward order. On an action they are already in the units of the wire: ``rad2deg`` is
            gone and bounds behind it are converted, for actions are in SI units everywhere.
        kind: what the numbers are (``continuous``, ``quaternion``, …).
        max_age_s: seconds after which the newest sample is too old to act on; ``None`` for no limit.
    """

    channel: Channel
    align: Align
    select: tuple[str, ...] | None = None
    apply: tuple[Operator, ...] = ()
    kind: str = "continuous"
    max_age_s: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """One label for each value; ``("data",)`` where nothing is selected."""
        return self.select if self.select is not None else (UNNAMED,)


@dataclass(frozen=True)
class Stream:
    """One key of the observation or of the action, fed from one or several sources (concatenated, or split)."""

    key: str
    sources: tuple[Source, ...]

    @property
    def is_image(self) -> bool:
        """Whether it is an ``(H, W, C)`` uint8 image; otherwise it is a ``(dims,)`` float32 vector."""
        return self.key.startswith(IMAGE_PREFIX)

    @property
    def names(self) -> tuple[str, ...]:
        """Labels of a vector's values over all sources, unique; empty for an image.

        Where two sources select the same path, those labels get the part of their topics that differs in front:
        ``left.position.elbow``.
        """
        return () if self.is_image else stream_names(self.sources)

    @property
    def image_size(self) -> tuple[int, int] | None:
        """``(height, width)`` after ``apply``, where a ``resize`` fixes it."""
        sizes = [(op.height, op.width) for source in self.sources for op in source.apply if isinstance(op, Resize)]
        return sizes[-1] if sizes else None

    @property
    def topics(self) -> tuple[str, ...]:
        """The sources' topics in order, each once."""
        return tuple(dict.fromkeys(source.channel.topic for source in self.sources))


def stream_names(sources: Sequence[Source]) -> tuple[str, ...]:
    """Labels of concatenated sources; equal paths are told apart by their topics."""
    counts = Counter(name for source in sources for name in source.names)
    prefixes = _distinguishing_parts(list(dict.fromkeys(source.channel.topic for source in sources)))
    return tuple(
        f"{prefixes[source.channel.topic]}.{name}" if counts[name] > 1 else name
        for source in sources
        for name in source.names
    )


def _distinguishing_parts(topics: list[str]) -> dict[str, str]:
    """For each topic the first path segment in which all of them differ, or else its whole path with dots."""
    paths = [topic.strip("/").split("/") for topic in topics]
    for parts in zip(*paths, strict=False):
        if len(set(parts)) == len(topics):
            return dict(zip(topics, parts, strict=True))
    return {topic: ".".join(path) for topic, path in zip(topics, paths, strict=True)}


@dataclass(frozen=True)
class DimensionLimits:
    """What one action dimension may do, in the SI unit that stands on the wire.

    Attributes:
        name: as in ``Contract.action_names``.
        minimum: smallest allowed value.
        maximum: largest allowed value.
        rate: largest change per second.
        unit: of the values, such as ``m/s``; ``rate`` is in this unit per second; empty where it was not declared.
        stop: the value of the stop command.
        is_position: whether it is a place (m, rad) rather than a speed or a force, as far as unit or message say.
    """

    name: str
    minimum: float
    maximum: float
    rate: float
    unit: str = ""
    stop: float = 0.0
    is_position: bool = False


@dataclass(frozen=True)
class Memory:
    """How much of the past a policy sees.

    Attributes:
        frames: ticks in a stack, the newest included.
        stride: ticks from one stacked frame to the next.
        recurrent: whether the policy carries a hidden state as well.
        reset_gap_s: a pause between ticks, in seconds, after which memory starts anew.
    """

    frames: int = 1
    stride: int = 1
    recurrent: bool = False
    reset_gap_s: float = 0.5


@dataclass(frozen=True)
class GateSpec:
    """When the policy may drive, and how the robot stops. None of it enters the contract's hash.

    Attributes:
        expert_topic: the expert's intended command; empty for no expert.
        expert_max_age_s: an older expert command does not count.
        proposal_topic: where the policy proposes.
        proposal_max_age_s: an older proposal does not count.
        unsafe_threshold: ``unsafe_probability`` above it hands control to the expert.
        hysteresis: control comes back only below ``unsafe_threshold - hysteresis``.
        dwell_s: seconds for which a hand-over stays, at least.
        halt_ramp_s: a halt reaches the stop command within this many seconds, where the rate limits allow it.
        halt_stop: what the stop command is: each limit's ``stop``, zero in every dimension, or ``hold``: positions stay
            where they are, and the other dimensions go to their ``stop``.
        sync_tolerance_s: how far apart the stamps of one observation's sources may be.
        frozen_after_ticks: a sensor whose bytes stay the same for this many ticks counts as frozen; 0 turns it off.
        limited_after_ticks: as many commands in a row that had to be clamped hand control to the expert; 0: never.
        split_expert_topics: the expert's further topics, where an action is split over several channels.
    """

    expert_topic: str = ""
    expert_max_age_s: float = 0.15
    proposal_topic: str = "/policy/proposal"
    proposal_max_age_s: float = 0.15
    unsafe_threshold: float = 0.5
    hysteresis: float = 0.1
    dwell_s: float = 0.5
    halt_ramp_s: float = 1.0
    halt_stop: HaltStop = "limits"
    sync_tolerance_s: float = 0.05
    frozen_after_ticks: int = 10
    limited_after_ticks: int = 10
    split_expert_topics: tuple[str, ...] = ()

    @property
    def expert_topics(self) -> tuple[str, ...]:
        """One expert topic for each action source, in order; empty for no expert."""
        return (self.expert_topic, *self.split_expert_topics) if self.expert_topic else ()
