"""What rosbag2 wants to know of a bag: ``metadata.yaml`` in version 9, QoS profiles, message definitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import yaml

from il_nodes.codecs.canonical import typestore
from models.contract import Qos

__all__ = [
    "RecordedTopic",
    "message_definition",
    "qos_from_text",
    "qos_profile",
    "qos_profiles_text",
    "rosbag2_metadata",
]

_ROS_DISTRO = "jazzy"
#: In words since version 9 of rosbag2's format, before in the middleware's numbers.
_RELIABILITY = {"1": "reliable", "2": "best_effort", "reliable": "reliable", "best_effort": "best_effort"}
_DURABILITY = {"1": "transient_local", "2": "volatile", "transient_local": "transient_local", "volatile": "volatile"}
#: The longest duration that ROS can express: no deadline.
_UNLIMITED = {"sec": 9223372036, "nsec": 854775807}


@dataclass(frozen=True)
class RecordedTopic:
    """Type and QoS of a recorded topic; a contract's Channel serves as well."""

    type: str
    qos: Qos = field(default_factory=Qos)

    @property
    def is_latched(self) -> bool:
        """Whether late subscribers get the last message, so that it belongs into a recording that begins after it."""
        return self.qos.durability == "transient_local"


def rosbag2_metadata(
    file_name: str,
    topics: Mapping[str, RecordedTopic],
    counts: Mapping[str, int],
    span_ns: tuple[int, int],
    custom: Mapping[str, str],
) -> str:
    """Text of ``metadata.yaml`` for a bag of one MCAP file, equal for equal arguments.

    Args:
        file_name: the MCAP file beside it.
        topics: every topic with its type and QoS.
        counts: topic to number of messages.
        span_ns: earliest and latest log time.
        custom: free key-value pairs, which ``ros2 bag info`` shows.
    """
    total = {
        "starting_time": {"nanoseconds_since_epoch": span_ns[0]},
        "duration": {"nanoseconds": span_ns[1] - span_ns[0]},
        "message_count": sum(counts.values()),
    }
    described = [
        {
            "topic_metadata": {
                "name": topic,
                "type": recorded.type,
                "serialization_format": "cdr",
                "offered_qos_profiles": [qos_profile(recorded.qos)],
                "type_description_hash": message_definition(recorded.type)[1],
            },
            "message_count": counts[topic],
        }
        for topic, recorded in topics.items()
    ]
    information = {
        "version": 9,
        "storage_identifier": "mcap",
        **total,
        "topics_with_message_count": described,
        # The chunks inside the file are compressed; this is about rosbag2's own compression around it, which would
        # keep every other MCAP reader out.
        "compression_format": "",
        "compression_mode": "",
        "relative_file_paths": [file_name],
        "files": [{"path": file_name, **total}],
        "custom_data": dict(custom),
        "ros_distro": _ROS_DISTRO,
    }
    # A dumper without aliases: rosbag2 reads YAML with a parser that is not asked to know "&id001".
    return yaml.dump({"rosbag2_bagfile_information": information}, Dumper=_PlainDumper, sort_keys=False)


class _PlainDumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


@cache
def message_definition(type_name: str) -> tuple[str, str]:
    """Message definition with all it contains, and its RIHS01 hash; both empty for types of unknown packages.

    Such a topic is recorded all the same: better bytes that only its own robot can read than a hole.
    """
    store = typestore()
    if type_name not in store.fielddefs:
        return "", ""
    return store.generate_msgdef(type_name, ros_version=2)[0], store.hash_rihs01(type_name)


def qos_profiles_text(qos: Qos) -> str:
    """The same as a list in YAML, as MCAP channels carry it."""
    return yaml.dump([qos_profile(qos)], Dumper=_PlainDumper, sort_keys=False)


def qos_profile(qos: Qos) -> dict[str, Any]:
    """One entry of ``offered_qos_profiles``; deadlines and leases are unlimited, as contracts have none."""
    return {
        "history": qos.history,
        "depth": qos.depth,
        "reliability": qos.reliability,
        "durability": qos.durability,
        "deadline": _UNLIMITED,
        "lifespan": _UNLIMITED,
        "liveliness": qos.liveliness,
        "liveliness_lease_duration": _UNLIMITED,
        "avoid_ros_namespace_conventions": False,
    }


#: Of the text above: a topic with a hundred publishers needs 20 KB. It comes out of somebody else's bag.
_MAX_BYTES = 64 * 1024


def qos_from_text(text: str) -> Qos:
    """The QoS of a channel's ``offered_qos_profiles``, the first of several; the default for what is not understood."""
    if len(text) > _MAX_BYTES:
        return Qos()
    try:
        profiles = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return Qos()
    if not isinstance(profiles, list) or not profiles or not isinstance(profiles[0], dict):
        return Qos()
    found, depth = profiles[0], profiles[0].get("depth")
    return Qos(
        reliability=_RELIABILITY.get(str(found.get("reliability")), Qos().reliability),
        durability=_DURABILITY.get(str(found.get("durability")), Qos().durability),
        depth=depth if isinstance(depth, int) and 0 < depth < 2**31 else Qos().depth,
    )
