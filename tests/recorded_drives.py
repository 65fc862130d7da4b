"""Recordings for tests: messages of the simulated car's topics as CDR bytes, and a car that really drives a track.

The car is a point that turns as commanded, its camera looks at a flat road; both need neither ROS nor PyBullet.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rosbags.typesys import Stores, get_typestore

from il_nodes.bags import BagWriter
from models.contract import Contract, load_contract
from sim.driving.expert import Expert
from sim.driving.metrics import DrivingMetrics
from sim.driving.track import Track

CONTRACT_PATH = Path(__file__).parent.parent / "contracts" / "driving.yaml"
PERIOD_NS = 50_000_000
START_NS = 1_000_000_000
Message = tuple[str, int, bytes]

TYPES = {
    "/odom": "nav_msgs/msg/Odometry",
    "/sim/status": "diagnostic_msgs/msg/DiagnosticArray",
    "/gate/decision": "diagnostic_msgs/msg/DiagnosticArray",
    "/cmd_vel": "geometry_msgs/msg/TwistStamped",
    "/expert/cmd_vel": "geometry_msgs/msg/TwistStamped",
    "/policy/proposal": "trajectory_msgs/msg/JointTrajectory",
    "/track/centerline": "nav_msgs/msg/Path",
    "/track/left_edge": "nav_msgs/msg/Path",
    "/track/right_edge": "nav_msgs/msg/Path",
    "/camera/front/image_raw": "sensor_msgs/msg/Image",
    "/episode": "std_msgs/msg/Header",
}


@dataclass(frozen=True)
class RoadCamera:
    """The geometry of the simulated front camera."""

    position_m: tuple[float, float, float] = (1.4, 0.0, 1.0)
    pitch_rad: float = math.radians(15.0)
    vertical_field_of_view_rad: float = math.radians(60.0)


@cache
def _types() -> Any:
    return get_typestore(Stores.ROS2_JAZZY)


def _make(kind: str, **fields: Any) -> Any:
    return _types().types[kind](**fields)


def _header(stamp_ns: int, frame: str = "map") -> Any:
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    stamp = _make("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)
    return _make("std_msgs/msg/Header", stamp=stamp, frame_id=frame)


def _vector(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Any:
    return _make("geometry_msgs/msg/Vector3", x=x, y=y, z=z)


def _twist(speed_m_s: float, yaw_rate_rad_s: float) -> Any:
    return _make("geometry_msgs/msg/Twist", linear=_vector(speed_m_s), angular=_vector(z=yaw_rate_rad_s))


def _pose(x_m: float, y_m: float, yaw_rad: float) -> Any:
    point = _make("geometry_msgs/msg/Point", x=x_m, y=y_m, z=0.0)
    turn = _make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=math.sin(yaw_rad / 2), w=math.cos(yaw_rad / 2))
    return _make("geometry_msgs/msg/Pose", position=point, orientation=turn)


def _write(topic: str, stamp_ns: int, message: Any) -> Message:
    return topic, stamp_ns, bytes(_types().serialize_cdr(message, TYPES[topic]))


def odometry(stamp_ns: int, pose: tuple[float, float, float], speed_m_s: float, yaw_rate_rad_s: float) -> Message:
    zeros = np.zeros(36)
    message = _make(
        TYPES["/odom"],
        header=_header(stamp_ns),
        child_frame_id="base_link",
        pose=_make("geometry_msgs/msg/PoseWithCovariance", pose=_pose(*pose), covariance=zeros),
        twist=_make("geometry_msgs/msg/TwistWithCovariance", twist=_twist(speed_m_s, yaw_rate_rad_s), covariance=zeros),
    )
    return _write("/odom", stamp_ns, message)


def diagnostics(topic: str, stamp_ns: int, name: str, words: str, values: Mapping[str, object]) -> Message:
    pairs = [_make("diagnostic_msgs/msg/KeyValue", key=key, value=str(value)) for key, value in values.items()]
    status = _make(
        "diagnostic_msgs/msg/DiagnosticStatus", level=0, name=name, message=words, hardware_id="", values=pairs
    )
    return _write(topic, stamp_ns, _make(TYPES[topic], header=_header(stamp_ns, ""), status=[status]))


def decision(stamp_ns: int, source: str, reason: str, unsafe: float = math.nan) -> Message:
    values = {"source": source, "reason": reason, "unsafe_probability": f"{unsafe:.6g}", "clamped": "false"}
    return diagnostics("/gate/decision", stamp_ns, "gate", reason, values)


def command(topic: str, stamp_ns: int, speed_m_s: float, yaw_rate_rad_s: float) -> Message:
    message = _make(TYPES[topic], header=_header(stamp_ns, ""), twist=_twist(speed_m_s, yaw_rate_rad_s))
    return _write(topic, stamp_ns, message)


def proposal(stamp_ns: int, names: Sequence[str], values: Sequence[float], unsafe: float) -> Message:
    empty = np.empty(0)
    point = _make(
        "trajectory_msgs/msg/JointTrajectoryPoint",
        positions=np.array([*values, unsafe], dtype=np.float64),
        velocities=empty,
        accelerations=empty,
        effort=empty,
        time_from_start=_make("builtin_interfaces/msg/Duration", sec=0, nanosec=0),
    )
    message = _make(
        TYPES["/policy/proposal"],
        header=_header(stamp_ns, ""),
        joint_names=[*names, "unsafe_probability"],
        points=[point],
    )
    return _write("/policy/proposal", stamp_ns, message)


def polyline(topic: str, stamp_ns: int, points: npt.NDArray[np.float64]) -> Message:
    poses = [
        _make("geometry_msgs/msg/PoseStamped", header=_header(stamp_ns), pose=_pose(float(x), float(y), 0.0))
        for x, y in points
    ]
    return _write(topic, stamp_ns, _make(TYPES[topic], header=_header(stamp_ns), poses=poses))


def road(stamp_ns: int, track: Track) -> Iterator[Message]:
    for name, line in (("centerline", track.points), ("left_edge", track.left_edge), ("right_edge", track.right_edge)):
        yield polyline(f"/track/{name}", stamp_ns, line)


def picture(stamp_ns: int, image: npt.NDArray[np.uint8]) -> Message:
    height, width = image.shape[:2]
    message = _make(
        TYPES["/camera/front/image_raw"],
        header=_header(stamp_ns, "camera_front"),
        height=height,
        width=width,
        encoding="rgb8",
        is_bigendian=0,
        step=width * 3,
        data=image.reshape(-1),
    )
    return _write("/camera/front/image_raw", stamp_ns, message)


def contract() -> Contract:
    return load_contract(CONTRACT_PATH)


def write_bag(directory: Path, episode_id: str, messages: Sequence[Message]) -> Path:
    """Write the messages with the recorder's own writer and return the finished bag."""
    topics = {topic: TYPES[topic] for topic, _, _ in messages}
    with BagWriter(directory, episode_id, contract(), topics, "drive the track") as writer:
        for topic, stamp_ns, cdr in sorted(messages, key=lambda message: message[1]):
            writer.write(topic, stamp_ns, cdr)
        writer.close("success")
    return directory / episode_id


