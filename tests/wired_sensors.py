"""A camera and an odometry that a test publishes tick by tick, and the same messages through an assembler offline."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ros_messages import image_cdr, odometry_cdr
from ros_processes import RosEnvironment

from il_nodes.observation.assembler import ObservationAssembler
from models.contract import Contract
from models.data import Observation
from models.errors import ObservationError

CAMERA, ODOMETRY = "/camera", "/odom"
START_NS = 1_000_000_000


class WiredSensors:
    """What a robot with a 24x16 camera and an odometry sends; images are random unless given.

    Attributes:
        contract_path: the robot's contract as a file, for the nodes.
        tick: number of the newest tick.
        stamp_ns: of the newest tick.
    """

    def __init__(self, ros: RosEnvironment, contract: Contract) -> None:
        from nav_msgs.msg import Odometry
        from sensor_msgs.msg import Image
        from std_msgs.msg import Header

        from il_nodes.ros.qos import LATCHED, RELIABLE

        self.ros = ros
        self.contract_path: Path = ros.directory / "contract.yaml"
        # Here each single message counts, and best effort may lose the first ones while its two ends still meet.
        sensors = r"(type: (?:sensor_msgs/msg/Image|nav_msgs/msg/Odometry))\}"
        self.contract_path.write_text(re.sub(sensors, r"\1, qos: {reliability: reliable}}", contract.text))
        self.period_ns = round(contract.period_s * 1e9)
        self.publishers = {
            CAMERA: ros.probe.create_publisher(Image, CAMERA, RELIABLE),
            ODOMETRY: ros.probe.create_publisher(Odometry, ODOMETRY, RELIABLE),
        }
        self.episodes = ros.probe.create_publisher(Header, "/episode", LATCHED)
        self.assembler = ObservationAssembler(contract)
        self.random = np.random.default_rng(3)
        self.tick = 0
        self.stamp_ns = START_NS

    def connect(self) -> None:
        """Wait until the node listens."""
        ends = (*self.publishers.values(), self.episodes)
        self.ros.wait_until(lambda: all(end.get_subscription_count() for end in ends), 15.0, "the node's subscriptions")

    def start_episode(self, episode_id: str) -> None:
        """An episode begins behind the newest tick, live and offline."""
        from std_msgs.msg import Header

        from il_nodes.ros.stamps import ns_to_stamp

        self.episodes.publish(Header(stamp=ns_to_stamp(self.stamp_ns + 1), frame_id=episode_id))
        self.assembler.start_episode(episode_id, self.stamp_ns + 1)

    def send(
        self,
        speed: float | None = None,
        pixels: npt.NDArray[np.uint8] | None = None,
        *,
        topics: tuple[str, ...] = (ODOMETRY, CAMERA),
    ) -> Observation | None:
        """One more tick, live and offline; the offline observation."""
        self.tick += 1
        self.stamp_ns += self.period_ns
        if pixels is None:
            pixels = self.random.integers(0, 256, (16, 24, 3), dtype=np.uint8)
        state = odometry_cdr(self.stamp_ns, 0.1 * self.tick if speed is None else speed, 0.2)
        messages = {ODOMETRY: state, CAMERA: image_cdr(self.stamp_ns, pixels)}
        emitted = None
        for topic in topics:
            self.publishers[topic].publish(messages[topic])
            try:
                emitted = self.assembler.add(topic, messages[topic], self.stamp_ns) or emitted
            except ObservationError:
                emitted = None
        return emitted


class LifecycleWalker:
    """Asks one node for transitions, as ``ros2 lifecycle set`` does."""

    def __init__(self, ros: RosEnvironment, node: str) -> None:
        from lifecycle_msgs.srv import ChangeState

        self._ros = ros
        self._client = ros.probe.create_client(ChangeState, f"/{node}/change_state")
        ros.wait_until(self._client.service_is_ready, 15.0, f"{node} to be there")

    def go(self, transition: str) -> bool:
        """``configure``, ``activate``, ``deactivate`` or ``cleanup``; whether the node made it."""
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        number = getattr(Transition, f"TRANSITION_{transition.upper()}")
        future = self._client.call_async(ChangeState.Request(transition=Transition(id=number)))
        self._ros.wait_until(future.done, 20.0, f"the answer to {transition}")
        return bool(future.result().success)
