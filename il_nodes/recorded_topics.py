"""Which topics a recorder listens to: those of the contract, and further ones named in a parameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from models.contract import Contract, Qos
from models.errors import DeploymentError

__all__ = ["EPISODE_TOPIC", "RecordedTopic", "recorded_topics"]

EPISODE_TOPIC = "/episode"
_EPISODE_TYPE = "std_msgs/msg/Header"
_LATCHED = Qos(durability="transient_local", depth=1)
#: What may stand behind topic and type: how to subscribe.
_QOS = {"reliable": Qos(), "best_effort": Qos(reliability="best_effort"), "latched": _LATCHED}
#: Samples that may wait for this process while it is not scheduled: five seconds at 20 Hz.
_QUEUE_DEPTH = 100


@dataclass(frozen=True)
class RecordedTopic:
    """One topic of a recording.

    Attributes:
        topic: its name.
        type: such as ``sensor_msgs/msg/Image``.
        qos: to subscribe with.
        is_latched: its last message belongs into a recording although it was sent before.
    """

    topic: str
    type: str
    qos: Qos

    @property
    def is_latched(self) -> bool:
        """Whether late subscribers get the last message."""
        return self.qos.durability == "transient_local"


def _parse(entry: str) -> RecordedTopic:
    words = entry.split()
    if not 2 <= len(words) <= 3 or (len(words) == 3 and words[2] not in _QOS):
        raise DeploymentError(
            "parameter extra_topics of the recorder cannot be read",
            found=entry,
            expected="'<topic> <package/msg/Type>', and perhaps " + ", ".join(_QOS),
        )
    topic, kind, qos = words[0], words[1], _QOS[words[2] if len(words) == 3 else "reliable"]
    return RecordedTopic(topic, kind, qos)


def recorded_topics(contract: Contract, extra: Sequence[str]) -> tuple[RecordedTopic, ...]:
    """``/episode``, latched topics, the contract's, the extra ones; each once, and the contract's word counts.

    Args:
        contract: observations, actions and the expert's topics are recorded.
        extra: ``"/sim/status diagnostic_msgs/msg/DiagnosticArray"``, with ``latched`` or ``best_effort`` behind it
            where that is how it is published.

    Raises:
        DeploymentError: an extra topic that cannot be read.
    """
    found = {EPISODE_TOPIC: RecordedTopic(EPISODE_TOPIC, _EPISODE_TYPE, _LATCHED)}
    for topic, channel in contract.topics().items():
        found.setdefault(topic, RecordedTopic(topic, channel.type, channel.qos))
    for entry in extra:
        item = _parse(entry)
        found.setdefault(item.topic, item)
    topics = (
        item if item.is_latched else replace(item, qos=replace(item.qos, depth=max(item.qos.depth, _QUEUE_DEPTH)))
        for item in found.values()
    )
    # The executor serves what is ready in the order of creation, and a tick must not overtake its episode's start.
    return tuple(sorted(topics, key=lambda item: not item.is_latched))
