"""One node of a name in a ROS domain: two gates, or two simulators, would both drive the robot.

Of two that start at the same time exactly one has to stay, so each can tell which: participants are ordered by their
identifiers, and the smaller one stays. A node that works already stays whatever its identifier, since a newcomer is
no reason to drop a robot: a newcomer gives way to whoever publishes diagnostics, which begins when the look around is
over.
"""

from __future__ import annotations

import time
import uuid

from rclpy.node import Node
from std_msgs.msg import Header

from models.errors import DeploymentError

__all__ = ["Namesakes"]

#: Discovery on one machine takes 0.1 to 0.3 s; a namesake that is there is seen within this time.
DISCOVERY_S = 0.5
#: On a busy machine it may take longer. A node that is younger than this gives way to a namesake that turns up; an
#: older one has work in hand, and it is the newcomer that is refused.
YOUNG_S = 5.0
#: Of two young ones the other gives way as soon as it has found this one. If it is still there after so long, it is an
#: old one, or none of ours.
GIVING_WAY_S = 2.5
#: Every ROS 2 node publishes this one from the beginning, and nodes of ours publish the other one a little later.
_ALWAYS, _AT_WORK = "/parameter_events", "/diagnostics"
#: Bytes of an endpoint's identifier that are its participant's.
_PREFIX = 12


class Namesakes:
    """Watches for nodes of this node's full name in other processes.

    Args:
        node: just made.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._name = (node.get_name(), node.get_namespace())
        self._young_until_s = time.monotonic() + YOUNG_S
        self._since_s: float | None = None
        # Only this process has a publisher there, so that its identifier cannot be another's.
        topic = node.resolve_topic_name(f"~/identity_{uuid.uuid4().hex}")
        publisher = node.create_publisher(Header, topic, 1)
        self._own = {bytes(info.endpoint_gid)[:_PREFIX] for info in node.get_publishers_info_by_topic(topic)}
        node.destroy_publisher(publisher)

    def require_free_domain(self, discovery_s: float = DISCOVERY_S) -> None:
        """Look around before the first publisher of this node exists. It needs no executor.

        Args:
            discovery_s: how long to look.

        Raises:
            DeploymentError: a namesake was found that works, or that stays.
        """
        deadline_s = time.monotonic() + discovery_s
        while time.monotonic() < deadline_s or self._since_s is not None:
            if self._publishers(_AT_WORK):
                raise self._busy()
            self._give_way(self._publishers(_ALWAYS))
            time.sleep(0.02)

    def give_way(self) -> None:
        """Look again, while this node is young; one that has not begun to work yet gives way itself.

        Raises:
            DeploymentError: it is this node that has to go.
        """
        if time.monotonic() < self._young_until_s or self._since_s is not None:
            self._give_way(self._publishers(_AT_WORK))

    def _give_way(self, others: set[bytes]) -> None:
        now_s = time.monotonic()
        since_s = now_s if self._since_s is None else self._since_s
        self._since_s = since_s if others else None
        if others and (min(others) < min(self._own) or now_s - since_s > GIVING_WAY_S):
            raise self._busy()

    def _publishers(self, topic: str) -> set[bytes]:
        infos = self._node.get_publishers_info_by_topic(topic)
        found = {bytes(i.endpoint_gid)[:_PREFIX] for i in infos if (i.node_name, i.node_namespace) == self._name}
        return found - self._own

    def _busy(self) -> DeploymentError:
        domain = self._node.context.get_domain_id()
        return DeploymentError(
            f"domain busy: another node named {self._node.get_fully_qualified_name()} runs in ROS domain {domain}",
            fix=f"stop the other run, or start this one elsewhere with ROS_DOMAIN_ID={(domain + 1) % 102}; after a "
            "hard kill (SIGKILL) the dead node stays visible for up to 20 s",
        )
