"""Lets each policy of a learning drive a robot that runs: swaps it in, and has the gate enable it.

``python -m il_nodes.live.director`` reads wishes from its standard input and answers them on its standard output
(:mod:`il_nodes.live.wishes`), until that input ends or whoever started it is gone. Once a policy drives, the gate is
asked to enable it at every episode's start, too: what kept it away in one episode does not in the next. With
``--takes-over`` it stands in for the person of human-gated learning, by the simulator's ``/sim/status``.
"""

from __future__ import annotations

import argparse
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import Header
from std_srvs.srv import SetBool

from il_nodes.gate.decision import Reason
from il_nodes.live.policy_node import ANSWER_S, PolicyNodeClient
from il_nodes.live.stand_in import StandIn
from il_nodes.live.wishes import Told, wish_from_json
from il_nodes.ros.middleware import prepare_environment
from il_nodes.ros.qos import LATCHED, RELIABLE
from il_nodes.teleop.watch import status_values
from models.errors import DeploymentError, UnderstudyError

__all__ = ["main"]

_SPIN_S = 0.02


class _Director:
    """The node's subscriptions and clients; ``spin`` is its only clock."""

    def __init__(self, node: Node, executor: SingleThreadedExecutor, stand_in: StandIn | None) -> None:
        self._executor, self._stand_in = executor, stand_in
        self._policy = PolicyNodeClient(node, self._call, self._wait)
        self._enable = node.create_client(SetBool, "/gate/enable_policy")
        self._takeover = node.create_client(SetBool, "/gate/takeover")
        self._episode, self._drives = "", False
        node.create_subscription(Header, "/episode", self._on_episode, LATCHED)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 100)
        if stand_in is not None:
            node.create_subscription(DiagnosticArray, "/sim/status", self._on_status, RELIABLE)

    def spin(self) -> None:
        """Take in what has come."""
        self._executor.spin_once(timeout_sec=_SPIN_S)

    def put_in(self, bundle: Path) -> Told:
        """Have a policy drive; what became of it."""
        begun_s = time.monotonic()
        try:
            swapped = self._policy.put_in(bundle)
            self._drives = True
            if self._stand_in is None or not self._stand_in.in_control:
                answer = self._call(self._enable, SetBool.Request(data=True), ANSWER_S)
                # Whoever holds the robot keeps it; the new policy drives once they hand it back.
                if not answer.success and Reason.TAKEOVER not in answer.message:
                    raise DeploymentError("the gate does not let the policy drive", found=answer.message)
        except DeploymentError as error:
            return Told(problem=" ".join(str(error).split()))
        return Told(seconds=time.monotonic() - begun_s, episode=self._episode, swapped=swapped)

    # -- what comes in --------------------------------------------------------------------------------------------

    def _on_episode(self, header: Any) -> None:
        self._episode = header.frame_id
        if not header.frame_id or not self._drives:
            return
        if self._stand_in is not None:
            self._stand_in.lets_go()
        self._hand_to_policy()

    def _on_status(self, message: Any) -> None:
        if not self._drives or self._stand_in is None:
            return
        for status in message.status:
            told = status_values(status).get("cross_track_m")
            if told is not None and self._stand_in.sees(float(told)):
                if self._stand_in.in_control:
                    self._takeover.call_async(SetBool.Request(data=True))
                else:
                    self._hand_to_policy()

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            if status.name == "policy: bundle":
                self._policy.take_report(status_values(status))

    def _hand_to_policy(self) -> None:
        """Let go, then enable: the gate serves both in the order in which they come."""
        if self._stand_in is None:
            self._enable.call_async(SetBool.Request(data=True))
            return
        released = self._takeover.call_async(SetBool.Request(data=False))
        released.add_done_callback(lambda _: self._enable.call_async(SetBool.Request(data=True)))

    # -- waiting --------------------------------------------------------------------------------------------------

    def _wait(self, is_so: Callable[[], bool], seconds: float) -> bool:
        deadline_s = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() >= deadline_s:
                return False
            self.spin()
        return True

    def _call(self, client: Any, request: Any, seconds: float) -> Any:
        if not self._wait(client.service_is_ready, seconds):
            raise DeploymentError(f"nobody offers the service {client.srv_name}", found=f"waited {seconds:.0f} s")
        future = client.call_async(request)
        if not self._wait(future.done, seconds):
            client.remove_pending_request(future)
            raise DeploymentError(f"the service {client.srv_name} does not answer", found=f"waited {seconds:.0f} s")
        return future.result()


def _arguments(args: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="director", description="Let the policies of a learning drive.")
    parser.add_argument("--takes-over", type=float, help="stand in for a person: take over so far off, m")
    parser.add_argument("--hands-back", type=float, default=0.0, help="and hand back so close, m")
    return parser.parse_args(args)


def _lines() -> queue.SimpleQueue[str]:
    """Lines of the standard input as they come; the last one, empty, is its end."""
    found: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            found.put(line)
        found.put("")

    threading.Thread(target=read, name="wishes", daemon=True).start()
    return found


def _serve(director: _Director, lines: queue.SimpleQueue[str]) -> None:
    parent = os.getppid()
    while os.getppid() == parent:  # it goes with whoever started it, however that one ended
        director.spin()
        if lines.empty():
            continue
        line = lines.get()
        if not line:
            return
        print(director.put_in(Path(wish_from_json(line).bundle)).to_json(), flush=True)


def main(args: Sequence[str] | None = None) -> int:
    """Serve wishes until there are no more; 0, or the exit code of the error that is printed on stderr."""
    prepare_environment()
    options = _arguments(args)
    node: Node | None = None
    executor: SingleThreadedExecutor | None = None
    try:
        stand_in = None if options.takes_over is None else StandIn(options.takes_over, options.hands_back)
        rclpy.init(args=["director"], signal_handler_options=rclpy.SignalHandlerOptions.NO)
        node = Node(f"_understudy_director_{os.getpid()}", start_parameter_services=False, enable_rosout=False)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        _serve(_Director(node, executor, stand_in), _lines())
    except UnderstudyError as error:
        print(error, file=sys.stderr, flush=True)
        return error.exit_code
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
