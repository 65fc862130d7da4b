"""Messages and a small robot for tests, without a node: by rclpy's type support where a test is about the wire."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from il_nodes.codecs import canonical_cdr, import_message_class
from il_nodes.codecs.canonical import typestore
from models.contract import Align, Channel, Contract, Source, parse_contract

STAMP_NS = 12_345_678_901


def make_source(type_name: str, select: tuple[str, ...] | None = None, **rest: Any) -> Source:
    """Contract source on ``/topic``."""
    return Source(Channel("/topic", type_name), Align("hold", "header"), select=select, **rest)


def serialize(message: Any) -> bytes:
    """CDR bytes as rclpy puts them on the wire, garbage in the padding included."""
    from rclpy.serialization import serialize_message

    return bytes(serialize_message(message))


def deserialize(cdr: bytes, type_name: str) -> Any:
    """Rclpy's message of these bytes."""
    from rclpy.serialization import deserialize_message

    return deserialize_message(cdr, import_message_class(type_name))


def deserialize_with_rosbags(cdr: bytes, type_name: str) -> Any:
    """An independent implementation's reading of the same bytes."""
    return typestore().deserialize_cdr(canonical_cdr(cdr, type_name), type_name)


def _written(message: Any) -> bytes:
    """Bytes by rosbags' serialiser: tests that are not about the wire need no ROS."""
    return bytes(typestore().serialize_cdr(message, message.__msgtype__))


def _types() -> Any:
    return typestore().types


def header(stamp_ns: int, frame_id: str = "") -> Any:
    """``std_msgs/Header`` as rosbags' class."""
    seconds, nanoseconds = divmod(stamp_ns, 10**9)
    types = _types()
    time = types["builtin_interfaces/msg/Time"](sec=seconds, nanosec=nanoseconds)
    return types["std_msgs/msg/Header"](stamp=time, frame_id=frame_id)


def header_cdr(stamp_ns: int, frame_id: str) -> bytes:
    """CDR of a ``std_msgs/Header``, such as ``/episode`` carries."""
    return _written(header(stamp_ns, frame_id))


def image_cdr(stamp_ns: int, pixels: npt.NDArray[np.uint8]) -> bytes:
    """CDR of an rgb8 image ``(height, width, 3)``."""
    height, width, _ = pixels.shape
    message = _types()["sensor_msgs/msg/Image"](
        header=header(stamp_ns, "camera_front"),
        height=height,
        width=width,
        encoding="rgb8",
        is_bigendian=0,
        step=3 * width,
        data=np.ascontiguousarray(pixels).reshape(-1),
    )
    return _written(message)


def _twist(linear_x: float, angular_z: float) -> Any:
    types = _types()
    vector = types["geometry_msgs/msg/Vector3"]
    return types["geometry_msgs/msg/Twist"](
        linear=vector(x=linear_x, y=0.0, z=0.0), angular=vector(x=0.0, y=0.0, z=angular_z)
    )


def twist_cdr(linear_x: float, angular_z: float) -> bytes:
    """CDR of a ``geometry_msgs/Twist``, which has no header."""
    return _written(_twist(linear_x, angular_z))


def command_cdr(stamp_ns: int, linear_x: float, angular_z: float) -> bytes:
    """CDR of a ``geometry_msgs/TwistStamped``."""
    message = _types()["geometry_msgs/msg/TwistStamped"](header=header(stamp_ns), twist=_twist(linear_x, angular_z))
    return _written(message)


