"""The processes that ``bench.latency`` puts around, and beside, the policy node and the gate.

``python -m bench.latency.parts ROLE ...``: *camera* publishes frames on a steady grid; *bare-policy* and *bare-gate*
are the least that can be done with rclpy between a camera and a command; *polling* is what the public stacks do: keep
the newest frame, and let a 30 Hz timer run the network eagerly in torch; *sink* is the robot, and reads the gate's
decisions. Each writes what it measured as one JSON file when it is told to end.
"""

from __future__ import annotations

import argparse
import array
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TwistStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from il_nodes.codecs import header_stamp_ns
from il_nodes.ros.executor import LeanExecutor
from il_nodes.ros.stamps import ns_to_stamp, stamp_to_ns

__all__ = ["CAMERA_TOPIC", "POLL_HZ", "main"]

CAMERA_TOPIC = "/camera/image_raw"
SENSOR = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
COMMAND = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
#: What a polling stack's control timer runs at.
POLL_HZ = 30.0
FRAMES = 3


def _spin(node: Any, *, lean: bool = False) -> None:
    executor = LeanExecutor() if lean else SingleThreadedExecutor()
    executor.add_node(node)
    ended: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: ended.append(number))
    while not ended:
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown(timeout_sec=0)


def camera(node: Any, options: argparse.Namespace) -> dict[str, object]:
    """Publish ``count`` frames at ``rate`` once ``subscribers`` listen; the stamps, taken right before each publish."""
    publisher = node.create_publisher(Image, CAMERA_TOPIC, SENSOR)
    random = np.random.default_rng(0)
    width, height = options.width, options.height
    frames = []
    for _ in range(8):
        pixels = array.array("B", random.integers(0, 256, width * height * 3, dtype=np.uint8).tobytes())
        image = Image(width=width, height=height, encoding="rgb8", step=3 * width)
        image.header.frame_id, image.data = "camera", pixels
        frames.append(image)
    deadline_s = time.monotonic() + 60.0
    while publisher.get_subscription_count() < options.subscribers:
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"only {publisher.get_subscription_count()} of {options.subscribers} subscribers")
        time.sleep(0.02)
    # The nodes behind the first hop find each other a little later; their first frames are no part of the figures.
    stamps, late = [], 0
    period_s = 1.0 / options.rate
    begin_s = time.monotonic() + 0.1
    for index in range(options.count):
        due_s = begin_s + index * period_s
        wait_s = due_s - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        late += wait_s < -0.5 * period_s
        image = frames[index % len(frames)]
        stamp_ns = time.time_ns()
        image.header.stamp = ns_to_stamp(stamp_ns)
        publisher.publish(image)
        stamps.append(stamp_ns)
    return {"stamps": stamps, "late": late}


