"""Which topics of a robot are its senses, which is its command, and why the others are neither. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from il_nodes.codecs import CODECS
from il_nodes.survey.report import SurveyReport, TopicReport
from models.contract.messages import IMAGE_TYPES
from models.contract.problems import nearest
from models.errors import DeploymentError
from understudy.contracts.surveys import elsewhere, where

__all__ = ["COMMAND_TYPES", "Roles", "assign_roles"]

_TWISTS = ("geometry_msgs/msg/Twist", "geometry_msgs/msg/TwistStamped")
_TRAJECTORY, _JOY = "trajectory_msgs/msg/JointTrajectory", "sensor_msgs/msg/Joy"
#: Types of messages that drivers take as commands, and that a codec can write.
COMMAND_TYPES = frozenset(
    {*_TWISTS, _TRAJECTORY, "sensor_msgs/msg/JointState"}
    | {f"std_msgs/msg/{name}" for name in ("Float64MultiArray", "Float32MultiArray", "Float64", "Float32")}
)
_COMMAND_WORDS = frozenset(
    {"cmd", "command", "commands", "target", "goal", "desired", "setpoint", "reference", "ref", "control"}
)
_EXPERT_WORDS = frozenset({"expert", "teleop", "joy", "joystick", "key", "keyboard", "manual", "operator", "leader"})
#: Topics of every ROS graph, of which nobody expects to read here.
_MACHINERY = re.compile(r"/(rosout|parameter_events|clock|diagnostics)$|/transition_event$")
#: What Understudy's own nodes publish.
_OURS = re.compile(r"/(policy|gate|recorder|noise|label|observation)/|/episode$")
#: A stream below that is no sense to act on: a map, a battery, a status.
_SLOWEST_HZ = 1.0
#: Each raw camera costs a policy as much as all its other senses together.
MOST_CAMERAS = 4


@dataclass(frozen=True)
class Roles:
    """Who plays what.

    Attributes:
        cameras: topics that become image streams.
        senses: topics whose numbers become the state.
        commands: topics that the robot is driven by.
        experts: for each command the topic of the expert's intended command.
        unused: topic and type with the reason why it plays no part.
    """

    cameras: tuple[TopicReport, ...]
    senses: tuple[TopicReport, ...]
    commands: tuple[TopicReport, ...]
    experts: tuple[str, ...]
    unused: tuple[tuple[str, str], ...]


def assign_roles(report: SurveyReport, observe: Sequence[str] = (), actions: Sequence[str] = ()) -> Roles:
    """Choose streams and commands.

    Args:
        report: what was found.
        observe: take exactly these topics as senses, in this order; empty: all that look like ones.
        actions: take exactly these as commands; empty: the one that looks most like it.

    Raises:
        DeploymentError: there is nothing, or nothing of what is needed; the message says why, and what to do.
    """
    topics = [topic for topic in report.topics if not _MACHINERY.search(topic.topic)]
    if not any(topic.publishers or topic.subscribers for topic in topics):
        found = f"nodes {', '.join(report.nodes)}, but no topics" if report.nodes else "no node at all"
        raise DeploymentError(f"there is no robot in {where(report)}", found=found, fix=elsewhere(report))
    commands = _named(report, actions, "--actions") if actions else _guess_commands(topics)
    if not commands:
        raise _no_command(topics)
    taken = {topic.topic for topic in commands}
    reasons = {topic.topic: _why_no_sense(topic, report.seconds) for topic in topics}
    if observe:
        chosen = _named(report, observe, "--observe")
        _require_readable(chosen, reasons)
    else:
        chosen = [topic for topic in topics if topic.topic not in taken and not reasons[topic.topic]]
        chosen = _drop_copies(chosen, reasons)
    if not chosen:
        raise _no_sense(report, topics, reasons)
    taken |= {topic.topic for topic in chosen}
    if observe:
        reasons |= dict.fromkeys(reasons, "not asked for")
    unused = [(f"{one.topic} ({' or '.join(one.types)})", _why_unused(one, reasons)) for one in topics]
    return Roles(
        cameras=tuple(topic for topic in chosen if topic.type in IMAGE_TYPES),
        senses=tuple(sorted((one for one in chosen if one.type not in IMAGE_TYPES), key=_standing)),
        commands=tuple(commands),
        experts=_experts(commands, topics, taken),
        unused=tuple(line for one, line in zip(topics, unused, strict=True) if one.topic not in taken),
    )


def _words(topic: str) -> set[str]:
    return set(re.split(r"[/_]+", topic.lower()))


def _command_likeness(topic: TopicReport) -> int:
    """More than 0 for what looks like a command; a listening driver says most, then the name, then an unused seat."""
    words = _words(topic.topic)
    named = bool(words & _COMMAND_WORDS)
    if topic.type not in COMMAND_TYPES or len(topic.types) > 1 or _OURS.search(topic.topic):
        return 0
    # Twists and joint states are measured as often as commanded; a trajectory is always meant to be followed.
    if not (named or topic.type == _TRAJECTORY or (topic.subscribers and not topic.publishers)):
        return 0
    return 4 * bool(topic.subscribers) + 2 * named + (not topic.publishers) - 4 * bool(words & _EXPERT_WORDS)


def _guess_commands(topics: Sequence[TopicReport]) -> list[TopicReport]:
    """The best one only: two that are both right (an arm and a base) are a person's decision."""
    likely = [topic for topic in topics if _command_likeness(topic) > 0]
    return sorted(likely, key=lambda topic: (-_command_likeness(topic), len(topic.topic), topic.topic))[:1]