def odometry_cdr(stamp_ns: int, linear_x: float, angular_z: float) -> bytes:
    """CDR of a ``nav_msgs/Odometry`` at the origin."""
    types = _types()
    pose = types["geometry_msgs/msg/Pose"](
        position=types["geometry_msgs/msg/Point"](x=0.0, y=0.0, z=0.0),
        orientation=types["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=0.0, w=1.0),
    )
    message = types["nav_msgs/msg/Odometry"](
        header=header(stamp_ns, "map"),
        child_frame_id="base_link",
        pose=types["geometry_msgs/msg/PoseWithCovariance"](pose=pose, covariance=np.zeros(36)),
        twist=types["geometry_msgs/msg/TwistWithCovariance"](
            twist=_twist(linear_x, angular_z), covariance=np.zeros(36)
        ),
    )
    return _written(message)


def joints_cdr(
    stamp_ns: int, names: tuple[str, ...], positions: tuple[float, ...], velocities: tuple[float, ...] = ()
) -> bytes:
    """CDR of a ``sensor_msgs/JointState``."""
    message = _types()["sensor_msgs/msg/JointState"](
        header=header(stamp_ns),
        name=list(names),
        position=np.array(positions, np.float64),
        velocity=np.array(velocities, np.float64),
        effort=np.array((), np.float64),
    )
    return _written(message)


def decision_cdr(stamp_ns: int, source: str) -> bytes:
    """CDR of what the gate publishes on ``/gate/decision``."""
    types = _types()
    status = types["diagnostic_msgs/msg/DiagnosticStatus"](
        level=0,
        name="gate",
        message="because",
        hardware_id="",
        values=[
            types["diagnostic_msgs/msg/KeyValue"](key="reason", value="because"),
            types["diagnostic_msgs/msg/KeyValue"](key="source", value=source),
        ],
    )
    return _written(types["diagnostic_msgs/msg/DiagnosticArray"](header=header(stamp_ns), status=[status]))


CAMERA, ODOMETRY, COMMAND, EXPERT = "/camera/front/image_raw", "/odom", "/cmd_vel", "/expert/cmd_vel"
TOPIC_TYPES = {
    CAMERA: "sensor_msgs/msg/Image",
    ODOMETRY: "nav_msgs/msg/Odometry",
    COMMAND: "geometry_msgs/msg/TwistStamped",
    EXPERT: "geometry_msgs/msg/TwistStamped",
    "/episode": "std_msgs/msg/Header",
    "/gate/decision": "diagnostic_msgs/msg/DiagnosticArray",
}

_CONTRACT = """
robot_type: small_car
fps: {fps}
observations:
  observation.images.front:
    channel: {{topic: /camera/front/image_raw, type: sensor_msgs/msg/Image}}
    align: {{strategy: hold, timeline: header}}
  observation.state: {state}
actions:
  action:
    channel: {{topic: /cmd_vel, type: geometry_msgs/msg/TwistStamped}}
    align: {{strategy: hold, timeline: header}}
    select: [twist.linear.x, twist.angular.z]
limits:
  action:
    twist.linear.x: {{min: 0, max: 8 m/s, rate: 10 m/s^2, unit: m/s, stop: 0}}
    twist.angular.z: {{min: -2.5, max: 2.5, rate: 15, unit: rad/s, stop: 0}}
memory: {{frames: {frames}, stride: {stride}, reset_gap: 500 ms}}
gate:
  expert: {{topic: /expert/cmd_vel, max_age: 150 ms}}
"""


HELD = "{strategy: hold, timeline: header}"


def state_source(
    select: str = "twist.twist.linear.x, twist.twist.angular.z",
    *,
    topic: str = "/odom",
    type_name: str = "nav_msgs/msg/Odometry",
    align: str = HELD,
    max_age: str = "1000 s",
) -> str:
    """YAML of one source of the state."""
    channel = f"{{topic: {topic}, type: {type_name}}}"
    return f"{{channel: {channel}, align: {align}, select: [{select}], max_age: {max_age}}}"


def make_contract(*, fps: float = 20, frames: int = 3, stride: int = 1, state: str | None = None) -> Contract:
    """A small car's contract: one camera, which is the trigger, and odometry (or whatever ``state`` says in YAML)."""
    return parse_contract(_CONTRACT.format(fps=fps, frames=frames, stride=stride, state=state or state_source()))
