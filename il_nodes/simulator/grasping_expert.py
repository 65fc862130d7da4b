"""The simulated arm's expert on the wire: joints and where everything lies in, the intended command out."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseArray, TwistStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from il_nodes.ros.diagnostics import Status
from il_nodes.ros.node import UnderstudyNode
from il_nodes.ros.qos import LATCHED, RELIABLE
from il_nodes.ros.stamps import stamp_to_ns
from il_nodes.simulator.grasping_driver import GraspingDriver, parse_shape
from il_nodes.simulator.robot import ScriptedExpert
from sim.grasping.expert import ExpertConfig
from sim.grasping.kinematics import ARM_JOINTS
from sim.grasping.objects import ObjectPose
from sim.grasping.state import Command

__all__ = ["GraspingExpert"]

_FINGERS = ("panda_finger_joint1", "panda_finger_joint2")


class GraspingExpert(ScriptedExpert):
    """Answers every tick of the running episode with one command on its two topics, of the tick's stamp."""

    def __init__(self, node: UnderstudyNode) -> None:
        default = ExpertConfig()
        speed = node.parameter(
            "top_speed_m_s", default.top_speed_m_s, "of the tool, m/s; the arm does 0.25", minimum=0.02, maximum=0.25
        )
        push = node.parameter(
            "push_speed_m_s", default.push_speed_m_s, "while it pushes clutter aside, m/s", minimum=0.02, maximum=0.25
        )
        self._config = replace(default, top_speed_m_s=speed, push_speed_m_s=min(push, speed))

    def open(self, node: UnderstudyNode) -> None:
        """Make the topics; nothing is known of any scene yet."""
        self._driver = GraspingDriver(self._config)
        self._tool = TwistStamped()
        self._tool.header.frame_id = "panda_link0"
        self._gripper = JointState(name=["gripper"])
        self._tool_publisher = node.advertise("/expert/tool/cmd_vel", TwistStamped, RELIABLE)
        self._gripper_publisher = node.advertise("/expert/gripper/command", JointState, RELIABLE)
        # In this order: the executor serves what is ready in the order of creation, and a new episode and its scene
        # must be known before the first state in it is answered.
        node.subscribe("/episode", Header, self._on_episode, LATCHED)
        node.subscribe("/sim/shapes", DiagnosticArray, self._on_shapes, LATCHED)
        node.subscribe("/joint_states", JointState, self._on_joints, RELIABLE)
        node.subscribe("/sim/objects", PoseArray, self._on_objects, RELIABLE)

    def _on_episode(self, header: Any) -> None:
        self._driver.start_episode(header.frame_id, stamp_to_ns(header.stamp))

    def _on_shapes(self, message: Any) -> None:
        shapes = [parse_shape({item.key: item.value for item in status.values}) for status in message.status]
        self._driver.take_shapes(stamp_to_ns(message.header.stamp), shapes)

    def _on_joints(self, message: Any) -> None:
        known = dict(zip(message.name, message.position, strict=False))
        arm, fingers = ([float(known.get(name, math.nan)) for name in names] for names in (ARM_JOINTS, _FINGERS))
        self._publish(message.header.stamp, self._driver.take_joints(stamp_to_ns(message.header.stamp), arm, fingers))

    def _on_objects(self, message: Any) -> None:
        poses = [_pose(pose) for pose in message.poses]
        self._publish(message.header.stamp, self._driver.take_objects(stamp_to_ns(message.header.stamp), poses))

    def _publish(self, stamp: Any, command: Command | None) -> None:
        if command is None:
            return
        self._tool.header.stamp = self._gripper.header.stamp = stamp
        twist = self._tool.twist
        twist.linear.x, twist.linear.y, twist.linear.z, twist.angular.z, opening = command
        self._gripper.velocity = [opening]
        self._tool_publisher.publish(self._tool)
        self._gripper_publisher.publish(self._gripper)

    def status(self) -> Status:
        """Whether it grasps, and how much it answered."""
        driver = self._driver
        values = {"episode": driver.episode_id, "answered": driver.answered, "unanswered": driver.unanswered}
        if driver.is_ready:
            return Status("ok", "grasping", values)
        return Status("ok", "waiting for an episode and its scene", values)


def _pose(pose: Any) -> ObjectPose:
    position, rotation = pose.position, pose.orientation
    return ObjectPose((position.x, position.y, position.z), (rotation.x, rotation.y, rotation.z, rotation.w))
