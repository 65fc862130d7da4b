"""What a look at a running robot found: plain data that travels as JSON from the process that looked."""

from __future__ import annotations

import json
import types
import typing
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, Literal, TypeVar

__all__ = [
    "Endpoint",
    "ImageFacts",
    "StampFacts",
    "StreamClock",
    "SurveyReport",
    "TopicReport",
    "ValueFacts",
    "survey_from_json",
    "survey_to_json",
]

StreamClock = Literal["wall", "simulated", "monotonic", "unset", "unknown"]
"""The clock that header stamps are on. ``unset``: they are zero; ``unknown``: none of the clocks of this machine."""


@dataclass(frozen=True)
class Endpoint:
    """A node that publishes a topic, or subscribes to it.

    Attributes:
        node: its full name.
        type: of the messages, ``sensor_msgs/msg/Image``.
        reliability: ``reliable`` or ``best_effort``.
        durability: ``volatile`` or ``transient_local``.
    """

    node: str
    type: str
    reliability: str
    durability: str


@dataclass(frozen=True)
class ImageFacts:
    """How the frames of a camera look.

    Attributes:
        height: pixels of the newest frame.
        width: pixels of the newest frame.
        encoding: ``rgb8``, or ``jpeg`` and the like for a compressed one.
        sizes: how many different sizes were seen.
    """

    height: int
    width: int
    encoding: str
    sizes: int = 1


@dataclass(frozen=True)
class StampFacts:
    """What the header stamps say.

    Attributes:
        clock: whose time they are.
        age_s: median age on arrival, by that clock; negative for stamps from the future.
        age_p95_s: its 95th percentile.
        standing: messages stamped like their predecessor.
        backward: messages stamped before their predecessor.
        period_s: median time between two stamps; 0 with fewer than two.
    """

    clock: StreamClock
    age_s: float
    age_p95_s: float
    standing: int = 0
    backward: int = 0
    period_s: float = 0.0


@dataclass(frozen=True)
class ValueFacts:
    """One number of a message over the time that was watched.

    Attributes:
        name: its path, as ``select`` names it.
        minimum: smallest finite value; ``None`` without one.
        maximum: largest finite value; ``None`` without one.
        last: newest finite value; ``None`` without one.
        not_finite: messages in which it was NaN or infinite.
    """

    name: str
    minimum: float | None
    maximum: float | None
    last: float | None
    not_finite: int = 0


@dataclass(frozen=True)
class TopicReport:
    """One topic.

    Attributes:
        topic: its name.
        types: of all its endpoints; more than one is a mistake on the robot.
        publishers: who publishes.
        subscribers: who listens, apart from the survey.
        count: messages received.
        rate_hz: messages a second; ``None`` with fewer than two.
        period_s: median time between two; 0 with fewer than two.
        jitter_s: 95th percentile of how far an interval is from that median.
        longest_gap_s: between two messages.
        lost: messages that were sent in between and never arrived.
        size_bytes: median size of a message.
        stamps: ``None`` for messages without a header, and without any message.
        image: ``None`` for anything but images.
        values: the numbers, where the type holds numbers.
        still_s: longest time for which the content stayed the same while messages came.
        problem: why the messages cannot be read; empty when they can, or when none came.
        stamps_ns: header stamps in order of arrival, the newest few thousand.
    """

    topic: str
    types: tuple[str, ...]
    publishers: tuple[Endpoint, ...] = ()
    subscribers: tuple[Endpoint, ...] = ()
    count: int = 0
    rate_hz: float | None = None
    period_s: float = 0.0
    jitter_s: float = 0.0
    longest_gap_s: float = 0.0
    lost: int = 0
    size_bytes: int = 0
    stamps: StampFacts | None = None
    image: ImageFacts | None = None
    values: tuple[ValueFacts, ...] = ()
    still_s: float = 0.0
    problem: str = ""
    stamps_ns: tuple[int, ...] = ()

    @property
    def type(self) -> str:
        """The type, the first one should there be several."""
        return self.types[0] if self.types else ""

    @property
    def own_period_s(self) -> float:
        """Time from one sample to the next on the robot's own clock: a simulation may run slower than real time."""
        if self.stamps is not None and self.stamps.clock == "simulated" and self.stamps.period_s > 0.0:
            return self.stamps.period_s
        return self.period_s

    @property
    def own_rate_hz(self) -> float:
        """Samples a second on the robot's own clock; 0 with fewer than two."""
        if self.own_period_s != self.period_s:
            return 1.0 / self.own_period_s
        return self.rate_hz or 0.0


@dataclass(frozen=True)
class SurveyReport:
    """All that was found.

    Attributes:
        domain: the ROS domain that was looked at.
        seconds: how long each topic was listened to, about.
        network: whether other machines were looked for too.
        simulated_time: whether somebody publishes ``/clock``.
        nodes: full names of the nodes that were there.
        topics: in the order of their names.
    """

    domain: int
    seconds: float
    network: bool = False
    simulated_time: bool = False
    nodes: tuple[str, ...] = ()
    topics: tuple[TopicReport, ...] = field(default=())

    def topic(self, name: str) -> TopicReport | None:
        """The topic of that name, ``None`` if nobody knows it."""
        return next((topic for topic in self.topics if topic.topic == name), None)


def survey_to_json(report: SurveyReport) -> str:
    """One line of JSON. Raises ValueError for a number that is not finite, of which a report has none."""
    return json.dumps(asdict(report), allow_nan=False)


def survey_from_json(text: str) -> SurveyReport:
    """The inverse. Raises ValueError, KeyError or TypeError for anything else."""
    return _read(SurveyReport, json.loads(text))


T = TypeVar("T")


def _read(kind: type[T], values: Any) -> T:
    hints = typing.get_type_hints(kind)
    return kind(**{one.name: _convert(hints[one.name], values[one.name]) for one in fields(kind)})  # type: ignore[arg-type]


def _convert(hint: Any, value: Any) -> Any:
    """``value`` of JSON as the field's type: lists become tuples, mappings dataclasses."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return tuple(_convert(inner[0], item) for item in value)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _convert(inner[0], value)
    return _read(hint, value) if isinstance(hint, type) and is_dataclass(hint) else value
