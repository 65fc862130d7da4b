"""The simulated car's expert on the wire: ``/odom`` and the track's centre line in, the intended command out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry, Path
from std_msgs.msg import Header

from il_nodes.ros.diagnostics import Status
from il_nodes.ros.node import UnderstudyNode
from il_nodes.ros.qos import LATCHED, RELIABLE
from il_nodes.ros.stamps import stamp_to_ns
from il_nodes.simulator.expert_driver import ExpertDriver, yaw_from_quaternion
from il_nodes.simulator.robot import ScriptedExpert
from sim.driving.expert import ExpertConfig

__all__ = ["DrivingExpert"]


class DrivingExpert(ScriptedExpert):
    """Answers every ``/odom`` of the running episode with one ``/expert/cmd_vel`` of the same stamp."""

    def __init__(self, node: UnderstudyNode) -> None:
        default = ExpertConfig()
        top_speed = node.parameter(
            "top_speed_m_s", default.top_speed_m_s, "speed on a straight, m/s", minimum=0.5, maximum=30.0
        )
        lateral = node.parameter(
            "lateral_acceleration_m_s2",
            default.lateral_acceleration_m_s2,
            "what bends are driven at, m/s^2; the tyres hold about 9",
            minimum=0.5,
            maximum=9.0,
        )
        slowest = min(default.slowest_m_s, top_speed)
        self._config = replace(default, top_speed_m_s=top_speed, slowest_m_s=slowest, lateral_acceleration_m_s2=lateral)

    def open(self, node: UnderstudyNode) -> None:
        """Make the topics; nothing is known of any track yet."""
        self._driver = ExpertDriver(self._config)
        self._command = TwistStamped()
        self._command.header.frame_id = "base_link"
        self._publisher = node.advertise("/expert/cmd_vel", TwistStamped, RELIABLE)
        # In this order: the executor serves what is ready in the order of creation, and a new episode and its path
        # must be known before the first state in it is answered.
        node.subscribe("/episode", Header, self._on_episode, LATCHED)
        node.subscribe("/track/centerline", Path, self._on_path, LATCHED)
        node.subscribe("/odom", Odometry, self._on_odometry, RELIABLE)

    def _on_episode(self, header: Any) -> None:
        self._driver.start_episode(header.frame_id, stamp_to_ns(header.stamp))

    def _on_path(self, path: Any) -> None:
        points = np.array([(pose.pose.position.x, pose.pose.position.y) for pose in path.poses])
        self._driver.take_path(stamp_to_ns(path.header.stamp), points)

    def _on_odometry(self, odometry: Any) -> None:
        pose, twist = odometry.pose.pose, odometry.twist.twist
        rotation = pose.orientation
        command = self._driver.command(
            stamp_to_ns(odometry.header.stamp),
            pose.position.x,
            pose.position.y,
            yaw_from_quaternion(rotation.x, rotation.y, rotation.z, rotation.w),
            twist.linear.x,
        )
        if command is None:
            return
        self._command.header.stamp = odometry.header.stamp
        self._command.twist.linear.x, self._command.twist.angular.z = command
        self._publisher.publish(self._command)

    def status(self) -> Status:
        """Whether it drives, and how much it answered."""
        driver = self._driver
        values = {"episode": driver.episode_id, "answered": driver.answered, "unanswered": driver.unanswered}
        if driver.is_ready:
            return Status("ok", "driving", values)
        return Status("ok", "waiting for an episode and its centre line", values)