def _named(report: SurveyReport, names: Sequence[str], option: str) -> list[TopicReport]:
    """The topics that a person named, in that order."""
    found = []
    for name in dict.fromkeys(names):
        topic = report.topic(name if name.startswith("/") else f"/{name}")
        if topic is None or not (topic.publishers or topic.subscribers):
            known = [one.topic for one in report.topics if not _MACHINERY.search(one.topic)]
            fix = nearest(name, known) or elsewhere(report)
            raise DeploymentError(
                f"{option}: there is no topic {name} in {where(report)}", found=", ".join(known) or "nothing", fix=fix
            )
        if topic.type not in CODECS or len(topic.types) > 1:
            raise DeploymentError(
                f"{option}: {name} cannot be used",
                found=" and ".join(topic.types),
                expected=f"one of {', '.join(CODECS)}",
            )
        found.append(topic)
    return found


def _why_no_sense(topic: TopicReport, seconds: float) -> str:
    """Why nothing can be, or should be, observed there; empty if it is a sense."""
    if len(topic.types) > 1:
        return "two types on one topic"
    if topic.type not in CODECS:
        return "no codec for this type"
    if _OURS.search(topic.topic):
        return "Understudy's own"
    if topic.type == _JOY:
        return "an operator's joystick: the teleop node reads it"
    if not topic.publishers:
        return "nobody publishes it"
    if topic.type in COMMAND_TYPES and (_command_likeness(topic) > 0 or _words(topic.topic) & _EXPERT_WORDS):
        return "looks like a command, or like somebody who commands"
    if topic.problem:
        return topic.problem
    if not topic.count:
        return f"it has a publisher ({topic.publishers[0].node}), but no message came in {seconds:g} s"
    if topic.rate_hz is None or topic.own_rate_hz < _SLOWEST_HZ:
        return f"{topic.count} message{'' if topic.count == 1 else 's'} in {seconds:g} s: too slow to act on"
    if topic.values and all(value.minimum is None for value in topic.values):
        return "all its numbers are NaN"
    return ""


def _require_readable(chosen: Sequence[TopicReport], reasons: dict[str, str]) -> None:
    """A person may well want what looks slow, or like a command; but something has to have been read."""
    for topic in chosen:
        if not topic.count or topic.problem:
            raise DeploymentError(
                f"--observe: {topic.topic} cannot be drafted from",
                found=topic.problem or reasons[topic.topic] or "no message",
                fix="start what publishes it, or listen longer with --seconds",
            )


def _drop_copies(chosen: Sequence[TopicReport], reasons: dict[str, str]) -> list[TopicReport]:
    """One picture of each camera, and not more cameras than a policy can take."""
    names = {topic.topic for topic in chosen}
    kept: list[TopicReport] = []
    cameras = 0
    for topic in chosen:
        raw = topic.topic.removesuffix("/compressed")
        if raw != topic.topic and raw in names:
            reasons[topic.topic] = f"the same pictures as {raw}; --observe takes it instead"
            continue
        cameras += topic.type in IMAGE_TYPES
        if topic.type in IMAGE_TYPES and cameras > MOST_CAMERAS:
            reasons[topic.topic] = f"a camera more than {MOST_CAMERAS}; choose them with --observe"
            continue
        kept.append(topic)
    return kept


def _standing(topic: TopicReport) -> tuple[bool, str]:
    """Slow ones last: the first source of the state may have to start the ticks."""
    return topic.own_rate_hz < 5.0, topic.topic


def _experts(commands: Sequence[TopicReport], topics: Sequence[TopicReport], taken: set[str]) -> tuple[str, ...]:
    """Where a person's commands come in: a teleoperator that is there already, or a topic of its own."""
    found: list[str] = []
    for command in commands:
        there = [
            topic.topic
            for topic in topics
            if topic.type == command.type and topic.publishers and topic.topic not in {*taken, *found}
            if _words(topic.topic) & _EXPERT_WORDS
        ]
        found.append(min(there, key=len) if there else f"/expert{command.topic}")
    return tuple(found)


def _why_unused(topic: TopicReport, reasons: dict[str, str]) -> str:
    if _command_likeness(topic) > 0:
        return f"looks like a command too: --actions {topic.topic}"
    return reasons[topic.topic] or "not asked for"


def _no_command(topics: Sequence[TopicReport]) -> DeploymentError:
    heard = [f"{topic.topic} ({topic.type})" for topic in topics if topic.subscribers and not _OURS.search(topic.topic)]
    return DeploymentError(
        "no topic looks like the robot's command",
        found=f"somebody listens to {', '.join(heard)}" if heard else "nobody listens to anything",
        expected=f"a driver that subscribes to one of {', '.join(sorted(COMMAND_TYPES))}",
        fix="start the robot's driver, or name the topic: --actions /cmd_vel",
    )


def _no_sense(report: SurveyReport, topics: Sequence[TopicReport], reasons: dict[str, str]) -> DeploymentError:
    published = [f"{one.topic} ({one.type}): {reasons[one.topic]}" for one in topics if one.publishers]
    return DeploymentError(
        f"nothing can be observed in {where(report)}",
        found="\n            ".join(published) or "nobody publishes anything",
        expected="a camera, joint states, odometry, or another type that a codec reads",
        fix=elsewhere(report) if not published else "start the robot's sensors, or name a topic: --observe /odom",
    )
