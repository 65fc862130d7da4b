"""The simulated arm on the wire: its sensors, and what its expert knows besides, exactly.

What lies where is on ``/sim/objects`` and ``/sim/shapes``, which no robot has and no policy sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Pose, PoseArray, PoseStamped
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Header

from il_nodes.ros.diagnostics import Status, diagnostic_array
from il_nodes.ros.node import UnderstudyNode
from il_nodes.ros.qos import LATCHED, RELIABLE
from il_nodes.ros.stamps import ns_to_stamp
from il_nodes.simulator.sim_topics import image_message
from sim.grasping.gripper import FINGER_JOINTS
from sim.grasping.kinematics import ARM_JOINTS
from sim.grasping.objects import SceneObject
from sim.grasping.state import GraspingState
from sim.grasping.world import GraspingWorld

__all__ = ["BASE_FRAME", "OBJECTS", "SHAPES", "GraspingTopics"]

BASE_FRAME = "panda_link0"
#: Poses of everything on the table, the target first, every tick; and what they are poses of, once an episode.
OBJECTS, SHAPES = "/sim/objects", "/sim/shapes"
#: The overhead camera's frame comes last, for it starts a tick.
CAMERAS = ("wrist", "overhead")


class GraspingTopics:
    """The arm's sensors, and what lies on the table."""

    def __init__(self, node: UnderstudyNode) -> None:
        self._joints = node.advertise("/joint_states", JointState, RELIABLE)
        self._tool = node.advertise("/tool/pose", PoseStamped, RELIABLE)
        self._objects = node.advertise(OBJECTS, PoseArray, RELIABLE)
        self._shapes = node.advertise(SHAPES, DiagnosticArray, LATCHED)
        self._cameras = {name: node.advertise(f"/camera/{name}/image_raw", Image, RELIABLE) for name in CAMERAS}

    def publish_shapes(self, stamp_ns: int, objects: Sequence[SceneObject]) -> Sequence[Any]:
        """What lies in the scene that starts with this stamp, as ``parse_shapes`` reads it; where it went out."""
        self._shapes.publish(diagnostic_array(ns_to_stamp(stamp_ns), _shapes(objects), "simulated_arm"))
        return (self._shapes,)

    def publish_state(self, stamp_ns: int, state: GraspingState) -> None:
        """Joints (rad; the fingers' m), the tool's pose and everything's pose in the base frame."""
        header = Header(stamp=ns_to_stamp(stamp_ns), frame_id=BASE_FRAME)
        joints = JointState(header=header, name=[*ARM_JOINTS, *FINGER_JOINTS])
        joints.position = [*state.tool.joints_rad.tolist(), *state.fingers_m]
        self._joints.publish(joints)
        position = tuple(state.tool.position_m.tolist())
        self._tool.publish(PoseStamped(header=header, pose=_pose(position, state.tool_quaternion)))
        poses = [_pose(item.pose.position_m, item.pose.quaternion) for item in state.objects]
        self._objects.publish(PoseArray(header=header, poses=poses))

    def publish_images(self, stamp_ns: int, world: GraspingWorld) -> None:
        """The frames of both cameras."""
        for name in CAMERAS:
            self._cameras[name].publish(image_message(stamp_ns, f"camera_{name}", world.render(name)))


def _pose(position_m: Sequence[float], quaternion: Sequence[float]) -> Any:
    pose = Pose()
    pose.position.x, pose.position.y, pose.position.z = position_m
    pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w = quaternion
    return pose


def _shapes(objects: Sequence[SceneObject]) -> dict[str, Status]:
    """One status an object: its kind, and its sizes in metres with all their digits."""
    return {
        f"object {index}": Status(
            "ok",
            "target" if index == 0 else "clutter",
            {
                "kind": item.shape.kind,
                **{f"size_{axis}_m": repr(float(size)) for axis, size in zip("xyz", item.shape.size_m, strict=True)},
            },
        )
        for index, item in enumerate(objects)
    }
