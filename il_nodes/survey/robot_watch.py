"""Watches a robot that runs: who drives it and why, what is recorded, and what it needs that nobody publishes.

``python -m il_nodes.survey.robot_watch`` prints one sighting (:mod:`il_nodes.survey.sighting`) a second, and one at
once when the driver changes, as lines of JSON, until it is told to end or whoever reads them is gone. It only listens.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from il_nodes.recorder.topics import DECISION_TOPIC
from il_nodes.ros.middleware import prepare_environment
from il_nodes.survey.sighting import Lookout, sighting_to_json
from il_nodes.teleop.watch import status_values
from models.contract import Contract, load_contract
from models.errors import UnderstudyError

__all__ = ["main", "needed_topics"]

DIAGNOSTICS_TOPIC = "/diagnostics"
#: Nodes of ours need up to 3 s to start and find each other; what is not there by then is missing.
SETTLED_S = 5.0
#: A second of decisions at 100 Hz, and of every node's diagnostics.
_DEPTH = 100


def needed_topics(contract: Contract) -> tuple[str, ...]:
    """What somebody has to publish before a robot can be driven: its observations and the expert's commands."""
    sources = [source for stream in contract.observations for source in stream.sources]
    return tuple(dict.fromkeys((*(source.channel.topic for source in sources), *contract.gate.expert_topics)))


class _Watch:
    """The subscriptions around a :class:`Lookout`."""

    def __init__(self, node: Node, needed: Sequence[str]) -> None:
        self._node, self._needed = node, tuple(needed)
        self._lookout = Lookout()
        self._since_s = time.monotonic()
        qos = QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
        node.create_subscription(DiagnosticArray, DECISION_TOPIC, self._on_decision, qos)
        node.create_subscription(DiagnosticArray, DIAGNOSTICS_TOPIC, self._on_diagnostics, qos)

    def _on_decision(self, message: Any) -> None:
        for status in message.status:
            self._lookout.take_decision(status_values(status), time.monotonic())

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            level = int.from_bytes(status.level, "little")
            self._lookout.take_status(status.name, level, status.message, status_values(status))

    def tell(self) -> None:
        """Print a sighting if one is due."""
        now_s = time.monotonic()
        if self._lookout.is_due(now_s):
            settled = now_s - self._since_s >= SETTLED_S
            print(sighting_to_json(self._lookout.tell(now_s, self._missing() if settled else None)), flush=True)

    def _missing(self) -> tuple[str, ...]:
        return tuple(topic for topic in self._needed if not self._node.count_publishers(topic))


def _end(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _arguments(args: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="robot_watch", description="Say how a running robot is doing.")
    parser.add_argument("--contract", help="the robot's (YAML): what it needs is said to be missing")
    parser.add_argument("--need", nargs="*", default=[], help="further topics that are needed")
    return parser.parse_args(args)


def main(args: Sequence[str] | None = None) -> int:
    """Watch, and print; 0 when told to end, or the exit code of the error that is printed on stderr."""
    signal.signal(signal.SIGTERM, _end)
    prepare_environment()
    options = _arguments(args)
    parent = os.getppid()
    node: Node | None = None
    executor: SingleThreadedExecutor | None = None
    try:
        needed = needed_topics(load_contract(options.contract)) if options.contract else ()
        rclpy.init(args=["robot_watch"], signal_handler_options=rclpy.SignalHandlerOptions.NO)
        node = Node(f"_understudy_watch_{os.getpid()}", start_parameter_services=False, enable_rosout=False)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        watch = _Watch(node, (*needed, *options.need))
        while os.getppid() == parent:  # it goes with whoever started it, however that one ended
            executor.spin_once(timeout_sec=0.1)
            watch.tell()
    except UnderstudyError as error:
        print(error, file=sys.stderr, flush=True)
        return error.exit_code
    except BrokenPipeError:
        # Nobody reads any more; Python must not meet the broken pipe once more on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        if executor is not None:
            executor.shutdown(timeout_sec=0)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
