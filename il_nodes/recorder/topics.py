"""Which topics a recorder listens to: those of the contract, of our own nodes, and further ones of a parameter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from il_nodes.bags.rosbag2_metadata import RecordedTopic
from models.contract import Contract, Qos
from models.errors import DeploymentError

__all__ = [
    "DECISION_TOPIC",
    "EPISODE_TOPIC",
    "LABEL_PREFIX",
    "NOISE_PREFIX",
    "RecordedTopic",
    "behind",
    "recorded_topics",
]

EPISODE_TOPIC = "/episode"
DECISION_TOPIC = "/gate/decision"
#: Stand before an expert's topic: what the labeller answers, and what the noise node makes of the command.
LABEL_PREFIX, NOISE_PREFIX = "/label", "/noise"
_EPISODE_TYPE = "std_msgs/msg/Header"
_LATCHED = Qos(durability="transient_local", depth=1)
#: What may stand behind topic and type: how to subscribe.
_QOS = {"reliable": Qos(), "best_effort": Qos(reliability="best_effort"), "latched": _LATCHED}
#: Samples that may wait for this process while it is not scheduled: five seconds of pictures at 20 Hz (each may take a
#: megabyte), and of anything else at 200 Hz.
_PICTURE_DEPTH, _QUEUE_DEPTH = 100, 1000
_PICTURES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
#: Of a latched topic every message counts here, not only the last one: an episode's end, and the next one's start.
_LATCHED_DEPTH = 10


def behind(prefix: str, topic: str) -> str:
    """``/expert/cmd_vel`` behind ``/noise`` is ``/noise/expert/cmd_vel``, and so is the relative ``expert/cmd_vel``."""
    return f"{prefix}/{topic.lstrip('/')}"


def _parse(entry: str) -> tuple[str, RecordedTopic]:
    words = entry.split()
    if not 2 <= len(words) <= 3 or (len(words) == 3 and words[2] not in _QOS):
        raise DeploymentError(
            "parameter extra_topics of the recorder cannot be read",
            found=entry,
            expected="'<topic> <package/msg/Type>', and perhaps " + ", ".join(_QOS),
        )
    return words[0], RecordedTopic(words[1], _QOS[words[2] if len(words) == 3 else "reliable"])


def _own_topics(contract: Contract) -> Iterator[tuple[str, RecordedTopic]]:
    """What the nodes of this project say beside the contract's topics; whichever of them do not run stay empty."""
    yield DECISION_TOPIC, RecordedTopic("diagnostic_msgs/msg/DiagnosticArray")
    yield contract.gate.proposal_topic, RecordedTopic("trajectory_msgs/msg/JointTrajectory")
    yield NOISE_PREFIX + "/injected", RecordedTopic("diagnostic_msgs/msg/DiagnosticArray", _LATCHED)
    for source, topic in zip(contract.action_sources, contract.gate.expert_topics, strict=False):
        for prefix in (LABEL_PREFIX, NOISE_PREFIX):
            yield behind(prefix, topic), RecordedTopic(source.channel.type)


def _least_depth(item: RecordedTopic) -> int:
    if item.is_latched:
        return _LATCHED_DEPTH
    return _PICTURE_DEPTH if item.type in _PICTURES else _QUEUE_DEPTH


def recorded_topics(contract: Contract, extra: Sequence[str]) -> dict[str, RecordedTopic]:
    """Topic to type and QoS: ``/episode``, the contract's, our own nodes', the extra ones; the contract's word counts.

    Args:
        contract: observations, actions and the expert's topics are recorded.
        extra: ``"/sim/status diagnostic_msgs/msg/DiagnosticArray"``, with ``latched`` or ``best_effort`` behind it
            where that is how it is published.

    Returns:
        Latched topics first: the executor serves what is ready in the order of creation, and a tick must not overtake
        its episode's start.

    Raises:
        DeploymentError: an extra topic that cannot be read.
    """
    found = {EPISODE_TOPIC: RecordedTopic(_EPISODE_TYPE, _LATCHED)}
    for topic, channel in contract.topics().items():
        found.setdefault(topic, RecordedTopic(channel.type, channel.qos))
    for topic, item in (*map(_parse, extra), *_own_topics(contract)):
        found.setdefault(topic, item)
    for topic, item in found.items():
        found[topic] = replace(item, qos=replace(item.qos, depth=max(item.qos.depth, _least_depth(item))))
    return dict(sorted(found.items(), key=lambda entry: not entry[1].is_latched))
