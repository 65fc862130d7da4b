"""What ``bench.soak`` does to the stack once a minute, and how it brings the policy back to the wheel."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geometry_msgs.msg import TwistStamped
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from std_srvs.srv import SetBool, Trigger

__all__ = ["FAULTS", "Fault", "Hands"]


class Hands:
    """Everything the bench does to the running nodes, through ROS and through signals.

    Args:
        node: a node of the bench's own.
        executor: that spins it; every wait here spins on.
        signal_node: sends a signal to a process by name.
        restart: starts a process anew that was killed.
        corrupt: a bundle with a flipped bit.
    """

    def __init__(
        self,
        node: Any,
        executor: SingleThreadedExecutor,
        signal_node: Callable[[str, signal.Signals], None],
        restart: Callable[[str], None],
        corrupt: Path,
    ) -> None:
        self.node, self.executor = node, executor
        self.signal_node, self.restart, self.corrupt = signal_node, restart, corrupt
        self._parameters = node.create_client(SetParameters, "/policy/set_parameters")
        self._enable = node.create_client(SetBool, "/gate/enable_policy")
        self._takeover = node.create_client(SetBool, "/gate/takeover")
        self._reset = node.create_client(Trigger, "/sim/reset")

    def wait(self, seconds: float) -> None:
        """Let the stack run; the bench's own subscriptions are served."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=min(left_s, 0.05))

    def call(self, client: Any, request: Any, timeout_s: float = 20.0) -> Any:
        """Call a service; ``None`` when nobody answered in time."""
        deadline_s = time.monotonic() + timeout_s
        while not client.service_is_ready():
            if time.monotonic() > deadline_s:
                return None
            self.wait(0.05)
        future = client.call_async(request)
        while not future.done():
            if time.monotonic() > deadline_s:
                return None
            self.executor.spin_once(timeout_sec=0.05)
        return future.result()

    def swap(self, bundle: Path) -> bool:
        """Name another bundle to the running policy; whether it took the name."""
        value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=str(bundle))
        request = SetParameters.Request(parameters=[Parameter(name="bundle", value=value)])
        answer = self.call(self._parameters, request)
        return answer is not None and bool(answer.results[0].successful)

    def enable_policy(self) -> bool:
        """Let the policy drive again."""
        answer = self.call(self._enable, SetBool.Request(data=True))
        return answer is not None and bool(answer.success)

    def take_over(self, wanted: bool) -> None:
        """A human grabs the wheel, or lets go."""
        self.call(self._takeover, SetBool.Request(data=wanted))

    def reset_simulation(self) -> None:
        """Put the car back to its start."""
        self.call(self._reset, Trigger.Request())


@dataclass(frozen=True)
class Fault:
    """One disturbance.

    Attributes:
        name: for the table.
        inject: brings it about and takes it away again; returns when that is done.
        expected: who may drive while it lasts: ``policy``, ``expert`` or ``halt``, the word of the gate's decision.
    """

    name: str
    inject: Callable[[Hands], None]
    expected: str


def _hang(hands: Hands) -> None:
    hands.signal_node("policy", signal.SIGSTOP)
    hands.wait(2.0)
    hands.signal_node("policy", signal.SIGCONT)
    hands.wait(0.5)
    hands.enable_policy()


def _kill_policy(hands: Hands) -> None:
    hands.signal_node("policy", signal.SIGKILL)
    hands.wait(1.0)
    hands.restart("policy")
    hands.wait(8.0)
    hands.enable_policy()


def _hang_expert(hands: Hands) -> None:
    hands.signal_node("expert", signal.SIGSTOP)
    hands.wait(1.0)
    hands.signal_node("expert", signal.SIGCONT)


def _lose_both(hands: Hands) -> None:
    for name in ("expert", "policy"):
        hands.signal_node(name, signal.SIGSTOP)
    hands.wait(2.0)
    for name in ("expert", "policy"):
        hands.signal_node(name, signal.SIGCONT)
    hands.wait(0.5)
    hands.enable_policy()


def _swap_corrupt(hands: Hands) -> None:
    hands.swap(hands.corrupt)
    hands.wait(5.0)


def _kill_recorder(hands: Hands) -> None:
    hands.signal_node("recorder", signal.SIGKILL)
    hands.wait(1.0)
    hands.restart("recorder")


def _take_over(hands: Hands) -> None:
    hands.take_over(True)
    hands.wait(2.0)
    hands.take_over(False)
    hands.enable_policy()


def _rival(hands: Hands) -> None:
    publisher = hands.node.create_publisher(TwistStamped, "/cmd_vel", 10)
    hands.wait(2.0)
    hands.node.destroy_publisher(publisher)
    hands.wait(2.0)
    hands.enable_policy()


def _reset(hands: Hands) -> None:
    hands.reset_simulation()
    hands.wait(5.0)  # long enough to see who drives


#: In this order, one a minute, over and over.
FAULTS = (
    Fault("policy hangs", _hang, "expert"),
    Fault("human takes over", _take_over, "expert"),
    Fault("expert hangs while the policy drives", _hang_expert, "policy"),
    Fault("corrupt bundle offered", _swap_corrupt, "policy"),
    Fault("expert and policy hang", _lose_both, "halt"),
    Fault("second publisher of commands", _rival, "halt"),
    Fault("recorder killed", _kill_recorder, "policy"),
    Fault("simulation reset", _reset, "policy"),
    Fault("policy killed", _kill_policy, "expert"),
)
