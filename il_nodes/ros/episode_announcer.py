"""Says on ``/episode`` which episode a person started, where nobody else says anything there.

A simulator announces its episodes; a robot has nobody who would. Without an announcement no noise is added, the
policy's memory goes on across episodes, and neither gate nor labeller knows of a start.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from rclpy.serialization import serialize_message
from std_msgs.msg import Header

from il_nodes.recorder.topics import EPISODE_TOPIC
from il_nodes.ros.qos import LATCHED
from il_nodes.ros.stamps import ns_to_stamp

if TYPE_CHECKING:
    from il_nodes.ros.node import UnderstudyNode

__all__ = ["EpisodeAnnouncer"]

#: More announcements than ever wait for the node's own subscription.
_REMEMBERED = 32


class EpisodeAnnouncer:
    """One episode after another, each with its start and its end.

    Its publisher is made with the first episode: beside a simulator there never is one, and the topic has one source.

    Args:
        node: speaks; also hears ``/episode`` itself, see :meth:`is_own`.
    """

    def __init__(self, node: UnderstudyNode) -> None:
        self._node = node
        self._publisher: Any = None
        self._running = ""
        self._said: deque[tuple[str, int]] = deque(maxlen=_REMEMBERED)

    def begin(self, episode_id: str, stamp_ns: int) -> bytes:
        """Announce its start, unless others publish episodes; the message's bytes, empty without one."""
        if self._others_speak():
            return b""
        if self._publisher is None:
            self._publisher = self._node.advertise(EPISODE_TOPIC, Header, LATCHED)
        self._running = episode_id
        return self._say(episode_id, stamp_ns)

    def end(self, stamp_ns: int) -> bytes:
        """Announce its end, if its start was, and nobody else took over; the message's bytes, empty without one."""
        running, self._running = self._running, ""
        return self._say("", stamp_ns) if running and not self._others_speak() else b""

    def is_own(self, episode_id: str, stamp_ns: int) -> bool:
        """Whether an announcement that was heard is one of this node's."""
        return (episode_id, stamp_ns) in self._said

    def _others_speak(self) -> bool:
        return self._node.publisher_count(EPISODE_TOPIC) > (self._publisher is not None)

    def _say(self, episode_id: str, stamp_ns: int) -> bytes:
        header = Header(stamp=ns_to_stamp(stamp_ns), frame_id=episode_id)
        self._said.append((episode_id, stamp_ns))
        self._publisher.publish(header)
        return bytes(serialize_message(header))
