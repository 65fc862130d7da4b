"""The observation node as a process: what stands on its topics is what a policy sees, and resets are told."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from observed_robot import IMAGES
from ros_messages import image_cdr, make_contract, odometry_cdr, state_source
from ros_processes import REPOSITORY, RosEnvironment
from wired_sensors import CAMERA, ODOMETRY, START_NS, LifecycleWalker, WiredSensors

from il_nodes.observation.stacked_messages import stacked_image, stacked_topics, stacked_vector
from models.bundle.reading import inspect_bundle
from models.contract import parse_contract
from models.data import Observation
from models.errors import DeploymentError

CONTRACT = parse_contract(
    inspect_bundle(Path(__file__).parent / "data" / "bundles" / "small_car.onnx").contract.text.replace(
        "frames: 2", "frames: 3"
    )
)
FRAMES, HEIGHT, WIDTH = 3, 16, 24


def unstacked(message: Any) -> np.ndarray[Any, Any]:
    """The documented layout read back: ``(frames, height, width, 3)``."""
    data = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, -1, 3)
    return data.transpose(2, 0, 1, 3)


def test_a_stack_has_one_place_for_every_number() -> None:
    """Catches frames in another order, colours of two frames mixed, names that do not fit the numbers."""
    stack = np.random.default_rng(0).integers(0, 256, (FRAMES, HEIGHT, WIDTH, 3), dtype=np.uint8)
    message = stacked_image(stack, 5_000_000_007, "camera_front")
    assert (message.encoding, message.step, len(message.data)) == ("8UC9", 9 * WIDTH, 9 * WIDTH * HEIGHT)
    assert (message.header.frame_id, message.header.stamp.sec, message.header.stamp.nanosec) == ("camera_front", 5, 7)
    assert np.array_equal(unstacked(message), stack)
    assert stacked_image(stack[:1, :, :, :1], 0, "").encoding == "8UC1"
    assert stacked_image(stack[:1], 0, "").encoding == "8UC3"

    vector = stacked_vector(np.array([[1, 2], [3, 4]], np.float32), ("speed", "yaw"), 0)
    assert dict(zip(vector.name, vector.position, strict=True)) == {
        "speed[0]": 1.0,
        "yaw[0]": 2.0,
        "speed[1]": 3.0,
        "yaw[1]": 4.0,
    }


def test_streams_get_topics_of_their_own() -> None:
    assert stacked_topics(make_contract()) == {IMAGES: "~/stacked/front", "observation.state": "~/stacked/state"}
    other = make_contract().text.replace("observation.state:", "observation.front:")
    with pytest.raises(DeploymentError, match="~/stacked/front"):
        stacked_topics(parse_contract(other))
    odd = make_contract(state=state_source()).text.replace("images.front", "images.3d-view")
    assert stacked_topics(parse_contract(odd))["observation.images.3d-view"] == "~/stacked/_3d_view"


class Listener:
    """The node under test, and everything that it publishes."""

    def __init__(self, ros: RosEnvironment, **params: object) -> None:
        from sensor_msgs.msg import Image, JointState
        from std_msgs.msg import Header

        self.ros = ros
        self.sensors = WiredSensors(ros, CONTRACT)
        self.node = ros.spawn_node("observation", {"contract": str(self.sensors.contract_path), **params})
        self.images: list[Any] = ros.collect("/observation/stacked/front", Image)
        self.states: list[Any] = ros.collect("/observation/stacked/state", JointState)
        self.resets: list[Any] = ros.collect("/observation/reset", Header)
        self.sensors.connect()
        topics = ("/observation/stacked/front", "/observation/stacked/state", "/observation/reset")
        ros.wait_until(lambda: all(ros.probe.count_publishers(topic) for topic in topics), 5.0, "its publishers")

    def expect(self, observation: Observation | None) -> None:
        """The observation arrives, byte for byte."""
        assert observation is not None
        self.ros.wait_until(
            lambda: all(got and stamp_of(got[-1]) == observation.stamp_ns for got in (self.images, self.states)),
            5.0,
            f"the observation of tick {self.sensors.tick}",
        )
        image, state = self.images[-1], self.states[-1]
        assert np.array_equal(unstacked(image), observation.arrays[IMAGES])
        assert image.header.frame_id == "camera_front"
        assert np.array_equal(np.array(state.position, np.float32), observation.arrays["observation.state"].reshape(-1))

    def reset_stamps(self) -> list[int]:
        return [stamp_of(header) for header in self.resets]


def stamp_of(message: Any) -> int:
    stamp = getattr(message, "header", message).stamp
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


@pytest.mark.ros
def test_the_wire_carries_what_the_policy_sees_and_says_when_memory_starts(ros_environment: RosEnvironment) -> None:
    """FAULTS 13, 28. Catches stacks across an episode's start, a pause or a clock that went back; NaN let through."""
    listener = Listener(ros_environment)
    sensors = listener.sensors
    starts = []

    def expect_start() -> None:
        observation = sensors.send()
        listener.expect(observation)
        assert observation is not None
        assert observation.starts_memory
        starts.append(observation.stamp_ns)
        ros_environment.wait_until(lambda: listener.reset_stamps() == starts, 5.0, f"reset {len(starts)}")

    expect_start()
    for _ in range(3):
        listener.expect(sensors.send())

    sensors.start_episode("second")
    expect_start()
    listener.expect(sensors.send())
    assert listener.resets[-1].frame_id == "second"

    # NaN: nothing for that tick, and the next one is published with the memory from before.
    count = len(listener.images)
    assert sensors.send(math.nan) is None
    listener.expect(sensors.send())
    assert len(listener.images) == count + 1

    # Simulated time pauses for longer than memory lasts, then is set back (without a new episode).
    sensors.stamp_ns += 2 * 10**9
    expect_start()
    listener.expect(sensors.send())
    sensors.start_episode("third")
    sensors.stamp_ns += 10**9
    expect_start()
    listener.expect(sensors.send())
    sensors.stamp_ns -= 900_000_000
    expect_start()
    listener.expect(sensors.send())
    assert listener.reset_stamps() == starts
    assert listener.node.terminate() == 0, listener.node.log


