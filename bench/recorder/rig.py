"""A robot for the recorder's bench: three cameras and a state, as messages, as a ROS 2 publisher, or without ROS.

The pictures are rendered gradients and boxes with a sensor's noise (standard deviation 2 of 255): zstd saves 15 % of
them. Bare gradients would flatter a compressing writer, and pure noise would flatter its throughput.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.processes import Processes
from il_nodes.bags import BagWriter
from il_nodes.codecs.canonical import typestore
from il_nodes.recorder.ordering import Stamped
from il_nodes.recorder.thread import RecordingThread
from models.contract import Contract, parse_contract

__all__ = ["CAMERAS", "CONTRACT", "STATE", "TYPES", "Counters", "Rig", "schedule", "start_recorder"]

CAMERAS = tuple(f"/camera/{side}/image_raw" for side in ("left", "front", "right"))
STATE = "/odom"
TYPES = {**dict.fromkeys(CAMERAS, "sensor_msgs/msg/Image"), STATE: "nav_msgs/msg/Odometry"}
#: 3 cameras x 18 Hz x 640 x 480 x 3 bytes = 49.8 MB/s; the state makes it 49.9.
CAMERA_HZ, STATE_HZ = 18, 100
NOISE = 2.0
#: Different pictures of each camera, shown in turn.
PICTURES = 8

_STREAM = (
    "  observation.images.{side}:\n"
    "    channel: {{topic: /camera/{side}/image_raw, type: sensor_msgs/msg/Image, qos: {{reliability: reliable}}}}\n"
    "    align: {{strategy: hold, timeline: header}}\n"
)
CONTRACT = (
    f"robot_type: bench_rig\nfps: {CAMERA_HZ}\nobservations:\n"
    + "".join(_STREAM.format(side=side) for side in ("front", "left", "right"))
    + "  observation.state:\n"
    "    channel: {topic: /odom, type: nav_msgs/msg/Odometry, qos: {reliability: reliable}}\n"
    "    align: {strategy: hold, timeline: header}\n"
    "    select: [twist.twist.linear.x]\n"
    "actions:\n  action:\n"
    "    channel: {topic: /cmd_vel, type: geometry_msgs/msg/TwistStamped}\n"
    "    align: {strategy: hold, timeline: header}\n"
    "    select: [twist.linear.x]\n"
)


def _picture(rng: np.random.Generator, width: int, height: int) -> npt.NDArray[np.uint8]:
    y, x = np.mgrid[0:height, 0:width] * (480 / height)
    shades = [90 + 60 * np.sin(x / 97) + 40 * np.cos(y / 61), 80 + 0.2 * y, 150 - 0.15 * y + 20 * np.sin((x + y) / 33)]
    picture = np.stack(np.broadcast_arrays(*shades), axis=-1).copy()
    for _ in range(30):
        top, left = rng.integers(0, height * 7 // 8), rng.integers(0, width * 7 // 8)
        picture[top : top + height // 8, left : left + width // 8] += rng.normal(0, 25, 3)
    return np.clip(picture + rng.normal(0, NOISE, picture.shape), 0, 255).astype(np.uint8)


class Rig:
    """Messages of the cameras and the state.

    Args:
        width: of the pictures, pixels; the height is three quarters of it.
    """

    def __init__(self, width: int = 640) -> None:
        types, height = typestore().types, width * 3 // 4
        stamp = types["builtin_interfaces/msg/Time"](sec=0, nanosec=0)
        header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera")
        rng = np.random.default_rng(0)
        self._pictures: dict[str, list[bytearray]] = {topic: [] for topic in CAMERAS}
        for topic in CAMERAS:
            for _ in range(PICTURES):
                data = _picture(rng, width, height).reshape(-1)
                image = types[TYPES[topic]](
                    header=header,
                    height=height,
                    width=width,
                    encoding="rgb8",
                    is_bigendian=0,
                    step=width * 3,
                    data=data,
                )
                self._pictures[topic].append(bytearray(typestore().serialize_cdr(image, TYPES[topic])))
        self._state = bytearray(self._odometry(types, header))

    def _odometry(self, types: Any, header: Any) -> memoryview:
        vector, zeros = types["geometry_msgs/msg/Vector3"], np.zeros(36)
        pose = types["geometry_msgs/msg/Pose"](
            position=types["geometry_msgs/msg/Point"](x=1.0, y=2.0, z=0.0),
            orientation=types["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=0.0, w=1.0),
        )
        twist = types["geometry_msgs/msg/Twist"](
            linear=vector(x=1.0, y=0.0, z=0.0), angular=vector(x=0.0, y=0.0, z=0.1)
        )
        message = types[TYPES[STATE]](
            header=header,
            child_frame_id="base_link",
            pose=types["geometry_msgs/msg/PoseWithCovariance"](pose=pose, covariance=zeros),
            twist=types["geometry_msgs/msg/TwistWithCovariance"](twist=twist, covariance=zeros),
        )
        return memoryview(typestore().serialize_cdr(message, TYPES[STATE]))

    def message(self, topic: str, index: int, stamp_ns: int) -> bytes:
        """CDR bytes of a topic's message number ``index``, stamped."""
        cdr = self._state if topic == STATE else self._pictures[topic][index % PICTURES]
        seconds, nanoseconds = divmod(stamp_ns, 10**9)
        cdr[4:12] = seconds.to_bytes(4, "little") + nanoseconds.to_bytes(4, "little")
        return bytes(cdr)


