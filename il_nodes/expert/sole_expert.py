"""Whether one only speaks as the expert: commands of two that alternate are nobody's wish, and must not move a robot.

What counts is who is there, by the ROS graph. A process that was killed stays visible until its lease ends, so a node
that was started again has two publishers for a while, and one of them says nothing: as long as the publishers are all
of one name and their messages do not alternate, they count as one. Messages of one publisher are numbered 1, 2, 3, …;
of two that alternate the numbers fall again and again, and after a restart they fall once.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from il_nodes.ros.connections import full_name

__all__ = ["LINGER_S", "Sender", "SenderWatch", "SoleExpert"]

#: A killed process is visible for 20 s, the lease of Fast DDS; whoever is there for longer lives.
LINGER_S = 25.0
#: A publisher is known before the name of its node: 3 s before, where a process was killed just now. Meanwhile nobody
#: is believed; one whose name stays unknown is somebody else.
NAME_WAIT_S = 5.0
#: Bytes of an endpoint's identifier that are its process's.
_PREFIX = 12


@dataclass(frozen=True, slots=True)
class Sender:
    """Who publishes: ``process``, an identifier, and the full ``name`` of the node, empty while it is not known."""

    process: bytes
    name: str


class SenderWatch:
    """One topic's publishers: plain logic.

    Attributes:
        crowd: names of the publishers while there are several; empty while there is one, or none.
        unsure: whether somebody has come of whom nobody knows yet whether it is somebody else.
    """

    def __init__(self) -> None:
        self.crowd: tuple[str, ...] = ()
        self.unsure = False
        self._newest: int | None = None
        self._falls = 0
        self._known: set[Sender] = set()
        self._come_s = 0.0
        self._both_live = False

    def surprises(self, number: int | None) -> bool:
        """Take the number of the next message: whether it is not the next one, so that another may have sent it."""
        newest, self._newest = self._newest, number
        if newest is None or number is None or number == newest + 1:
            return False
        self._falls += number <= newest
        return not self.crowd

    def judge(self, senders: Collection[Sender], now_s: float) -> None:
        """The graph says who publishes; ``now_s`` is monotonic."""
        if len(set(senders)) < 2:
            self._known, self._falls = set(senders), 0
            self.crowd, self.unsure, self._both_live = (), False, False
            return
        if not self._known.issuperset(senders):
            self._come_s = now_s
        self._known.update(senders)
        names, since_s = {sender.name for sender in senders}, now_s - self._come_s
        alternate = self._falls >= len({sender.process for sender in self._known})
        self._both_live = self._both_live or alternate or since_s > LINGER_S
        nameless = "" in names and since_s > NAME_WAIT_S
        several = self._both_live or nameless or len(names - {""}) > 1
        words = sorted(sender.name or "a node whose name is not known" for sender in senders)
        self.crowd = tuple(words) if several else ()
        self.unsure = not several and "" in names


class SoleExpert:
    """Asks the ROS graph about the expert's topics.

    Args:
        node: who listens to them.
        topics: as in the contract; the node's remappings count.

    Attributes:
        problem: who publishes where, while several do; empty while one does, or none.
    """

    def __init__(self, node: Any, topics: Sequence[str]) -> None:
        self._node = node
        names = [node.resolve_topic_name(topic) for topic in topics]
        self._watches = {name: SenderWatch() for name in names}
        self._listed = [self._watches[name] for name in names]
        self.problem = ""

    def surprises(self, index: int, number: int | None) -> bool:
        """Take a message's number, on the topic of that index: whether it is time to look, before it is believed."""
        return self._listed[index].surprises(number)

    @property
    def is_unsure(self) -> bool:
        """Whether a newcomer's name is awaited, and nobody should be believed for that moment."""
        return any(watch.unsure for watch in self._listed)

    @property
    def crowds(self) -> dict[str, int]:
        """Topic to publishers, where there are several."""
        return {topic: len(watch.crowd) for topic, watch in self._watches.items() if watch.crowd}

    def look(self) -> bool:
        """Ask the graph; whether :attr:`problem` has changed."""
        now_s = time.monotonic()
        for topic, watch in self._watches.items():
            # One count is enough as long as there is one: what stands behind it costs more.
            several = self._node.count_publishers(topic) > 1
            infos = self._node.get_publishers_info_by_topic(topic) if several else ()
            watch.judge({Sender(bytes(info.endpoint_gid)[:_PREFIX], full_name(info)) for info in infos}, now_s)
        before, self.problem = self.problem, self._words()
        return self.problem != before

    def _words(self) -> str:
        crowds = ((topic, watch.crowd) for topic, watch in self._watches.items() if watch.crowd)
        return "; ".join(f"{len(names)} experts on {topic}: {', '.join(names)}" for topic, names in crowds)
