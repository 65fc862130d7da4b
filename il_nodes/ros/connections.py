"""Who hears whom: what a node reports about its topics, and what is still missing before a run may start.

A first message that is sent before the two ends have found each other is lost; in lock-step that stops the run for
good. So every node reports, under ``connections`` on ``/diagnostics``, how many subscribers each of its publishers
reaches and what it subscribes to; whoever starts the run compares the reports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["UNKNOWN_NODE", "Connections", "full_name", "missing_connections"]

#: The graph learns of an endpoint's node a little after the endpoint was matched; until then it carries this name.
UNKNOWN_NODE = "_NODE_NAME_UNKNOWN_"

_PUBLISHES = "reaches "
_SUBSCRIBES = "subscribes"
_ACTIVE = "active"


@dataclass(frozen=True)
class Connections:
    """One node's topics.

    Attributes:
        reaches: published topic → number of subscribers matched by the middleware.
        subscribes: topics the node listens to.
        active: whether the node is in the lifecycle's state of that name; in any other it publishes nothing.
    """

    reaches: Mapping[str, int]
    subscribes: frozenset[str]
    active: bool = True

    def values(self) -> dict[str, object]:
        """As key and value pairs of a diagnostic status."""
        reaches: dict[str, object] = {_PUBLISHES + topic: count for topic, count in sorted(self.reaches.items())}
        return {**reaches, _SUBSCRIBES: " ".join(sorted(self.subscribes)), _ACTIVE: "true" if self.active else "false"}

    @classmethod
    def from_values(cls, values: Mapping[str, str]) -> Connections:
        """The inverse of :meth:`values`; other keys, and counts that are none, are left out."""
        published = {key.removeprefix(_PUBLISHES): text for key, text in values.items() if key.startswith(_PUBLISHES)}
        return cls(
            {topic: int(text) for topic, text in published.items() if text.isdecimal()},
            frozenset(values.get(_SUBSCRIBES, "").split()),
            values.get(_ACTIVE, "true") == "true",
        )


def full_name(info: Any) -> str:
    """Of the node behind a ``TopicEndpointInfo``, such as ``/robot/gate``; empty while the graph does not know it."""
    return "" if info.node_name == UNKNOWN_NODE else f"{info.node_namespace.rstrip('/')}/{info.node_name}"


def missing_connections(reports: Mapping[str, Connections], expected: Sequence[str]) -> list[str]:
    """What keeps a run of the nodes ``expected`` from starting, one line each; empty when all hear each other.

    Args:
        reports: node name → its newest report.
        expected: names of the nodes that must be there.
    """
    lines = [f"{name}: has not been heard from" for name in expected if name not in reports]
    present = [name for name in expected if name in reports]
    lines += [f"{name}: is not active" for name in present if not reports[name].active]
    for name in present:
        for topic, reached in sorted(reports[name].reaches.items()):
            listeners = [other for other in present if topic in reports[other].subscribes]
            if reached < len(listeners):
                lines.append(f"{name}: {topic} reaches {reached} of its subscribers {', '.join(listeners)}")
    return lines
