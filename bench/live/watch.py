"""Listens to a run: when the gate wrote each decision, and when the simulator wrote each tick.

``python -m bench.live.watch FILE`` appends ``kind stamp_ns source_ns`` lines until it is told to end: the stamp in the
message, and the wall time at which the publisher wrote it, as the middleware carries it. How late this process itself
is scheduled changes neither.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from il_nodes.codecs import header_stamp_ns
from il_nodes.ros.middleware import prepare_environment

TOPICS = {"decision": "/gate/decision", "tick": "/sim/status"}


def _end(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Listen."""
    signal.signal(signal.SIGTERM, _end)
    prepare_environment()
    rclpy.init(args=["watch"], signal_handler_options=rclpy.SignalHandlerOptions.NO)
    node = Node(f"_bench_watch_{os.getpid()}", start_parameter_services=False, enable_rosout=False)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    parent = os.getppid()
    with Path(sys.argv[1]).open("a", encoding="utf-8") as file:

        def listen(kind: str) -> Any:
            # Annotated, so that rclpy sees two parameters and gives the second.
            def heard(cdr: bytes, info: Mapping[str, Any]) -> None:
                file.write(f"{kind} {header_stamp_ns(cdr)} {info['source_timestamp']}\n")

            return heard

        qos = QoSProfile(depth=2000, reliability=ReliabilityPolicy.RELIABLE)
        for kind, topic in TOPICS.items():
            node.create_subscription(DiagnosticArray, topic, listen(kind), qos, raw=True)
        try:
            while os.getppid() == parent:
                executor.spin_once(timeout_sec=0.2)
                file.flush()
        except (KeyboardInterrupt, ExternalShutdownException):
            pass
    executor.shutdown(timeout_sec=0)
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
