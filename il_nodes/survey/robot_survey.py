"""Looks at a robot that runs: who publishes what, how often, with which quality of service. It only listens.

``python -m il_nodes.survey.robot_survey --seconds 5`` prints lines of JSON: how far it is, and last the report.
With ``--contract`` it listens to that contract's topics only, and reads the numbers that the contract takes from them.
Every message is taken as raw bytes, best effort like any sensor data, and forgotten once it has been measured.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from il_nodes.codecs import CODECS, header_stamp_ns, import_message_class
from il_nodes.ros.middleware import prepare_environment
from il_nodes.survey.report import Endpoint, SurveyReport, TopicReport, survey_to_json
from il_nodes.survey.topic_meter import Arrival, TopicMeter
from models.contract import Contract, Source, load_contract
from models.errors import CodecError, UnderstudyError

__all__ = ["RobotSurvey", "main"]

_CLOCK, _CLOCK_TYPE = "/clock", "rosgraph_msgs/msg/Clock"
#: As deep as rclpy's profile for sensor data: a survey that cannot keep up shall lose messages, not hoard them.
_DEPTH = 5
#: How often new topics are looked for; discovery on one machine takes 0.1 to 0.3 s.
_LOOK_S = 0.2
#: Names and profiles of endpoints arrive a little after the endpoints themselves.
_UNKNOWN_NODE = "_NODE_NAME_UNKNOWN_"
_NAMES_S = 2.0
#: The time counts once no topic has turned up for so long: processes are discovered one after the other.
_QUIET_S = 1.0
#: With nothing by then there is nothing. A process was seen to take 3 s, the period in which they announce themselves.
_DISCOVERY_S = 6.0


def contract_sources(contract: Contract) -> dict[str, tuple[Source, ...]]:
    """Topic → what the contract takes from it; the expert's topics carry the commands' types."""
    found: dict[str, list[Source]] = {}
    for stream in (*contract.observations, *contract.actions):
        for source in stream.sources:
            found.setdefault(source.channel.topic, []).append(source)
    for topic, source in zip(contract.gate.expert_topics, contract.action_sources, strict=False):
        found.setdefault(topic, [source])
    return {topic: tuple(sources) for topic, sources in found.items()}


class RobotSurvey:
    """Listens to topics, all that can be used or those of a contract.

    Args:
        node: a node of its own, not spun by anybody else.
        wanted: topic → the contract's sources; ``None`` looks at every topic that has a codec.
        only: with ``wanted`` of ``None``: no other topics than these; empty for all.
    """

    def __init__(self, node: Node, wanted: Mapping[str, Sequence[Source]] | None, only: Sequence[str] = ()) -> None:
        self._node, self._wanted, self._only = node, wanted, frozenset(only)
        self._own = f"{node.get_namespace().rstrip('/')}/{node.get_name()}"
        self._meters: dict[str, TopicMeter] = {}
        self._failed: dict[str, str] = {}
        self._simulated_ns: int | None = None
        self._listens_to_clock = False

    @property
    def heard(self) -> int:
        """Topics that are listened to."""
        return len(self._meters)

    def look(self) -> None:
        """Subscribe to what has appeared since the last look."""
        for topic, names in self._node.get_topic_names_and_types():
            if topic == _CLOCK and not self._listens_to_clock and _CLOCK_TYPE in names:
                self._listens_to_clock = True
                self._subscribe(topic, _CLOCK_TYPE, self._on_clock)
            if topic in self._meters or topic in self._failed or not self._is_wanted(topic, names):
                continue
            # Without a publisher there is nothing to hear, and nothing to match the durability with.
            publishers = self._node.get_publishers_info_by_topic(topic)
            if publishers:
                self._listen(topic, publishers)

    def _is_wanted(self, topic: str, names: Sequence[str]) -> bool:
        if self._wanted is not None:
            return topic in self._wanted
        return any(name in CODECS for name in names) and (not self._only or topic in self._only)

    def _listen(self, topic: str, publishers: Sequence[Any]) -> None:
        type_name = publishers[0].topic_type
        sources = () if self._wanted is None else self._wanted[topic]
        if sources and sources[0].channel.type != type_name:
            sources = ()  # what is there is another type, which is reported; it is still looked at
        meter = TopicMeter(topic, type_name, sources)
        # Latched topics hand over what was sent before only to those who ask for it, and all of them must offer it.
        latched = all(info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for info in publishers)
        try:
            self._subscribe(topic, type_name, partial(self._on_message, meter), latched=latched)
        except CodecError as error:
            self._failed[topic] = " ".join(str(error).split())
            return
        self._meters[topic] = meter

    def _subscribe(self, topic: str, type_name: str, callback: Any, *, latched: bool = False) -> None:
        qos = QoSProfile(
            depth=_DEPTH,
            reliability=ReliabilityPolicy.RELIABLE if latched else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )
        self._node.create_subscription(import_message_class(type_name), topic, callback, qos, raw=True)

    def _on_clock(self, cdr: bytes) -> None:
        with suppress(CodecError):
            self._simulated_ns = header_stamp_ns(cdr)

    def _on_message(self, meter: TopicMeter, cdr: bytes, info: Mapping[str, Any]) -> None:
        now_ns = time.time_ns()
        received_ns = info.get("received_timestamp") or now_ns
        # Since the message arrived it has waited for this process; every clock is read as it was then.
        waited_ns = max(0, now_ns - received_ns)
        monotonic_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC) - waited_ns
        sequence = info.get("publication_sequence_number")
        meter.add(cdr, Arrival(received_ns, monotonic_ns, self._simulated_ns, sequence))

    def names_known(self) -> bool:
        """Whether every endpoint has told the name of its node."""
        return all(
            info.node_name != _UNKNOWN_NODE
            for topic, _ in self._node.get_topic_names_and_types()
            for info in (
                *self._node.get_publishers_info_by_topic(topic),
                *self._node.get_subscriptions_info_by_topic(topic),
            )
        )

    def report(self, domain: int, seconds: float, *, network: bool) -> SurveyReport:
        """Everything seen so far."""
        names = dict(self._node.get_topic_names_and_types())
        asked = dict.fromkeys(self._wanted or ())
        topics = [self._topic(topic, names.get(topic, [])) for topic in sorted({*names, *asked})]
        nodes = sorted(
            f"{namespace.rstrip('/')}/{name}" for name, namespace in self._node.get_node_names_and_namespaces()
        )
        return SurveyReport(
            domain=domain,
            seconds=seconds,
            network=network,
            simulated_time=bool(self._node.count_publishers(_CLOCK)),
            nodes=tuple(node for node in nodes if node != self._own),
            topics=tuple(topic for topic in topics if topic.publishers or topic.subscribers or topic.topic in asked),
        )

    def _topic(self, topic: str, names: Sequence[str]) -> TopicReport:
        publishers = self._endpoints(self._node.get_publishers_info_by_topic(topic))
        subscribers = self._endpoints(self._node.get_subscriptions_info_by_topic(topic))
        # The survey's own subscription has a type too, which is no evidence.
        seen = dict.fromkeys(end.type for end in (*publishers, *subscribers))
        problem = self._failed.get(topic, "")
        plain = TopicReport(topic, tuple(seen) or tuple(names), publishers, subscribers, problem=problem)
        meter = self._meters.get(topic)
        return plain if meter is None else meter.report(plain)

    def _endpoints(self, infos: Sequence[Any]) -> tuple[Endpoint, ...]:
        found = [
            Endpoint(
                node=f"{info.node_namespace.rstrip('/')}/{info.node_name}",
                type=info.topic_type,
                reliability=info.qos_profile.reliability.name.lower(),
                durability=info.qos_profile.durability.name.lower(),
            )
            for info in infos
        ]
        return tuple(end for end in found if end.node != self._own)


def _say(**values: object) -> None:
    print(json.dumps(values), flush=True)


def _listen(survey: RobotSurvey, executor: SingleThreadedExecutor, seconds: float) -> None:
    """Look and listen until the time is up; it counts once the robot's topics are known."""
    started_s = changed_s = time.monotonic()
    begun_s: float | None = None
    looked_s, heard = 0.0, 0
    while True:
        now_s = time.monotonic()
        patient = now_s - started_s < _DISCOVERY_S
        if now_s - looked_s >= _LOOK_S:
            looked_s = now_s
            survey.look()
            if survey.heard != heard:
                heard, changed_s = survey.heard, now_s
            if begun_s is None and heard and (now_s - changed_s >= _QUIET_S or not patient):
                begun_s = now_s
            _say(done=0.0 if begun_s is None else now_s - begun_s, topics=heard)
        if (begun_s is None and not patient) or (begun_s is not None and now_s - begun_s >= seconds):
            break
        executor.spin_once(timeout_sec=0.02)
    deadline_s = time.monotonic() + _NAMES_S
    while not survey.names_known() and time.monotonic() < deadline_s:
        executor.spin_once(timeout_sec=0.02)


