"""What every simulated robot publishes: time, the episode, the score; and messages that several of them make."""

from __future__ import annotations

import array
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.duration import Duration
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from il_nodes.ros.diagnostics import Status, diagnostic_array
from il_nodes.ros.node import UnderstudyNode
from il_nodes.ros.qos import LATCHED, RELIABLE
from il_nodes.ros.stamps import ns_to_stamp

__all__ = ["SimTopics", "image_message"]

#: Longest wait for the subscribers' word that they have an episode's start, and all that belongs to it: a process that
#: was killed counts as one for 20 s, and must not stop the robot. A policy without frames for a second counts as hung.
ACKNOWLEDGE_S = 0.25


class SimTopics:
    """The topics of the simulator itself.

    All publishers offer reliable delivery, so that any subscriber's request is met; a best-effort subscriber costs them
    nothing more.
    """

    def __init__(self, node: UnderstudyNode) -> None:
        self._clock = node.advertise("/clock", Clock, RELIABLE)
        self._status = node.advertise("/sim/status", DiagnosticArray, RELIABLE)
        self._episode = node.advertise("/episode", Header, LATCHED)

    def publish_clock(self, stamp_ns: int) -> None:
        """Simulated time goes on."""
        self._clock.publish(Clock(clock=ns_to_stamp(stamp_ns)))

    def publish_episode(self, stamp_ns: int, episode_id: str, scene: Sequence[Any] = ()) -> None:
        """An episode starts or goes on after a recovery; an empty id ends it.

        Waits until subscribers have it: the ticks that follow must not overtake it on their own topics.

        Args:
            stamp_ns: also that of what went out on ``scene``.
            episode_id: its name.
            scene: publishers of what belongs to the start, on which it went out before.
        """
        self._episode.publish(Header(stamp=ns_to_stamp(stamp_ns), frame_id=episode_id))
        deadline_s = time.monotonic() + ACKNOWLEDGE_S
        for publisher in (*scene, self._episode):
            publisher.wait_for_all_acked(Duration(seconds=max(0.0, deadline_s - time.monotonic())))

    def publish_status(self, stamp_ns: int, name: str, status: Status, hardware: str) -> None:
        """The world's own score so far, and whatever else is known of this tick."""
        self._status.publish(diagnostic_array(ns_to_stamp(stamp_ns), {name: status}, hardware))


def image_message(stamp_ns: int, frame: str, pixels: npt.NDArray[np.uint8]) -> Any:
    """A ``sensor_msgs/Image`` of ``(height, width, 3)`` uint8 RGB."""
    message = Image(height=pixels.shape[0], width=pixels.shape[1], encoding="rgb8", step=3 * pixels.shape[1])
    message.header = Header(stamp=ns_to_stamp(stamp_ns), frame_id=frame)
    # An array.array: rclpy checks a list or a NumPy array element by element, which takes a thousand times longer.
    message.data = array.array("B", pixels.tobytes())
    return message
