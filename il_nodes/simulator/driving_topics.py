"""The simulated car on the wire: its sensors' publishers, and messages made from a world's state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Odometry, Path
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Header

from il_nodes.ros.node import UnderstudyNode
from il_nodes.ros.qos import LATCHED, RELIABLE
from il_nodes.ros.stamps import ns_to_stamp
from il_nodes.simulator.sim_topics import image_message
from sim.driving.lane import lane_numbers
from sim.driving.track import Track
from sim.driving.world import DrivingWorld

__all__ = ["DrivingTopics"]

#: Camera names with topics. The front one is always drawn, the others while somebody subscribes.
FRONT, SIDES = "front", ("left", "right")
MAP_FRAME, BASE_FRAME = "map", "base_link"


class DrivingTopics:
    """The car's sensors, and the track that its expert follows."""

    def __init__(self, node: UnderstudyNode) -> None:
        self._odometry = node.advertise("/odom", Odometry, RELIABLE)
        self._lane = node.advertise("/lane", JointState, RELIABLE)
        self._lines = {
            name: node.advertise(f"/track/{name}", Path, LATCHED) for name in ("centerline", "left_edge", "right_edge")
        }
        self._cameras = {name: node.advertise(f"/camera/{name}/image_raw", Image, RELIABLE) for name in (FRONT, *SIDES)}

    def publish_track(self, stamp_ns: int, track: Track) -> Sequence[Any]:
        """The track of the episode that starts with this stamp; the publishers it went out on."""
        lines = {"centerline": track.points, "left_edge": track.left_edge, "right_edge": track.right_edge}
        for name, points in lines.items():
            self._lines[name].publish(_path(stamp_ns, points))
        return tuple(self._lines.values())

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

    def publish_lane(self, stamp_ns: int, world: DrivingWorld) -> None:
        """Where the car is on the road, for policies without a camera; NaN where a number has no velocity."""
        numbers = lane_numbers(world)
        message = JointState(header=Header(stamp=ns_to_stamp(stamp_ns), frame_id=MAP_FRAME), name=list(numbers))
        message.position = [number.position for number in numbers.values()]
        message.velocity = [number.velocity for number in numbers.values()]
        self._lane.publish(message)

    def publish_front(self, stamp_ns: int, world: DrivingWorld) -> None:
        """The front camera's frame, which starts a tick for everybody else."""
        self._publish_image(stamp_ns, FRONT, world)

    def publish_sides(self, stamp_ns: int, world: DrivingWorld) -> None:
        """The side cameras' frames, while somebody subscribes."""
        for name in SIDES:
            if self._cameras[name].get_subscription_count():
                self._publish_image(stamp_ns, name, world)

    def _publish_image(self, stamp_ns: int, name: str, world: DrivingWorld) -> None:
        self._cameras[name].publish(image_message(stamp_ns, f"camera_{name}", world.render(name)))


def _path(stamp_ns: int, points: npt.NDArray[np.float64]) -> Any:
    """A ``nav_msgs/Path`` of ``(n, 2)`` metres in ``map``."""
    header = Header(stamp=ns_to_stamp(stamp_ns), frame_id=MAP_FRAME)
    message = Path(header=header)
    for x, y in points.tolist():
        pose = PoseStamped(header=header)
        pose.pose.position.x, pose.pose.position.y = x, y
        message.poses.append(pose)
    return message
