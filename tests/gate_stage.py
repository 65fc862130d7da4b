"""A gate as a process, with the expert's and the policy's seats beside it, for tests that look at what comes out."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

from gated_robot import REPOSITORY
from ros_processes import RosEnvironment

__all__ = ["CONTRACT", "CONTROL", "PERIOD_S", "Stage", "values"]

CONTRACT = REPOSITORY / "contracts" / "driving.yaml"
PERIOD_S = 0.05
#: A gate that commands the robot, at once.
CONTROL: dict[str, object] = {"contract": str(CONTRACT), "enable_control": True, "discovery_s": 0.0}


def values(status: Any) -> dict[str, str]:
    return {pair.key: pair.value for pair in status.values}


class Stage:
    """One gate, the expert's seat, and everything that comes out of the gate."""

    def __init__(self, ros: RosEnvironment, **params: object) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from geometry_msgs.msg import TwistStamped
        from std_srvs.srv import SetBool

        from il_nodes.ros.qos import RELIABLE

        self.ros, self.request = ros, SetBool.Request
        self.gate = ros.spawn_node("gate", {**CONTROL, **params})
        self.commands: list[Any] = ros.collect("/cmd_vel", TwistStamped)
        self.arrivals_s: list[float] = []
        ros.probe.create_subscription(
            TwistStamped, "/cmd_vel", lambda _: self.arrivals_s.append(time.monotonic()), RELIABLE
        )
        self.decisions: list[Any] = ros.collect("/gate/decision", DiagnosticArray)
        self.diagnostics: list[Any] = ros.collect("/diagnostics", DiagnosticArray)
        self.expert = ros.probe.create_publisher(TwistStamped, "/expert/cmd_vel", RELIABLE)
        self.enable = ros.probe.create_client(SetBool, "/gate/enable_policy")
        self.takeover = ros.probe.create_client(SetBool, "/gate/takeover")
        self.speed, self.steady, self.propose = 0.5, True, False
        self.unsafe, self.row = 0.1, (1.0, 0.5)
        ros.probe.create_timer(PERIOD_S, self.tick)
        if params.get("autostart", True):
            ros.wait_until(
                lambda: self.expert.get_subscription_count() and self.decisions, 10.0, "the gate's first decision"
            )

    @cached_property
    def proposals(self) -> Any:
        """The policy's seat, taken only where a test sits in it: a second one there is a fault."""
        from trajectory_msgs.msg import JointTrajectory

        from il_nodes.ros.qos import RELIABLE

        return self.ros.probe.create_publisher(JointTrajectory, "/policy/proposal", RELIABLE)

    def tick(self) -> None:
        """One tick of a robot: the expert answers, and the policy where the test wants one."""
        if self.steady:
            self.send(time.time_ns())

    def send(self, stamp_ns: int) -> None:
        from geometry_msgs.msg import TwistStamped
        from proposer import proposal_message

        from il_nodes.ros.stamps import ns_to_stamp

        command = TwistStamped()
        command.header.stamp = ns_to_stamp(stamp_ns)
        command.twist.linear.x = self.speed
        self.expert.publish(command)
        if self.propose:
            self.proposals.publish(proposal_message(stamp_ns, (self.row,), self.unsafe))

    def call(self, client: Any, on: bool) -> Any:
        self.until("the gate's services", client.service_is_ready)
        future = client.call_async(self.request(data=on))
        self.ros.wait_until(future.done, 5.0, "the service's answer")
        return future.result()

    @property
    def last(self) -> dict[str, str]:
        return values(self.decisions[-1].status[0])

    def until(self, what: str, condition: Callable[[], object], timeout_s: float = 5.0) -> None:
        self.ros.wait_until(condition, timeout_s, what)

    def until_driver(self, source: str, reason: str = "", timeout_s: float = 5.0) -> None:
        self.until(
            f"{source} drives {reason}; last: {self.last}",
            lambda: self.last["source"] == source and self.last["reason"].startswith(reason),
            timeout_s,
        )

    def diagnostic(self, name: str) -> Any:
        """Newest status of that name."""
        return next(s for array in reversed(self.diagnostics) for s in array.status if s.name == name)

    def says(self, name: str, words: str) -> bool:
        """Whether the newest status of that name, if there is one yet, has these words in its message."""
        newest = (s for array in reversed(self.diagnostics) for s in array.status if s.name == name)
        return words in next((status.message for status in newest), "")
