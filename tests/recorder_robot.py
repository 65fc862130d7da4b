"""A robot that a recorder listens to: episodes, frames and odometry with chosen stamps, and the recorder's services."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ros_processes import REPOSITORY, NodeProcess, RosEnvironment

CONTRACT = str(REPOSITORY / "contracts" / "driving.yaml")
EPISODE, CAMERA, ODOMETRY = "/episode", "/camera/front/image_raw", "/odom"
PERIOD_NS = 50_000_000


class Robot:
    """Publishes episodes, frames and odometry with chosen stamps."""

    def __init__(self, ros: RosEnvironment, recorder: NodeProcess, announces: bool) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from nav_msgs.msg import Odometry
        from rclpy.qos import DurabilityPolicy, QoSProfile
        from sensor_msgs.msg import Image
        from std_msgs.msg import Header

        self._ros = ros
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._episode = ros.probe.create_publisher(Header, EPISODE, latched) if announces else None
        self._camera = ros.probe.create_publisher(Image, CAMERA, 100)
        self._odometry = ros.probe.create_publisher(Odometry, ODOMETRY, 100)
        self._header, self._image, self._state = Header, Image, Odometry
        self.closed = ros.collect("/recorder/ack", Header)
        self.diagnostics = ros.collect("/diagnostics", DiagnosticArray)
        publishers = [one for one in (self._episode, self._camera, self._odometry) if one is not None]
        ros.wait_until(
            lambda: all(publisher.get_subscription_count() for publisher in publishers), 30.0, "the recorder to listen"
        )

    def header(self, index: int, frame: str = "") -> Any:
        from il_nodes.ros.stamps import ns_to_stamp

        return self._header(stamp=ns_to_stamp(10**9 + index * PERIOD_NS), frame_id=frame)

    def announce(self, episode_id: str) -> None:
        assert self._episode is not None
        self._episode.publish(self.header(-1, episode_id))

    def begin(self, episode_id: str) -> None:
        """Start an episode, and wait until the recorder has noticed: its topics are independent of each other."""
        self.announce(episode_id)
        self.wait_for_status("episode", episode_id)

    def end(self, index: int) -> None:
        assert self._episode is not None
        self._episode.publish(self.header(index))

    def tick(self, index: int, *, odometry: bool = True) -> None:
        if odometry:
            self._odometry.publish(self._state(header=self.header(index)))
        self._camera.publish(
            self._image(header=self.header(index), height=64, width=96, step=288, encoding="rgb8", data=bytes(64 * 288))
        )

    def status(self) -> dict[str, str]:
        """Newest status of the recording, with its message under the key ``message``."""
        for array in reversed(self.diagnostics):
            for status in array.status:
                if status.name == "recorder: recording":
                    return {"message": status.message, **{item.key: item.value for item in status.values}}
        return {}

    def wait_for_status(self, key: str, value: str) -> None:
        try:
            self._ros.wait_until(lambda: self.status().get(key) == value, 10.0, f"status {key} = {value}")
        except AssertionError as error:
            raise AssertionError(f"{error}\nthe newest status: {self.status()}") from None

    def call(self, name: str) -> Any:
        from std_srvs.srv import Trigger

        client = self._ros.probe.create_client(Trigger, f"/recorder/{name}")
        self._ros.wait_until(client.service_is_ready, 10.0, f"/recorder/{name}")
        future = client.call_async(Trigger.Request())
        self._ros.wait_until(future.done, 10.0, f"an answer of /recorder/{name}")
        return future.result()


def start(
    ros: RosEnvironment, directory: Path, *, announces: bool = True, **params: object
) -> tuple[NodeProcess, Robot]:
    """A recorder, and a robot that announces episodes itself, or leaves that to the recorder."""
    recorder = ros.spawn_node("recorder", {"contract": CONTRACT, "directory": str(directory), **params})
    return recorder, Robot(ros, recorder, announces)
