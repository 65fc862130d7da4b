"""The base class of all nodes: a managed (lifecycle) node with declared parameters, topics that report what keeps them
silent, and diagnostics.

The states are those of every ROS 2 lifecycle node, and with ``autostart`` (the default) a node goes through them by
itself. *Unconfigured*: parameters are declared, nothing is loaded. *Inactive*: files are read, topics exist, what
arrives is taken in, and nothing is published. *Active*: it does its work. Whoever wants the transitions in hand starts
a node with ``autostart: false`` and uses ``ros2 lifecycle set /gate configure``.
"""

from __future__ import annotations

import difflib
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from il_nodes.ros.connections import UNKNOWN_NODE, Connections
from il_nodes.ros.diagnostics import DiagnosticsPublisher, Level, Status
from il_nodes.ros.namesakes import Namesakes
from il_nodes.ros.parameters import declare_parameter
from il_nodes.ros.qos import describe_incompatibility
from models.errors import UnderstudyError

__all__ = ["UnderstudyNode"]

#: How often connections are looked at.
CONNECTION_POLL_S = 0.2
#: How long an endpoint's node may stay unknown before an incompatibility is explained without its name.
EXPLAIN_S = 2.0

RCLError = _rclpy.RCLError
ParameterValue = TypeVar("ParameterValue", bool, int, float, str, list[int], list[float], list[str])


@dataclass(frozen=True)
class _Incompatible:
    """An endpoint whose QoS does not fit this node's ``own`` profile."""

    policy_kind: Any
    own: Any
    publishing: bool
    since_s: float