def schedule(seconds: float) -> list[tuple[int, str, int]]:
    """(nanoseconds from the start, topic, index) of every message, in order."""
    found = [
        (index * 10**9 // hertz, topic, index)
        for topic, hertz in (*((topic, CAMERA_HZ) for topic in CAMERAS), (STATE, STATE_HZ))
        for index in range(round(seconds * hertz))
    ]
    return sorted(found)


class Counters:
    """A feeder's own count of what it gave, in a file that survives it.

    One row an episode: messages given, wall time of the first one, of the newest one, and whether its end was
    acknowledged.
    """

    GIVEN, FIRST_NS, NEWEST_NS, ENDED = range(4)

    def __init__(self, path: Path, episodes: int = 100, *, create: bool = False) -> None:
        shape = (episodes, 4)
        self.rows = np.memmap(path, np.int64, "w+" if create else "r", shape=shape)

    def given(self, episode: int, now_ns: int) -> None:
        """One message more."""
        row = self.rows[episode]
        if not row[self.GIVEN]:
            row[self.FIRST_NS] = now_ns
        row[self.GIVEN] += 1
        row[self.NEWEST_NS] = now_ns


def paced(seconds: float) -> Iterator[tuple[str, int, int]]:
    """Topic, index and wall-clock stamp of each message, when it is time."""
    begin_ns = time.time_ns()
    for offset_ns, topic, index in schedule(seconds):
        wait_s = (begin_ns + offset_ns - time.time_ns()) * 1e-9
        if wait_s > 0:
            time.sleep(wait_s)
        yield topic, index, begin_ns + offset_ns


def _contract() -> Contract:
    return parse_contract(CONTRACT)


def start_recorder(group: Processes, folder: Path) -> None:
    """The recorder node, into ``recordings`` of the folder."""
    contract = folder / "contract.yaml"
    contract.write_text(CONTRACT)
    parameters = {"contract": str(contract), "directory": str(folder / "recordings")}
    group.start_node("recorder", parameters)


def feed_thread(folder: Path, seed: int) -> None:
    """Feed the recorder's thread and writer at the rig's rate with short episodes, until killed."""
    rig, counters = Rig(128), Counters(folder / "counters", create=True)
    thread = RecordingThread(
        lambda name: BagWriter(folder / "recordings", name, _contract(), TYPES), lambda: None, flush_s=0.5
    )
    rng = random.Random(seed)
    print("ready", flush=True)
    for episode in range(len(counters.rows)):
        thread.open(f"episode-{episode:03d}")
        for topic, index, stamp_ns in paced(rng.uniform(0.2, 2.0)):
            thread.write(Stamped(stamp_ns, topic, rig.message(topic, index, stamp_ns)))
            counters.given(episode, stamp_ns)
        thread.close("complete")
        while not any(event.kind == "closed" for event in thread.take_events()):
            time.sleep(0.001)
        counters.rows[episode, Counters.ENDED] = 1


def publish(folder: Path, seed: int, width: int, seconds: float) -> None:
    """Publish over DDS: one episode of ``seconds``, or short ones without end when it is 0."""
    import rclpy
    from builtin_interfaces.msg import Time
    from nav_msgs.msg import Odometry
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from sensor_msgs.msg import Image
    from std_msgs.msg import Header

    rig, counters, rng = Rig(width), Counters(folder / "counters", create=True), random.Random(seed)
    rclpy.init()
    node = rclpy.create_node("rig")
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    announcer = node.create_publisher(Header, "/episode", latched)
    publishers = {topic: node.create_publisher(Image, topic, QoSProfile(depth=50)) for topic in CAMERAS}
    publishers[STATE] = node.create_publisher(Odometry, STATE, QoSProfile(depth=200))
    ends: list[Any] = []
    node.create_subscription(Header, "/recorder/ack", lambda header: ends.append(header), 10)

    def announce(name: str, stamp_ns: int) -> None:
        announcer.publish(Header(stamp=Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9), frame_id=name))

    while not all(publisher.get_subscription_count() for publisher in (announcer, *publishers.values())):
        executor.spin_once(timeout_sec=0.02)
    for _ in range(10):  # the acknowledgement's connection takes a moment more
        executor.spin_once(timeout_sec=0.02)
    print("ready", flush=True)
    for episode in range(1 if seconds else len(counters.rows)):
        announce(f"episode-{episode:03d}", time.time_ns())
        time.sleep(0.05)  # topics are independent of each other: the start must arrive before the first message
        stamp_ns = time.time_ns()
        for topic, index, stamp_ns in paced(seconds or rng.uniform(0.2, 2.0)):
            publishers[topic].publish(rig.message(topic, index, stamp_ns))
            counters.given(episode, time.time_ns())
        announce("", stamp_ns + 1)
        deadline_s = time.monotonic() + 60.0
        while not ends and time.monotonic() < deadline_s:
            executor.spin_once(timeout_sec=0.01)
        counters.rows[episode, Counters.ENDED] = int(bool(ends))
        ends.clear()
    node.destroy_node()
    rclpy.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("thread", "publish"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--seconds", type=float, default=0.0)
    options = parser.parse_args()
    if options.what == "thread":
        feed_thread(options.folder, options.seed)
    else:
        publish(options.folder, options.seed, options.width, options.seconds)


if __name__ == "__main__":
    main()
