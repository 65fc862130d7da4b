"""Who else is on the gate's topics: a second commander of the robot, policies that come and go, the gate itself."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from il_nodes.ros.connections import full_name
from models.errors import DeploymentError

__all__ = ["DISCOVERY_S", "CommandGuard", "command_topics"]

#: Discovery takes 0.1 s, and on a busy machine up to 2.5 s (measured at a load of 4 on 2 cores). Whoever is found to
#: command the robot within this time was there before, and the gate refuses; whoever comes later makes it halt.
DISCOVERY_S = 3.0
#: The wait for others ends early once the robot's own driver listens, and nobody has come or gone for so long: whoever
#: was there before has been found by then, with the driver or soon after it.
QUIET_S = 0.5
#: A publisher may be known before the name of its node. The gate is about to end and commands nothing while it waits.
NAME_WAIT_S = 1.0


def command_topics(node: Any, commanded: Iterable[str], heard: Iterable[str]) -> list[str]:
    """Resolved names of the topics that the gate commands the robot on, remappings and all.

    Args:
        node: the gate's node.
        commanded: the contract's command topics.
        heard: topics whose messages the gate decides by.

    Raises:
        DeploymentError: the gate would hear its own commands on one of ``heard``, take them for somebody else's, and
            never halt; or two of ``commanded`` are one topic.
    """
    topics = [node.resolve_topic_name(topic) for topic in commanded]
    for topic in heard:
        if node.resolve_topic_name(topic) in topics:
            raise DeploymentError(
                f"the gate would listen to its own commands on {node.resolve_topic_name(topic)}, and never halt",
                found=f"{topic} is a command topic of the contract",
                fix="give the expert, the policy and the sensors topics of their own, in the contract or by remapping",
            )
    for topic in topics:
        if topics.count(topic) > 1:
            raise DeploymentError(
                f"two parts of the action would be commanded on {topic}, and each would overwrite the other",
                fix="undo the remapping that makes them one",
            )
    return topics


class CommandGuard:
    """Asks the ROS graph.

    Args:
        node: the gate's node.
        command_topics: resolved names of the topics that nobody else may publish; none in a dry run.
        proposal_topic: where policies propose.
        discovery_s: how long :meth:`is_clear` looks around at most.

    Attributes:
        refused: whether there was another publisher of commands before the gate.

    Raises:
        DeploymentError: one of the command topics has a publisher; the gate must not have made its own yet.
    """

    def __init__(
        self, node: Any, command_topics: Sequence[str], proposal_topic: str, discovery_s: float = DISCOVERY_S
    ) -> None:
        self._node = node
        self._command_topics = tuple(command_topics)
        self._proposal_topic = node.resolve_topic_name(proposal_topic)
        self._discovery_s = discovery_s
        self._proposers: set[bytes] = set()
        self.refused = False
        self._require_sole(own=0)

    def begin(self) -> None:
        """The gate is about to command the robot, and looks around first.

        Raises:
            DeploymentError: another publisher is known already.
        """
        self._begun_s = self._changed_s = time.monotonic()
        self._seen: object = None
        self._clear = not self._command_topics
        self._require_sole(own=1)

    def is_clear(self) -> bool:
        """Whether the gate has looked around for long enough to command the robot.

        Raises:
            DeploymentError: it has found another publisher.
        """
        if self._clear:
            return True
        self._require_sole(own=1)
        now_s = time.monotonic()
        seen = frozenset(self._node.get_node_names_and_namespaces())
        if seen != self._seen:
            self._seen, self._changed_s = seen, now_s
        heard = all(self._node.count_subscribers(topic) for topic in self._command_topics)
        quiet = heard and now_s - self._changed_s >= QUIET_S
        self._clear = quiet or now_s - self._begun_s >= self._discovery_s
        return self._clear

    def shared_topics(self, *, commanding: bool) -> list[str]:
        """Command topics with a publisher beside the gate's own.

        Args:
            commanding: whether the robot has had a command of this gate: then it has to be halted first.

        Raises:
            DeploymentError: there is one, and the gate has only just begun: it was there first.
        """
        if not commanding and time.monotonic() - self._begun_s < DISCOVERY_S:
            self._require_sole(own=1)
        return self._shared(own=1)

    def proposers(self) -> tuple[int, bool]:
        """How many publish proposals, and whether one has gone since the last call: it ended or was replaced."""
        infos = self._node.get_publishers_info_by_topic(self._proposal_topic)
        before, self._proposers = self._proposers, {bytes(info.endpoint_gid) for info in infos}
        return len(self._proposers), bool(before - self._proposers)

    def _shared(self, own: int) -> list[str]:
        return [topic for topic in self._command_topics if self._node.count_publishers(topic) > own]

    def _require_sole(self, own: int) -> None:
        for topic in self._shared(own):
            self.refused = True
            raise DeploymentError(
                f"{topic} has a publisher already, and only the gate may command the robot",
                found=", ".join(self._rivals(topic)) or "a node whose name is not known yet",
                fix="stop that node, or remap its output to the expert's topic; enable_control:=false only watches",
            )

    def _rivals(self, topic: str) -> list[str]:
        """Full names of the other nodes that publish ``topic``, as far as they become known in time."""
        deadline_s = time.monotonic() + NAME_WAIT_S
        while True:
            infos = self._node.get_publishers_info_by_topic(topic)
            names = {full_name(info) for info in infos}
            if "" not in names or time.monotonic() > deadline_s:
                return sorted(names - {"", self._node.get_fully_qualified_name()})
            time.sleep(0.02)