class UnderstudyNode(LifecycleNode):  # type: ignore[misc]  # rclpy ships no types
    """A lifecycle node with declared parameters, reported QoS mismatches, and diagnostics once a second.

    A node of ours declares its parameters in ``__init__`` and overrides the four hooks :meth:`configure`,
    :meth:`activate`, :meth:`deactivate` and :meth:`cleanup`. Whatever :meth:`configure` makes on the node (topics,
    timers, services, diagnostics) is destroyed by the clean-up without its doing.

    Attributes:
        diagnostics: where the node adds its own status sources.
        exit_code: what the process exits with; ``None`` while the node wants to run.
        is_configured: whether :meth:`configure` has succeeded, and nothing was cleaned up since.
        is_active: whether it does its work.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._namesakes = Namesakes(self)
        self._namesakes.require_free_domain()
        self.exit_code: int | None = None
        self.is_configured = self.is_active = False
        self._failure: Exception | None = None
        self._starting = False
        self._qos_errors: dict[str, str] = {}
        self._incompatible: dict[str, _Incompatible] = {}
        self._advertised: dict[str, Any] = {}
        self._subscribed: set[str] = set()
        self._reported: Connections | None = None
        self._autostart = self.parameter("autostart", True, "configure and activate without being asked")
        self.add_on_set_parameters_callback(self._refuse_other_clock)
        self._judge_transitions()
        self.diagnostics = DiagnosticsPublisher(self)
        self.diagnostics.add("connections", self._connection_status)
        self.steady_timer(CONNECTION_POLL_S, self._report_new_connections, while_inactive=True)
        self._permanent: frozenset[int] = frozenset()

    def _refuse_other_clock(self, parameters: Any) -> Any:
        """With another clock every stamp on its way means something else (FAULTS 30)."""
        if any(given.name == "use_sim_time" for given in parameters):
            return SetParametersResult(successful=False, reason="use_sim_time is fixed once the node runs")
        return SetParametersResult(successful=True)

    def _judge_transitions(self) -> None:
        """Asked by number for a transition that its state does not have, rclpy raises, and the node would end of it."""
        service = self._service_change_state
        change = service.callback

        def judged(request: Any, response: Any) -> Any:
            try:
                return change(request, response)
            except RCLError as error:
                self.get_logger().warning(f"no such transition in this state: {str(error).splitlines()[0]}")
                response.success = False
                return response

        service.callback = judged

    # -- life: what a node overrides -------------------------------------------------------------------------------

    def configure(self) -> None:
        """Load what the parameters name and make topics, timers and services. Raises UnderstudyError."""

    def activate(self) -> None:
        """Begin to work; publishers are enabled already. Raises UnderstudyError."""

    def deactivate(self) -> None:
        """Come to rest; publishers are still enabled, and disabled right after."""

    def cleanup(self) -> None:
        """Let go of what :meth:`configure` loaded; entities on the node are destroyed right after."""

    def introduction(self) -> str:
        """Who is active now, and what matters about it: one line of plain words for the log; empty for none."""
        return ""

    def say(self, level: Level, text: str) -> None:
        """To the log."""
        logger = self.get_logger()
        # On lines of their own: rclpy allows one severity a line.
        if level == "ok":
            logger.info(text)
        elif level == "warn":
            logger.warning(text)
        else:
            logger.error(text)

    # -- life: the transitions -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Configure and activate, unless ``autostart`` is off.

        Raises:
            UnderstudyError: one of the two failed for a reason that a person can mend.
            Exception: a defect.
        """
        if not self._autostart:
            self.get_logger().info("unconfigured; waiting to be configured and activated (autostart is off)")
            return
        self._starting = True  # what fails now is raised, and said once, by whoever runs this node
        for trigger in (self.trigger_configure, self.trigger_activate):
            if trigger() != TransitionCallbackReturn.SUCCESS:
                assert self._failure is not None
                raise self._failure
        self._starting = False

    def on_configure(self, state: Any) -> Any:
        """The transition; override :meth:`configure`."""
        self._permanent = frozenset(map(id, self._entities()))
        outcome = self._attempt(self.configure)
        if outcome != TransitionCallbackReturn.SUCCESS:
            self._destroy_made()
            return outcome
        self.is_configured = True
        return super().on_configure(state)

    def on_activate(self, state: Any) -> Any:
        """The transition; override :meth:`activate`."""
        outcome = super().on_activate(state)
        if outcome != TransitionCallbackReturn.SUCCESS:
            return outcome
        self.is_active = True
        outcome = self._attempt(self.activate)
        if outcome != TransitionCallbackReturn.SUCCESS:
            self.is_active = False
            super().on_deactivate(state)
        elif words := self.introduction():
            self.say("ok", f"active: {words}")
        self.diagnostics.publish()
        return outcome

    def on_deactivate(self, state: Any) -> Any:
        """The transition; override :meth:`deactivate`."""
        outcome = self._attempt(self.deactivate)
        self.is_active = False
        super().on_deactivate(state)
        self.diagnostics.publish()
        return outcome

    def on_cleanup(self, state: Any) -> Any:
        """The transition; override :meth:`cleanup`."""
        outcome = self._attempt(self.cleanup)
        self.is_configured = False
        self._destroy_made()
        return outcome

    def on_shutdown(self, state: Any) -> Any:
        """Asked for from outside, a shutdown ends the process too, as a signal would: gracefully."""
        if self.exit_code is None:
            self.request_exit(0)
        return super().on_shutdown(state)

    def on_error(self, state: Any) -> Any:
        """After a defect in a transition: unconfigured again, with nothing left that could act."""
        self.is_active = False
        super().on_deactivate(state)
        if self.is_configured:
            self._attempt(self.cleanup)
        self.is_configured = False
        self._destroy_made()
        return TransitionCallbackReturn.SUCCESS

    def _attempt(self, hook: Callable[[], None]) -> Any:
        try:
            hook()
        except UnderstudyError as error:
            self._failure = error
            if not self._starting:
                self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            self._failure = error
            if not self._starting:
                traceback.print_exc()
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS

    def _entities(self) -> Iterator[Any]:
        for kind in (self.publishers, self.subscriptions, self.services, self.clients, self.timers, self.guards):
            yield from kind

    def _destroy_made(self) -> None:
        """Destroy what was made since the node began to configure itself, diagnostics included."""
        for kind, destroy in (
            (self.timers, self.destroy_timer),
            (self.guards, self.destroy_guard_condition),
            (self.subscriptions, self.destroy_subscription),
            (self.services, self.destroy_service),
            (self.clients, self.destroy_client),
            (self.publishers, self.destroy_lifecycle_publisher),
        ):
            for entity in [entity for entity in kind if id(entity) not in self._permanent]:
                destroy(entity)
        self._advertised.clear()
        self._subscribed.clear()
        self._incompatible.clear()
        self._qos_errors.clear()
        self.diagnostics.keep("connections")

    # -- parameters -----------------------------------------------------------------------------------------------

    def parameter(
        self,
        name: str,
        default: ParameterValue,
        description: str,
        *,
        minimum: float | None = None,
        maximum: float | None = None,
        choices: Sequence[str] = (),
        read_only: bool = True,
    ) -> ParameterValue:
        """Declare a parameter and return its value; see :func:`il_nodes.ros.parameters.declare_parameter`."""
        return declare_parameter(
            self, name, default, description, minimum=minimum, maximum=maximum, choices=choices, read_only=read_only
        )

    def warn_of_unknown_parameters(self) -> None:
        """ROS drops a misspelt parameter without a word; this says so, with the nearest name that exists."""
        declared = list(self._parameters)
        for name in sorted(set(self._parameter_overrides) - set(declared)):
            near = difflib.get_close_matches(name, declared, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            self.get_logger().warning(f"parameter {name} is not one of this node's and changes nothing{hint}")

    # -- topics ---------------------------------------------------------------------------------------------------

    def advertise(self, topic: str, message_class: type, qos: Any) -> Any:
        """A publisher that reports subscribers whose QoS keeps them from receiving anything.

        It is silent unless the node is active.
        """
        name = self.resolve_topic_name(topic)
        callbacks = PublisherEventCallbacks(
            incompatible_qos=lambda event: self._note_incompatible(name, event, qos, publishing=True)
        )
        publisher = self.create_lifecycle_publisher(message_class, topic, qos, event_callbacks=callbacks)
        if self.is_active:
            publisher.on_activate(None)  # the transition that enables the others is over
        self._advertised[name] = publisher
        return publisher

    def subscribe(
        self,
        topic: str,
        message_class: type,
        callback: Callable[..., None],
        qos: Any,
        *,
        raw: bool = False,
        on_lost: Callable[[int], None] | None = None,
    ) -> Any:
        """A subscription that reports publishers whose QoS keeps this node from hearing them.

        Args:
            topic: its name.
            message_class: the message type.
            callback: called with each message; and with its ``MessageInfo`` where it takes two arguments.
            qos: an rclpy ``QoSProfile``, for example of :func:`qos_profile`.
            raw: the callback gets the CDR bytes of each message instead.
            on_lost: called with the number of messages that the middleware found to be lost since the last call.
        """
        name = self.resolve_topic_name(topic)
        callbacks = SubscriptionEventCallbacks(
            incompatible_qos=lambda event: self._note_incompatible(name, event, qos, publishing=False),
            message_lost=None if on_lost is None else lambda event: on_lost(event.total_count_change),
        )
        self._subscribed.add(name)
        return self.create_subscription(message_class, topic, callback, qos, event_callbacks=callbacks, raw=raw)

    def clock_ns(self) -> int:
        """Nanoseconds on the robot's clock now: the system's, or ``/clock`` with ``use_sim_time``."""
        return int(self.get_clock().handle.get_now().nanoseconds)  # without a Time around it

    def publisher_count(self, topic: str) -> int:
        """How many publishers a topic has, under the name to which this node's own ends on it are remapped."""
        return int(self.count_publishers(self.resolve_topic_name(topic)))

    def steady_timer(self, period_s: float, callback: Callable[[], None], *, while_inactive: bool = False) -> Any:
        """A timer on the monotonic clock: it runs on while simulated time stands still or jumps.

        Args:
            period_s: seconds.
            callback: called while the node is active.
            while_inactive: call it in every other state too.
        """

        def call_while_active() -> None:
            if self.is_active:
                callback()

        wanted = callback if while_inactive else call_while_active
        return self.create_timer(period_s, wanted, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _note_incompatible(self, topic: str, event: Any, own: Any, *, publishing: bool) -> None:
        """Explained a moment later: the endpoint's name and profile are often not known yet when this is called."""
        self._incompatible[topic] = _Incompatible(event.last_policy_kind, own, publishing, time.monotonic())

    def _explain_incompatible(self) -> None:
        for topic, seen in list(self._incompatible.items()):
            find = self.get_subscriptions_info_by_topic if seen.publishing else self.get_publishers_info_by_topic
            others = [info for info in find(topic) if info.node_name != UNKNOWN_NODE]
            if not others and time.monotonic() - seen.since_s < EXPLAIN_S:
                continue
            del self._incompatible[topic]
            message = describe_incompatibility(topic, seen.policy_kind, seen.own, others, publishing=seen.publishing)
            self._qos_errors[topic] = message
            self.get_logger().error(message)

    @property
    def connections(self) -> Connections:
        """The topics made by :meth:`advertise` and :meth:`subscribe`, as they are connected now."""
        reaches = {topic: publisher.get_subscription_count() for topic, publisher in self._advertised.items()}
        return Connections(reaches, frozenset(self._subscribed), self.is_active)

    def _connection_status(self) -> Status:
        self._reported = self.connections
        values = {**self._reported.values(), **self._qos_errors}
        if self._qos_errors:
            return Status("error", "incompatible QoS: " + ", ".join(sorted(self._qos_errors)), values)
        return Status("ok", "no incompatible QoS seen", values)

    def _report_new_connections(self) -> None:
        """Not only once a second: a run starts when all connections stand, and should not wait for the report."""
        self._namesakes.give_way()
        self._explain_incompatible()
        if self.connections != self._reported:
            self.diagnostics.publish()

    @property
    def qos_errors(self) -> dict[str, str]:
        """Topic → explanation, of every incompatible endpoint seen so far."""
        return dict(self._qos_errors)

    # -- the end ---------------------------------------------------------------------------------------------------

    def request_exit(self, exit_code: int = 0) -> None:
        """End the process after the callback that runs now, through the graceful shutdown."""
        self.exit_code = exit_code

    def shutdown_gracefully(self) -> None:
        """Called once when a configured node is to end: begin whatever must happen first. The executor spins on."""

    def is_shut_down(self) -> bool:
        """Whether that is finished; asked after every callback for at most two seconds."""
        return True
