"""Doctor, a robot against its contract: every stream and every command, as they were heard for a few seconds.

Pure but for :func:`examine_robot`: what a survey found goes in, rows come out. A problem keeps a policy from driving,
or a recording from being whole; a warning makes either worse.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from il_nodes.survey.report import SurveyReport, TopicReport
from models.contract import Channel, Contract, DimensionLimits, Source, Stream
from models.contract.messages import has_header
from models.contract.problems import nearest
from models.errors import UnderstudyError
from understudy.console import Progress
from understudy.contracts.surveys import elsewhere, survey_robot, where
from understudy.doctor.diagnosis import OK, PROBLEM, WARNING, Diagnosis, Patient, Row
from understudy.doctor.machine import check_contract
from understudy.doctor.streams import judge_picture, judge_rate, judge_stamps, judge_together, judge_values

__all__ = ["examine_robot", "judge_robot"]

_ROBOT = "the robot"


def examine_robot(
    contract_path: Path, domain: int, seconds: float, *, network: bool = False, progress: Progress | None = None
) -> Diagnosis:
    """Load a contract, listen to its robot, and say what is wrong between the two.

    Args:
        contract_path: the contract.
        domain: of the robot.
        seconds: how long to listen.
        network: look on other machines too.
        progress: told how far it is.
    """
    from models.contract import load_contract

    first = check_contract(Patient(contract=contract_path))
    try:
        contract = load_contract(contract_path)
    except UnderstudyError:
        return Diagnosis(tuple(first))
    try:
        report = survey_robot(domain, seconds, network=network, contract=contract_path, progress=progress)
    except UnderstudyError as error:
        return Diagnosis((*first, Row(_ROBOT, "ROS 2", PROBLEM, f"{error.problem}: {error.found}", error.fix)))
    return Diagnosis((*first, *judge_robot(contract, report)))


def judge_robot(contract: Contract, report: SurveyReport) -> tuple[Row, ...]:
    """All rows, in the order of the contract."""
    if not any(topic.publishers or topic.subscribers for topic in report.topics):
        found = f"nobody is in {where(report)}"
        return (Row(_ROBOT, "nodes", PROBLEM, found, elsewhere(report)),)
    rows = [Row(_ROBOT, "nodes", OK, f"{len(report.nodes)} in {where(report)}")]
    if report.simulated_time:
        rows.append(Row(_ROBOT, "clock", OK, "/clock is published: Understudy's nodes need use_sim_time: true"))
    for stream in contract.observations:
        for source in stream.sources:
            rows += _observed(contract, stream, source, report)
    rows += judge_together(contract, report)
    limits = iter(contract.limits)
    for stream in contract.actions:
        for source in stream.sources:
            own = [limit for _, limit in zip(source.names, limits, strict=False)]
            rows += _commanded(stream, source, own, report)
    rows += _experts(contract, report)
    return tuple(rows)


def _observed(contract: Contract, stream: Stream, source: Source, report: SurveyReport) -> Iterator[Row]:
    """One source of an observation: heard, often enough, stamped right, whole."""
    group = f"{stream.key}: {source.channel.topic}"
    topic = report.topic(source.channel.topic)
    if topic is None or not topic.publishers:
        yield _unpublished(group, source.channel, report)
        return
    wrong = list(_wrong_publishers(group, source.channel, topic))
    yield from wrong
    if wrong:
        return
    sender = topic.publishers[0].node
    if not topic.count:
        mend = f"is the sensor connected and switched on? ask {sender}; or listen longer with --seconds"
        yield Row(group, "messages", PROBLEM, f"{sender} publishes it, but nothing came in {report.seconds:g} s", mend)
        return
    if topic.problem:
        mend = "correct the contract, or what the driver publishes"
        yield Row(group, "content", PROBLEM, topic.problem, mend)
    yield from judge_rate(group, contract, stream, source, topic)
    if source.align.timeline == "header":
        yield from judge_stamps(group, contract, source.max_age_s, topic, report)
    if stream.is_image:
        yield from judge_picture(group, stream, topic)
    yield from judge_values(group, source.names, (), topic)
    yield from _stillness(group, contract, topic)


def _unpublished(group: str, channel: Channel, report: SurveyReport) -> Row:
    published = [topic for topic in report.topics if topic.publishers]
    alike = [topic.topic for topic in published if topic.type == channel.type]
    hint = nearest(channel.topic, [topic.topic for topic in published])
    mend = hint or (f"of this type there is {', '.join(alike)}" if alike else elsewhere(report))
    return Row(group, "publisher", PROBLEM, "nobody publishes it", mend)


def _wrong_publishers(group: str, channel: Channel, topic: TopicReport, advice: str = "") -> Iterator[Row]:
    """Another type, or a quality of service that keeps its messages from arriving: nothing else can be said then."""
    other = [end for end in topic.publishers if end.type != channel.type]
    if other:
        found = f"{other[0].node} publishes {other[0].type}, the contract says {channel.type}"
        yield Row(group, "type", PROBLEM, found, "correct channel.type, or the topic")
        return
    for end in topic.publishers:
        for policy, offered, asked in (
            ("reliability", end.reliability, channel.qos.reliability),
            ("durability", end.durability, channel.qos.durability),
        ):
            if (offered, asked) in (("best_effort", "reliable"), ("volatile", "transient_local")):
                found = f"{end.node} offers {offered}, the contract asks for {asked}: nothing passes between them"
                mend = advice or f"write qos: {{{policy}: {offered}}} in the channel, or leave {policy} out"
                yield Row(group, "quality of service", PROBLEM, found, mend)


def _stillness(group: str, contract: Contract, topic: TopicReport) -> Iterator[Row]:
    ticks = contract.gate.frozen_after_ticks
    if ticks and topic.still_s >= ticks * contract.period_s:
        found = (
            f"it said the same for {topic.still_s:.1f} s; after {ticks} ticks the gate takes that for a frozen sensor"
        )
        yield Row(group, "changes", WARNING, found, "fine while the robot rests; if it moved, mend the sensor")


def _commanded(
    stream: Stream, source: Source, limits: Sequence[DimensionLimits], report: SurveyReport
) -> Iterator[Row]:
    """One command channel: somebody listens, and nobody but the gate speaks."""
    channel = source.channel
    group = f"{stream.key}: {channel.topic}"
    topic = report.topic(channel.topic) or TopicReport(channel.topic, ())
    others = sorted({end.node for end in topic.publishers if not end.node.endswith("/gate")})
    if others:
        mend = "have it publish the expert's topic (remap it): only the gate may publish commands, and it halts else"
        yield Row(group, "publishers", PROBLEM, f"{', '.join(others)} publishes commands", mend)
    elif topic.publishers:
        yield Row(group, "publishers", OK, "the gate, and nobody else")
    else:
        yield Row(group, "publishers", OK, "nobody; the gate will")
    yield from _listeners(group, channel, topic)
    yield from judge_values(group, source.names, limits, topic)


def _listeners(group: str, channel: Channel, topic: TopicReport) -> Iterator[Row]:
    right = [end for end in topic.subscribers if end.type == channel.type]
    wrong = [end for end in topic.subscribers if end.type != channel.type]
    if wrong:
        found = f"{wrong[0].node} expects {wrong[0].type}, the contract says {channel.type}"
        yield Row(group, "type", PROBLEM, found, "correct channel.type: what the driver expects is what counts")
    elif not right:
        yield Row(group, "listeners", PROBLEM, "nobody listens to it", "start the robot's driver, or correct the topic")
    else:
        yield Row(group, "listeners", OK, ", ".join(sorted({end.node for end in right})))
    for end in right:
        if (end.reliability, channel.qos.reliability) == ("reliable", "best_effort"):
            mend = "write qos: {reliability: reliable} in the channel"
            yield Row(group, "quality of service", PROBLEM, f"{end.node} asks for reliable commands", mend)
        if (end.durability, channel.qos.durability) == ("transient_local", "volatile"):
            mend = "write qos: {durability: transient_local} in the channel"
            yield Row(group, "quality of service", PROBLEM, f"{end.node} asks for latched commands", mend)


def _experts(contract: Contract, report: SurveyReport) -> Iterator[Row]:
    """The expert's commands: there may be nobody yet, but what comes has to be right."""
    limits = iter(contract.limits)
    for name, source in zip(contract.gate.expert_topics, contract.action_sources, strict=False):
        own = [limit for _, limit in zip(source.names, limits, strict=False)]
        group = f"expert: {name}"
        topic = report.topic(name)
        if topic is None or not topic.publishers:
            yield Row(group, "publisher", WARNING, "nobody publishes it", "start the teleop node, or another expert")
            continue
        # The expert's topics have the QoS of the commands, which is no place to give way: each one counts.
        wrong = list(_wrong_publishers(group, source.channel, topic, "have it offer what commands are heard with"))
        yield from wrong
        if wrong:
            continue
        if not topic.count:
            found = f"{topic.publishers[0].node} publishes it, but is silent"
            yield Row(group, "messages", WARNING, found, "a teleoperator speaks while its dead-man button is held")
            continue
        rate_hz = topic.rate_hz or 0.0
        slow = rate_hz < 1.0 / contract.gate.expert_max_age_s
        mend = f"the gate forgets a command after gate.expert.max_age ({contract.gate.expert_max_age_s:g} s)"
        yield Row(group, "messages", PROBLEM if slow else OK, f"{rate_hz:.1f} Hz", mend if slow else "")
        if has_header(source.channel.type):
            yield from judge_stamps(group, contract, contract.gate.expert_max_age_s, topic, report)
        yield from judge_values(group, source.names, own, topic)
