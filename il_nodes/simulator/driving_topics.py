"""The simulated car on the wire: its publishers, and messages made from a world's state."""

from __future__ import annotations

import array
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Odometry, Path
from rclpy.duration import Duration
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from il_nodes.ros.diagnostics import Level, Status, diagnostic_array
from il_nodes.ros.node import UnderstudyNode
from il_nodes.ros.qos import LATCHED, RELIABLE
from il_nodes.ros.stamps import ns_to_stamp
from sim.driving.metrics import DrivingStatus
from sim.driving.track import Track
from sim.driving.world import DrivingWorld

__all__ = ["DrivingTopics"]

#: Camera names with topics. The front one is always drawn, the others while somebody subscribes.
FRONT, SIDES = "front", ("left", "right")
#: Longest wait for the subscribers' word that they have an episode's start; a stopped process must not stop the car.
ACKNOWLEDGE_S = 0.5
MAP_FRAME, BASE_FRAME = "map", "base_link"


class DrivingTopics:
    """Everything that the simulator publishes.

    All publishers offer reliable delivery, so that any subscriber's request is met; a best-effort subscriber costs them
    nothing more.
    """

    def __init__(self, node: UnderstudyNode) -> None:
        self._clock = node.advertise("/clock", Clock, RELIABLE)
        self._odometry = node.advertise("/odom", Odometry, RELIABLE)
        self._status = node.advertise("/sim/status", DiagnosticArray, RELIABLE)
        self._episode = node.advertise("/episode", Header, LATCHED)
        self._lines = {
            name: node.advertise(f"/track/{name}", Path, LATCHED) for name in ("centerline", "left_edge", "right_edge")
        }
        self._cameras = {name: node.advertise(f"/camera/{name}/image_raw", Image, RELIABLE) for name in (FRONT, *SIDES)}

    def publish_clock(self, stamp_ns: int) -> None:
        """Simulated time goes on between two ticks."""
        self._clock.publish(Clock(clock=ns_to_stamp(stamp_ns)))

    def publish_start(self, stamp_ns: int, episode_id: str, track: Track) -> None:
        """An episode starts, or goes on after a recovery: the track first, then its id, both with this stamp."""
        lines = {"centerline": track.points, "left_edge": track.left_edge, "right_edge": track.right_edge}
        for name, points in lines.items():
            self._lines[name].publish(_path(stamp_ns, points))
        self._publish_episode(stamp_ns, episode_id)

    def publish_end(self, stamp_ns: int) -> None:
        """The episode is over."""
        self._publish_episode(stamp_ns, "")

    def _publish_episode(self, stamp_ns: int, episode_id: str) -> None:
        """Wait until subscribers have it: the ticks that follow must not overtake it on their own topics."""
        self._episode.publish(Header(stamp=ns_to_stamp(stamp_ns), frame_id=episode_id))
        for publisher in (*self._lines.values(), self._episode):
            publisher.wait_for_all_acked(Duration(seconds=ACKNOWLEDGE_S))

    def publish_odometry(self, stamp_ns: int, world: DrivingWorld) -> None:
        """Exact pose in ``map``, motion in ``base_link``."""
        car = world.state.car
        message = Odometry(child_frame_id=BASE_FRAME)
        message.header = Header(stamp=ns_to_stamp(stamp_ns), frame_id=MAP_FRAME)
        position, rotation = message.pose.pose.position, message.pose.pose.orientation
        position.x, position.y, position.z = car.position_m
        rotation.x, rotation.y, rotation.z, rotation.w = car.quaternion
        linear, angular = message.twist.twist.linear, message.twist.twist.angular
        linear.x, linear.y, linear.z = car.velocity_m_s
        angular.x, angular.y, angular.z = car.angular_velocity_rad_s
        self._odometry.publish(message)

    def publish_front(self, stamp_ns: int, world: DrivingWorld) -> None:
        """The front camera's frame, which starts a tick for everybody else."""
        self._publish_image(stamp_ns, FRONT, world)

    def publish_sides(self, stamp_ns: int, world: DrivingWorld) -> None:
        """The side cameras' frames, while somebody subscribes."""
        for name in SIDES:
            if self._cameras[name].get_subscription_count():
                self._publish_image(stamp_ns, name, world)

    def publish_status(self, stamp_ns: int, status: DrivingStatus, others: dict[str, object]) -> None:
        """The world's own score of the drive so far, and whatever else the node knows of this tick."""
        level: Level = "warn" if status.off_track else "ok"
        values = {**asdict(status), "autonomy": status.autonomy, **others}
        message = "off track" if status.off_track else "on track"
        report = {"driving": Status(level, message, values)}
        self._status.publish(diagnostic_array(ns_to_stamp(stamp_ns), report, "simulated_car"))

    def _publish_image(self, stamp_ns: int, name: str, world: DrivingWorld) -> None:
        pixels = world.render(name)
        message = Image(height=pixels.shape[0], width=pixels.shape[1], encoding="rgb8", step=3 * pixels.shape[1])
        message.header = Header(stamp=ns_to_stamp(stamp_ns), frame_id=f"camera_{name}")
        # An array.array: rclpy checks a list or a NumPy array element by element, which takes a thousand times longer.
        message.data = array.array("B", pixels.tobytes())
        self._cameras[name].publish(message)


def _path(stamp_ns: int, points: npt.NDArray[np.float64]) -> Any:
    """A ``nav_msgs/Path`` of ``(n, 2)`` metres in ``map``."""
    header = Header(stamp=ns_to_stamp(stamp_ns), frame_id=MAP_FRAME)
    message = Path(header=header)
    for x, y in points.tolist():
        pose = PoseStamped(header=header)
        pose.pose.position.x, pose.pose.position.y = x, y
        message.poses.append(pose)
    return message
