"""The executor of every node: same order as rclpy's, and nothing lost by keeping its wait set."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import ExternalShutdownException
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_processes import RosEnvironment
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from il_nodes.ros.executor import LeanExecutor

pytestmark = pytest.mark.ros

BEST_EFFORT = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)


class Robot:
    """One context, one node, one executor under test."""

    def __init__(self, domain_id: int) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain_id)
        self.node: Any = rclpy.create_node("served", context=self.context)
        self.executor = LeanExecutor(context=self.context)
        self.executor.add_node(self.node)

    def spin_until(self, condition: Callable[[], object], timeout_s: float = 5.0) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline_s, "not in time"
            self.executor.spin_once(timeout_sec=0.05)

    def settle(self) -> None:
        """Serve what stands ready and what follows from it."""
        for _ in range(20):
            self.executor.spin_once(timeout_sec=0)

    def steady_timer(self, period_s: float, callback: Callable[[], None]) -> Any:
        return self.node.create_timer(period_s, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def close(self) -> None:
        self.executor.shutdown(timeout_sec=0)
        if self.context.ok():
            self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)


@pytest.fixture
def robot(ros_environment: RosEnvironment) -> Iterator[Robot]:
    made = Robot(ros_environment.domain_id)
    yield made
    made.close()


def connected_publisher(robot: Robot, topic: str) -> Any:
    publisher = robot.node.create_publisher(Header, topic, 10)
    robot.spin_until(lambda: publisher.get_subscription_count() > 0)
    return publisher


def test_what_is_ready_runs_in_the_order_of_creation_and_guards_last(robot: Robot) -> None:
    """Would catch a tick that overtakes its episode's start, or an inference before the frames that stand ready."""
    order: list[str] = []
    robot.node.create_subscription(Header, "/first", lambda _: order.append("first"), 10)
    guard = robot.node.create_guard_condition(lambda: order.append("guard"))
    robot.node.create_subscription(Header, "/second", lambda _: order.append("second"), 10)
    second, first = connected_publisher(robot, "/second"), connected_publisher(robot, "/first")
    guard.trigger()
    second.publish(Header())
    first.publish(Header())
    for publisher in (first, second):
        publisher.wait_for_all_acked()
    robot.spin_until(lambda: len(order) == 3)
    assert order == ["first", "second", "guard"]


def test_a_guard_triggered_by_another_thread_ends_the_wait(robot: Robot) -> None:
    """Would catch a node that hears of its writing thread only when something else happens."""
    seen: list[float] = []
    guard = robot.node.create_guard_condition(lambda: seen.append(time.monotonic()))
    robot.settle()
    thread = threading.Timer(0.05, guard.trigger)
    thread.start()
    begun_s = time.monotonic()
    robot.spin_until(lambda: seen)
    thread.join()
    assert seen[0] - begun_s < 1.0


def test_entities_made_and_destroyed_by_a_callback(robot: Robot) -> None:
    """Would catch a callback of something destroyed, a guard forgotten in the change, or a newcomer not served."""
    calls: list[str] = []
    doomed = robot.node.create_subscription(Header, "/doomed", lambda _: calls.append("doomed"), 10)
    publisher = connected_publisher(robot, "/doomed")
    late = robot.node.create_guard_condition(lambda: calls.append("guard"))

    def change() -> None:
        timer.cancel()
        robot.node.destroy_subscription(doomed)
        robot.node.create_subscription(Header, "/new", lambda _: calls.append("new"), 10)
        calls.append("changed")

    publisher.publish(Header())
    publisher.wait_for_all_acked()
    late.trigger()
    timer = robot.steady_timer(0.0, change)
    robot.spin_until(lambda: "guard" in calls)
    newcomer = connected_publisher(robot, "/new")
    newcomer.publish(Header())
    robot.spin_until(lambda: "new" in calls)
    assert calls == ["changed", "guard", "new"]
    assert robot.node.count_subscribers("/doomed") == 0


def test_a_service_that_takes_its_time_holds_nobody_up(robot: Robot) -> None:
    """Would catch a reload of a policy during which no camera frame is served, or an answer that never comes."""
    release: list[bool] = []
    ticks: list[int] = []
    gate = rclpy.Future()

    async def answer(_request: Any, response: Any) -> Any:
        await gate
        response.success, response.message = True, "done"
        return response

    robot.node.create_service(Trigger, "/slow", answer)
    client = robot.node.create_client(Trigger, "/slow")
    robot.steady_timer(0.01, lambda: ticks.append(1))
    robot.spin_until(client.service_is_ready)
    future = client.call_async(Trigger.Request())
    before = len(ticks)
    robot.spin_until(lambda: len(ticks) > before + 5)
    assert not future.done()
    release.append(True)
    gate.set_result(None)
    robot.spin_until(future.done)
    assert future.result().message == "done"


def test_an_exception_reaches_the_caller_and_the_next_callback_still_runs(robot: Robot) -> None:
    """Would catch a swallowed defect: it is what ends a node with its message."""
    calls: list[str] = []

    def fail() -> None:
        raise ZeroDivisionError("a defect")

    broken = robot.node.create_guard_condition(fail)
    sound = robot.node.create_guard_condition(lambda: calls.append("sound"))
    robot.settle()
    broken.trigger()
    sound.trigger()
    with pytest.raises(ZeroDivisionError):
        robot.spin_until(lambda: calls)
    robot.spin_until(lambda: calls)


def test_a_cancelled_timer_stays_silent_and_a_reset_one_returns(robot: Robot) -> None:
    """Would catch a settle timer that fires after the tick it waited for is complete."""
    calls: list[int] = []
    timer = robot.steady_timer(0.01, lambda: calls.append(1))
    robot.spin_until(lambda: len(calls) == 2)
    timer.cancel()
    other: list[int] = []
    robot.steady_timer(0.01, lambda: other.append(1))
    robot.spin_until(lambda: len(other) == 5)
    assert len(calls) == 2
    timer.reset()
    robot.spin_until(lambda: len(calls) == 3)


def test_events_of_the_middleware_arrive(robot: Robot) -> None:
    """Would catch a QoS mismatch that nobody is told of, since events are looked at only now and then."""
    told: list[Any] = []
    robot.node.create_publisher(Header, "/shaky", BEST_EFFORT)
    robot.node.create_subscription(
        Header, "/shaky", lambda _: None, 10, event_callbacks=SubscriptionEventCallbacks(incompatible_qos=told.append)
    )
    robot.spin_until(lambda: told)
    assert told[0].total_count == 1


def test_the_end_of_the_context_ends_the_wait(robot: Robot) -> None:
    """Would catch a process that hangs after somebody else shut its context down."""
    robot.settle()
    rclpy.try_shutdown(context=robot.context)
    with pytest.raises(ExternalShutdownException):
        robot.spin_until(lambda: False)