def _arguments(args: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="robot_survey", description="Measure a running robot's topics.")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long to listen")
    parser.add_argument("--contract", help="listen to this contract's topics only (YAML)")
    parser.add_argument("--only", nargs="*", default=[], help="listen to these topics only")
    return parser.parse_args(args)


def main(args: Sequence[str] | None = None) -> int:
    """Survey, and print; 0, or the exit code of the error that is printed on stderr."""
    prepare_environment()
    options = _arguments(args)
    node: Node | None = None
    executor: SingleThreadedExecutor | None = None
    try:
        wanted = contract_sources(load_contract(options.contract)) if options.contract else None
        rclpy.init(args=["robot_survey"])
        # Its own name, however many look at once; with an underscore, as hidden nodes have.
        node = Node(f"_understudy_survey_{os.getpid()}", start_parameter_services=False, enable_rosout=False)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        survey = RobotSurvey(node, wanted, options.only)
        _listen(survey, executor, options.seconds)
        network = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "").upper() != "LOCALHOST"
        report = survey.report(node.context.get_domain_id(), options.seconds, network=network)
        print(survey_to_json(report), flush=True)
    except UnderstudyError as error:
        print(error, file=sys.stderr, flush=True)
        return error.exit_code
    except (KeyboardInterrupt, ExternalShutdownException):
        return 130
    finally:
        if executor is not None:
            executor.shutdown(timeout_sec=0)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