class Stack:
    """The last frames of a camera as the network's input, from raw CDR or from a message's bytes."""

    def __init__(self, side: int) -> None:
        self.array = np.zeros((1, FRAMES, side, side, 3), np.uint8)
        self._side = side
        self._index: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]] | None = None

    def add(self, pixels: npt.NDArray[np.uint8]) -> None:
        """Append an ``(height, width, 3)`` frame, resized to the nearest pixel."""
        height, width = pixels.shape[:2]
        if self._index is None:
            self._index = (
                (np.arange(self._side) * height // self._side)[:, None],
                (np.arange(self._side) * width // self._side)[None, :],
            )
        self.array[:, :-1] = self.array[:, 1:]
        self.array[0, -1] = pixels if height == width == self._side else pixels[self._index]


def bare_policy(node: Any, options: argparse.Namespace) -> dict[str, object]:
    """One DDS hop in, one ONNX Runtime call, one message out."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(options.bundle, settings, providers=["CPUExecutionProvider"])
    key = session.get_inputs()[0].name
    stack = Stack(options.side)
    publisher = node.create_publisher(TwistStamped, "/bare/proposal", COMMAND)
    message = TwistStamped()
    size = options.width * options.height * 3

    def on_image(cdr: bytes) -> None:
        pixels = np.frombuffer(cdr, np.uint8, size, len(cdr) - size).reshape(options.height, options.width, 3)
        stack.add(pixels)
        action = session.run(["action"], {key: stack.array})[0][0, 0]
        message.header.stamp = ns_to_stamp(header_stamp_ns(cdr))
        message.twist.linear.x, message.twist.angular.z = float(action[0]), float(action[1])
        publisher.publish(message)

    for _ in range(10):
        session.run(["action"], {key: stack.array})
    node.create_subscription(Image, CAMERA_TOPIC, on_image, SENSOR, raw=True)
    _spin(node, lean=options.lean)
    return {}


def bare_gate(node: Any, options: argparse.Namespace) -> dict[str, object]:
    """The second hop: the command leaves as it came."""
    publisher = node.create_publisher(TwistStamped, "/cmd_vel", COMMAND)
    ages: list[tuple[int, float]] = []

    def on_proposal(message: Any) -> None:
        publisher.publish(message)
        stamp_ns = stamp_to_ns(message.header.stamp)
        ages.append((stamp_ns, (time.time_ns() - stamp_ns) * 1e-6))

    node.create_subscription(TwistStamped, "/bare/proposal", on_proposal, COMMAND)
    _spin(node, lean=options.lean)
    return {"ages_ms": ages}


def polling(node: Any, options: argparse.Namespace) -> dict[str, object]:
    """Newest frame, 30 Hz timer, eager torch, command: one hop only, and no gate."""
    import torch

    from models.policies.checkpoint import Checkpoint

    policy = Checkpoint.load(options.checkpoint).policy.eval()
    key = policy.specification.streams[0].key
    publisher = node.create_publisher(TwistStamped, "/cmd_vel", COMMAND)
    stack = Stack(options.side)
    newest: list[Any] = []
    ages: list[tuple[int, float]] = []
    message = TwistStamped()

    def on_image(image: Any) -> None:
        newest[:] = [image]

    def on_timer() -> None:
        if not newest:
            return
        image = newest[0]
        stack.add(np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3))
        with torch.no_grad():
            action, _ = policy({key: torch.from_numpy(stack.array)})
        message.header.stamp = image.header.stamp
        message.twist.linear.x, message.twist.angular.z = (float(value) for value in action[0, 0])
        publisher.publish(message)
        stamp_ns = stamp_to_ns(image.header.stamp)
        ages.append((stamp_ns, (time.time_ns() - stamp_ns) * 1e-6))

    node.create_subscription(Image, CAMERA_TOPIC, on_image, SENSOR)
    node.create_timer(1.0 / POLL_HZ, on_timer)
    _spin(node)
    return {"ages_ms": ages}


def sink(node: Any, _options: argparse.Namespace) -> dict[str, object]:
    """The robot's end of the command topic, and what the gate says of each tick."""
    ages: list[tuple[int, float]] = []
    others: dict[str, int] = {}
    arrived: list[tuple[int, float]] = []

    def on_command(message: Any) -> None:
        stamp_ns = stamp_to_ns(message.header.stamp)
        arrived.append((stamp_ns, (time.time_ns() - stamp_ns) * 1e-6))

    def on_decision(message: Any) -> None:
        values = {item.key: item.value for item in message.status[0].values}
        if values["source"] != "policy":
            reason = f"{values['reason']} ({values['withheld']})"
            others[reason] = others.get(reason, 0) + 1
            return
        # Age when the gate was handed the proposal, and what it took until the command had left.
        age_ms = float(values["proposal_age_ms"]) + float(values["latency_ms"])
        ages.append((stamp_to_ns(message.header.stamp), age_ms))

    node.create_subscription(TwistStamped, "/cmd_vel", on_command, COMMAND)
    node.create_subscription(DiagnosticArray, "/gate/decision", on_decision, COMMAND)
    _spin(node)
    return {"ages_ms": ages, "arrived_ms": arrived, "not_policy": others}


ROLES: dict[str, Callable[[Any, argparse.Namespace], dict[str, object]]] = {
    "camera": camera,
    "bare-policy": bare_policy,
    "bare-gate": bare_gate,
    "polling": polling,
    "sink": sink,
}


def main() -> int:
    """Run one role until it ends, or until SIGTERM; then write its JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=sorted(ROLES))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--height", type=int, default=96)
    parser.add_argument("--side", type=int, default=96, help="of the network's square input")
    parser.add_argument("--subscribers", type=int, default=1)
    parser.add_argument("--lean", action="store_true", help="the project's executor instead of rclpy's")
    parser.add_argument("--bundle", default="")
    parser.add_argument("--checkpoint", default="")
    options = parser.parse_args()
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node(options.role.replace("-", "_"))
    try:
        result = ROLES[options.role](node, options)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    partial = options.out.with_suffix(".partial")
    partial.write_text(json.dumps(result))
    partial.rename(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
