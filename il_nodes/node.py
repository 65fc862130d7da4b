"""The base class of all nodes: declared parameters, topics that report what keeps them silent, diagnostics."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from rclpy.clock import Clock, ClockType
from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.node import Node

from il_nodes.connections import Connections
from il_nodes.diagnostics import DiagnosticsPublisher, Status
from il_nodes.parameters import declare_parameter
from il_nodes.qos import describe_incompatibility
from models.errors import DeploymentError

__all__ = ["UnderstudyNode", "require_free_domain"]

#: Discovery on one machine takes 0.1 to 0.3 s; a namesake that is there is seen within this time.
DISCOVERY_S = 0.5
#: On a busy machine it may take longer. A node that is younger than this gives way to a namesake that turns up; an
#: older one has work in hand, and it is the newcomer that is refused.
YOUNG_S = 5.0
#: How often connections are looked at.
CONNECTION_POLL_S = 0.2
#: The graph learns of an endpoint's node a little after the endpoint was matched; until then it carries this name.
UNKNOWN_NODE, EXPLAIN_S = "_NODE_NAME_UNKNOWN_", 2.0

ParameterValue = TypeVar("ParameterValue", bool, int, float, str, list[int], list[float], list[str])


def _domain_busy(node: Node) -> DeploymentError:
    domain = node.context.get_domain_id()
    return DeploymentError(
        f"domain busy: another node named {node.get_fully_qualified_name()} runs in ROS domain {domain}",
        fix=f"stop the other run, or start this one elsewhere with ROS_DOMAIN_ID={(domain + 1) % 102}; after a hard "
        "kill (SIGKILL) the dead node stays visible for up to 20 s",
    )


def require_free_domain(node: Node, discovery_s: float = DISCOVERY_S) -> None:
    """Raise when a node of the same full name already runs in this ROS domain.

    Two gates, or two simulators, in one domain would both drive the robot; so this runs before the first publisher
    exists. It needs no executor.

    Args:
        node: just made.
        discovery_s: how long to look.

    Raises:
        DeploymentError: a namesake was discovered.
    """
    own = (node.get_name(), node.get_namespace())
    deadline = time.monotonic() + discovery_s
    while time.monotonic() < deadline:
        if node.get_node_names_and_namespaces().count(own) > 1:
            raise _domain_busy(node)
        time.sleep(0.02)


@dataclass(frozen=True)
class _Incompatible:
    """An endpoint whose QoS does not fit this node's ``own`` profile."""

    policy_kind: Any
    own: Any
    publishing: bool
    since_s: float


class UnderstudyNode(Node):  # type: ignore[misc]  # rclpy ships no types
    """A node with declared parameters, reported QoS mismatches, and diagnostics once a second.

    Attributes:
        diagnostics: where the node adds its own status sources.
        exit_code: what the process exits with; ``None`` while the node wants to run.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        require_free_domain(self)
        self._young_until_s = time.monotonic() + YOUNG_S
        self.exit_code: int | None = None
        self._qos_errors: dict[str, str] = {}
        self._incompatible: dict[str, _Incompatible] = {}
        self._advertised: dict[str, Any] = {}
        self._subscribed: set[str] = set()
        self._reported: Connections | None = None
        self.diagnostics = DiagnosticsPublisher(self)
        self.diagnostics.add("connections", self._connection_status)
        self.steady_timer(CONNECTION_POLL_S, self._report_new_connections)

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
        """Declare a parameter and return its value; see :func:`il_nodes.parameters.declare_parameter`."""
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
        """A publisher that reports subscribers whose QoS keeps them from receiving anything."""
        name = self.resolve_topic_name(topic)
        callbacks = PublisherEventCallbacks(
            incompatible_qos=lambda event: self._note_incompatible(name, event, qos, publishing=True)
        )
        publisher = self.create_publisher(message_class, topic, qos, event_callbacks=callbacks)
        self._advertised[name] = publisher
        return publisher

    def subscribe(
        self,
        topic: str,
        message_class: type,
        callback: Callable[[Any], None],
        qos: Any,
        *,
        raw: bool = False,
        on_lost: Callable[[int], None] | None = None,
    ) -> Any:
        """A subscription that reports publishers whose QoS keeps this node from hearing them.

        Args:
            topic: its name.
            message_class: the message type.
            callback: called with each message.
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

    def steady_timer(self, period_s: float, callback: Callable[[], None]) -> Any:
        """A timer on the monotonic clock: it runs on while simulated time stands still or jumps."""
        return self.create_timer(period_s, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))

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
        return Connections(reaches, frozenset(self._subscribed))

    def _connection_status(self) -> Status:
        self._reported = self.connections
        values = {**self._reported.values(), **self._qos_errors}
        if self._qos_errors:
            return Status("error", "incompatible QoS: " + ", ".join(sorted(self._qos_errors)), values)
        return Status("ok", "no incompatible QoS seen", values)

    def _give_way_to_namesake(self) -> None:
        """A namesake that publishes has passed its own look at the domain; one that still looks gives way itself."""
        own = (self.get_name(), self.get_namespace())
        infos = self.get_publishers_info_by_topic("/diagnostics")
        if [(info.node_name, info.node_namespace) for info in infos].count(own) > 1:
            raise _domain_busy(self)

    def _report_new_connections(self) -> None:
        """Not only once a second: a run starts when all connections stand, and should not wait for the report."""
        if time.monotonic() < self._young_until_s:
            self._give_way_to_namesake()
        self._explain_incompatible()
        if self.connections != self._reported:
            self.diagnostics.publish()

    @property
    def qos_errors(self) -> dict[str, str]:
        """Topic → explanation, of every incompatible endpoint seen so far."""
        return dict(self._qos_errors)

    # -- life -----------------------------------------------------------------------------------------------------

    def request_exit(self, exit_code: int = 0) -> None:
        """End the process after the callback that runs now, through the graceful shutdown."""
        self.exit_code = exit_code

    def shutdown_gracefully(self) -> None:
        """Called once when the node is to end: begin whatever must happen first. The executor keeps spinning."""

    def is_shut_down(self) -> bool:
        """Whether that is finished; asked after every callback for at most two seconds."""
        return True