def newest_values(diagnostics: list[Any]) -> dict[str, str]:
    found = [status for array in diagnostics for status in array.status if status.name == "observation: observation"]
    return {pair.key: pair.value for pair in found[-1].values} if found else {}


@pytest.mark.ros
def test_what_it_says_of_itself_follows_the_last_tick(ros_environment: RosEnvironment) -> None:
    """Catches "ok, publishing" while nothing is published: a broken sensor, one that is gone, a node that rests."""
    from diagnostic_msgs.msg import DiagnosticArray

    diagnostics: list[Any] = ros_environment.collect("/diagnostics", DiagnosticArray)
    listener = Listener(ros_environment)

    def said() -> tuple[int, str]:
        found = [s for array in diagnostics for s in array.status if s.name == "observation: observation"]
        return (found[-1].level[0], found[-1].message) if found else (-1, "")

    def until(level: int, words: str) -> None:
        ros_environment.wait_until(lambda: said()[0] == level and words in said()[1], 10.0, f"{words}; said {said()}")

    listener.expect(listener.sensors.send())
    until(1, "no observation for")
    assert listener.sensors.send(math.nan) is None
    until(1, "not finite")
    ros_environment.wait_until(lambda: listener.sensors.send() is not None and said() == (0, "publishing"), 10.0)
    assert LifecycleWalker(ros_environment, "observation").go("deactivate")
    until(0, "inactive")
    assert listener.node.terminate() == 0, listener.node.log


@pytest.mark.ros
def test_a_frame_id_that_is_no_utf_8_ends_no_node(ros_environment: RosEnvironment) -> None:
    """Catches an old driver's Latin-1 that takes the node down as soon as somebody looks at its pictures."""
    listener = Listener(ros_environment)
    listener.expect(listener.sensors.send())
    sensors = listener.sensors
    sensors.stamp_ns += sensors.period_ns
    cdr = bytearray(image_cdr(sensors.stamp_ns, sensors.random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)))
    cdr[cdr.index(b"camera") + 3] = 0xE9
    sensors.publishers[ODOMETRY].publish(odometry_cdr(sensors.stamp_ns, 1.0, 0.2))
    sensors.publishers[CAMERA].publish(bytes(cdr))
    ros_environment.wait_until(lambda: stamp_of(listener.images[-1]) == sensors.stamp_ns, 5.0, "the picture")
    assert listener.images[-1].header.frame_id.startswith("cam\ufffdra")
    assert listener.node.terminate() == 0, listener.node.log


@pytest.mark.parametrize(("node", "also"), [("observation", {"onnxruntime"}), ("policy", set())])
def test_nodes_of_a_robot_load_neither_learners_nor_simulators(node: str, also: set[str]) -> None:
    """Catches a heavy import on a robot."""
    heavy = {"torch", "pybullet", "onnx", "sim", *also}
    program = f"import sys; from il_nodes.nodes import {node}; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert found.stdout.strip() == "[]"


@pytest.mark.ros
def test_a_resting_node_keeps_its_memory_warm(ros_environment: RosEnvironment) -> None:
    """Catches a node that publishes while inactive, and one whose stack is empty when it becomes active."""
    from diagnostic_msgs.msg import DiagnosticArray
    from sensor_msgs.msg import JointState

    sensors = WiredSensors(ros_environment, CONTRACT)
    ros_environment.spawn_node("observation", {"contract": str(sensors.contract_path), "autostart": False})
    walker = LifecycleWalker(ros_environment, "observation")
    states: list[Any] = ros_environment.collect("/observation/stacked/state", JointState)
    diagnostics: list[Any] = ros_environment.collect("/diagnostics", DiagnosticArray)
    assert walker.go("configure")
    sensors.connect()
    ros_environment.wait_until(lambda: ros_environment.probe.count_publishers("/observation/stacked/state"))
    for _ in range(3):
        sensors.send()
    ros_environment.wait_until(lambda: newest_values(diagnostics).get("emitted") == "3", 5.0, "all in its memory")
    assert walker.go("activate")
    observation = sensors.send()
    assert observation is not None
    ros_environment.wait_until(lambda: states, 5.0, "the first observation of the active node")
    assert [stamp_of(state) for state in states] == [START_NS + 4 * sensors.period_ns]
    assert np.array_equal(np.array(states[0].position, np.float32), observation.arrays["observation.state"].reshape(-1))
