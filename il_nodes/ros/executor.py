"""A single-threaded executor that keeps its wait set.

The one of rclpy collects every entity of every node before each callback, wraps the callback in a task, and wakes
itself up twice afterwards: 0.1 to 0.4 ms a callback, as much as a small policy's whole inference. This one collects
again only when an entity was made or destroyed, and calls what is ready in rclpy's order: timers, subscriptions and
guard conditions in the order of their creation, then clients and services. QoS events, of which each topic has
several and which tell of rare things, are looked at ten times a second.

What it leaves out: callback groups (with one thread only a coroutine could break a group's promise, and holding up
every other callback until a service has been answered is what nobody here wants).
"""

from __future__ import annotations

import inspect
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

from rclpy.exceptions import InvalidHandle
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.subscription import Subscription
from rclpy.task import Task

__all__ = ["LeanExecutor"]

#: How often QoS events are asked for.
EVENTS_S = 0.1
#: How often a coroutine that waits for something is asked whether it can go on.
TASKS_S = 0.002


class LeanExecutor(SingleThreadedExecutor):  # type: ignore[misc]  # rclpy ships no types
    """Drop-in for :class:`rclpy.executors.SingleThreadedExecutor`; use ``spin_once`` from one thread."""

    def __init__(self, **options: Any) -> None:
        self._is_stale = True
        self._held = ExitStack()
        self._ready: deque[Callable[[], None]] = deque()
        self._events_due_s = 0.0
        self._tasks: list[tuple[Any, None, None]]
        super().__init__(**options)

    # -- what there is to wait for ----------------------------------------------------------------------------------

    def wake(self) -> None:
        """An entity was made or destroyed, or somebody else has work for this thread."""
        self._is_stale = True
        super().wake()

    def add_node(self, node: Any) -> bool:
        """Serve the node's callbacks too."""
        self._is_stale = True
        return bool(super().add_node(node))

    def remove_node(self, node: Any) -> None:
        """Leave the node's callbacks alone."""
        self._is_stale = True
        super().remove_node(node)

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        """Let go of every entity."""
        self._ready.clear()
        self._held.close()
        return bool(super().shutdown(timeout_sec))

    def _collect(self) -> None:
        """Look at the nodes again, and hold what they have, so that nothing is destroyed while it is waited for."""
        self._is_stale = False
        self._ready.clear()
        self._held.close()
        if not self._context.ok():
            raise ExternalShutdownException
        nodes = self.get_nodes()

        def hold(entities: Any) -> list[Any]:
            held = []
            for entity in entities:
                with suppress(InvalidHandle):
                    self._held.enter_context(getattr(entity, "handle", entity))
                    held.append(entity)
            return held

        self._subscriptions = hold(sub for node in nodes for sub in node.subscriptions)
        self._timers = hold(timer for node in nodes for timer in node.timers)
        self._guards = hold([*(guard for node in nodes for guard in node.guards), self._guard])
        self._clients = hold(client for node in nodes for client in node.clients)
        self._services = hold(service for node in nodes for service in node.services)
        self._waitables = hold(waitable for node in nodes for waitable in node.waitables)
        self._held.enter_context(self._context.handle)
        for guard in self._guards:
            if guard._executor_triggered:  # seen, and not yet called when the collection changed
                guard.trigger()
        kinds = (self._subscriptions, self._guards, self._timers, self._clients, self._services)
        self._hot_set = _rclpy.WaitSet(*map(len, kinds), 0, self._context.handle)
        counts = [waitable.get_num_entities() for waitable in self._waitables]
        names = ("subscriptions", "guard_conditions", "timers", "clients", "services", "events")
        sums = [sum(getattr(count, f"num_{name}") for count in counts) for name in names]
        self._event_set = _rclpy.WaitSet(*sums, self._context.handle)

    # -- one callback -----------------------------------------------------------------------------------------------

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Call what is ready, one callback; wait for it at most ``timeout_sec`` (``None``: without end, 0: not at all).

        Raises:
            ExternalShutdownException: the context was shut down.
            Exception: whatever the callback raised.
        """
        if self._tasks:
            self._go_on_with_tasks()
        if self._is_stale:
            self._collect()
        if not self._ready:
            self._wait(timeout_sec)
        if self._ready and not self._is_stale:
            self._ready.popleft()()

    def _wait(self, timeout_sec: float | None) -> None:
        now_s = time.monotonic()
        if now_s >= self._events_due_s:
            self._events_due_s = now_s + EVENTS_S
            self._take_events()
        limit_s = TASKS_S if self._tasks else self._events_due_s - now_s
        wait_s = limit_s if timeout_sec is None or timeout_sec < 0 else min(timeout_sec, limit_s)
        wait_set = self._hot_set
        wait_set.clear_entities()
        for subscription in self._subscriptions:
            wait_set.add_subscription(subscription.handle)
        for timer in self._timers:
            wait_set.add_timer(timer.handle)
        for guard in self._guards:
            wait_set.add_guard_condition(guard.handle)
        for client in self._clients:
            wait_set.add_client(client.handle)
        for service in self._services:
            wait_set.add_service(service.handle)
        wait_set.wait(int(max(wait_s, 0.0) * 1e9))
        if self._is_shutdown:
            return
        if not self._context.ok():
            raise ExternalShutdownException
        self._note_ready(wait_set)

    def _note_ready(self, wait_set: Any) -> None:
        """In rclpy's order. A guard condition is reset by the wait itself, so it has to be remembered."""
        ready = self._ready
        for kind, entities, call in (
            ("timer", self._timers, self._call_timer),
            ("subscription", self._subscriptions, self._call_subscription),
        ):
            pointers = wait_set.get_ready_entities(kind)
            if pointers:
                ready.extend(partial(call, entity) for entity in entities if entity.handle.pointer in pointers)
        pointers = wait_set.get_ready_entities("guard_condition")
        if pointers:
            for guard in self._guards:
                if guard.handle.pointer in pointers and guard is not self._guard:
                    guard._executor_triggered = True
                    ready.append(partial(self._call_guard, guard))
        for kind, entities, take in (
            ("client", self._clients, self._take_client),
            ("service", self._services, self._take_service),
        ):
            pointers = wait_set.get_ready_entities(kind)
            if pointers:
                ready.extend(
                    partial(self._begin_taken, take, entity) for entity in entities if entity.handle.pointer in pointers
                )

    def _take_events(self) -> None:
        if not self._waitables:
            return
        wait_set = self._event_set
        wait_set.clear_entities()
        for waitable in self._waitables:
            waitable.add_to_wait_set(wait_set)
        wait_set.wait(0)
        for waitable in self._waitables:
            if waitable.is_ready(wait_set):
                self._ready.append(partial(self._begin_taken, self._take_waitable, waitable))

    # -- callbacks --------------------------------------------------------------------------------------------------

    def _call_timer(self, timer: Any) -> None:
        if timer.handle.is_timer_ready():  # it may have been cancelled or reset by a callback before it
            timer.handle.call_timer()
            self._call(timer.callback)

    def _call_subscription(self, subscription: Any) -> None:
        taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
        if taken is None:
            return
        if subscription._callback_type is Subscription.CallbackType.MessageOnly:
            self._call(subscription.callback, taken[0])
        else:
            self._call(subscription.callback, *taken)

    def _call_guard(self, guard: Any) -> None:
        guard._executor_triggered = False
        self._call(guard.callback)

    def _call(self, callback: Callable[..., object], *arguments: object) -> None:
        outcome = callback(*arguments)
        if inspect.iscoroutine(outcome):
            self._begin(outcome)

    def _begin_taken(self, take: Callable[[Any], Callable[[], Any] | None], entity: Any) -> None:
        call = take(entity)
        if call is not None:
            self._begin(call())

    # -- coroutines -------------------------------------------------------------------------------------------------

    def _begin(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run it to its first pause; the rest follows in later rounds."""
        task = Task(coroutine, executor=self)
        task()
        if task.done():
            task.result()  # raises what it raised
            return
        with self._tasks_lock:
            self._tasks.append((task, None, None))

    def _go_on_with_tasks(self) -> None:
        with self._tasks_lock:
            tasks = [entry[0] for entry in self._tasks]
        for task in tasks:
            if not task.done() and not task.executing():
                task()
            if task.done() and not task.cancelled():
                self._forget(task)
                task.result()
        with self._tasks_lock:
            self._tasks = [entry for entry in self._tasks if not (entry[0].done() or entry[0].cancelled())]

    def _forget(self, task: Any) -> None:
        with self._tasks_lock:
            self._tasks = [entry for entry in self._tasks if entry[0] is not task]