def look(track: Track, pose: tuple[float, float, float], size: tuple[int, int] = (64, 96)) -> npt.NDArray[np.uint8]:
    """What a pinhole camera sees of a flat road: asphalt, white edges, a dashed yellow centreline, grass and sky."""
    height, width = size
    camera = RoadCamera()
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    focal = height / 2 / math.tan(camera.vertical_field_of_view_rad / 2)
    right, down = (columns - width / 2) / focal, (rows - height / 2) / focal
    sine, cosine = math.sin(camera.pitch_rad), math.cos(camera.pitch_rad)
    fall = sine + down * cosine
    distance = camera.position_m[2] / np.maximum(fall, 1e-3)
    ahead = camera.position_m[0] + (cosine - down * sine) * distance
    aside = -right * distance
    x = pose[0] + ahead * math.cos(pose[2]) - aside * math.sin(pose[2])
    y = pose[1] + ahead * math.sin(pose[2]) + aside * math.cos(pose[2])
    image = np.empty((height, width, 3), dtype=np.uint8)
    image[:] = (150, 190, 225)
    ground = (fall > 0.02) & (distance < 60)
    spots = np.stack([x[ground], y[ground]], axis=1)
    apart = np.linalg.norm(spots[:, None] - track.points[None, ::4], axis=2)
    nearest, off = apart.argmin(axis=1), apart.min(axis=1)
    colours = np.empty((len(spots), 3), dtype=np.uint8)
    colours[:] = (92, 130, 74)
    colours[off < track.width_m / 2] = (88, 90, 96)
    colours[np.abs(off - track.width_m / 2) < 0.12] = (235, 235, 230)
    colours[(off < 0.14) & (nearest // 2 % 2 == 0)] = (230, 190, 60)
    image[ground] = colours
    return image


def drive(
    seed: int,
    seconds: float,
    *,
    who: Callable[[float], tuple[str, str]] = lambda _: ("policy", "policy_trusted"),
    error_rad_s: float = 0.2,
    images: bool = False,
    status_extra: Mapping[str, object] | None = None,
) -> list[Message]:
    """Messages of a car on the seed's track: the expert's steering plus, when the policy drives, a slow error.

    ``who`` tells driver and reason at a time in seconds; a stopped car brakes to a standstill.
    """
    track, rng = Track.from_seed(seed), np.random.default_rng(seed)
    expert, names = Expert(track), contract().action_names
    metrics = DrivingMetrics(track.length_m, track.width_m, PERIOD_NS / 1e9)
    x, y, yaw = track.pose_at(0.0)
    metrics.reset(0.0, 0.0, 0.0)
    speed = yaw_rate = wander = 0.0
    messages = list(road(START_NS, track))
    for tick in range(round(seconds * 1e9 / PERIOD_NS)):
        stamp_ns, elapsed_s = START_NS + tick * PERIOD_NS, tick * PERIOD_NS / 1e9
        intended = expert.command(x, y, yaw, speed)
        wander = 0.93 * wander + error_rad_s * float(rng.normal()) * 0.35
        source, reason = who(elapsed_s)
        proposed = (intended[0] * 0.97, intended[1] + wander)
        unsafe = 1 / (1 + math.exp(4 - 9 * abs(wander) / max(error_rad_s, 1e-6) / 1.6))
        given = {"policy": proposed, "expert": intended, "halt": (max(0.0, speed - 0.4), yaw_rate * 0.5)}[source]
        place = track.project(x, y)
        status = metrics.update(place.arc_length_m, place.cross_track_m, yaw - place.heading_rad, speed)
        values = {**asdict(status), "autonomy": status.autonomy, "command_age_ms": f"{6 + rng.gamma(2.0, 1.4):.3f}"}
        messages += [
            odometry(stamp_ns, (x, y, yaw), speed, yaw_rate),
            diagnostics("/sim/status", stamp_ns, "driving", "driving", {**values, **(status_extra or {})}),
            command("/expert/cmd_vel", stamp_ns, *intended),
            proposal(stamp_ns, names, proposed, unsafe),
            decision(stamp_ns, source, reason, unsafe),
            command("/cmd_vel", stamp_ns, *given),
        ]
        if images:
            messages.append(picture(stamp_ns, look(track, (x, y, yaw))))
        speed += float(np.clip(given[0] - speed, -0.4, 0.15))
        yaw_rate += float(np.clip(given[1] - yaw_rate, -0.4, 0.4))
        yaw += yaw_rate * PERIOD_NS / 1e9
        x += speed * math.cos(yaw) * PERIOD_NS / 1e9
        y += speed * math.sin(yaw) * PERIOD_NS / 1e9
    return messages
