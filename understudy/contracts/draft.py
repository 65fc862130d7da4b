"""Writes a contract from what was measured on a running robot: plain data in, commented YAML out. Pure.

Every measured fact stands as a comment beside the key that it led to. What cannot be measured (how fast the robot may
go) is a small placeholder marked ``CHANGE ME``; ``understudy contract check`` names those that are left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from il_nodes.survey.report import SurveyReport, TopicReport
from models.contract import Align, Channel, Source
from models.contract.messages import has_header
from models.contract.model import stream_names
from understudy.contracts.roles import Roles, assign_roles
from understudy.contracts.values import (
    choose_fps,
    choose_select,
    command_limits,
    command_select,
    max_age_s,
    on_robot_clock,
    proposed_size,
    sync_tolerance_s,
)
from understudy.contracts.words import (
    CHANGE_ME,
    limit_words,
    measured,
    milliseconds,
    one_line,
    placeholders,
    scalar,
    select_words,
    stamp_words,
)

__all__ = ["CHANGE_ME", "Draft", "draft_contract"]

#: Parts of a camera's topic that say nothing of which camera it is.
_NO_CAMERA_NAME = frozenset(
    {"image", "raw", "image_raw", "image_rect", "image_rect_color", "color", "rgb", "compressed"}
)
_FROZEN_TICKS = 10


@dataclass(frozen=True)
class Draft:
    """A contract's text, and what a person should read first.

    Attributes:
        text: the YAML.
        placeholders: values that are marked ``CHANGE ME``.
        unused: topics that play no part, each with the reason.
    """

    text: str
    placeholders: int
    unused: tuple[tuple[str, str], ...]


def draft_contract(
    report: SurveyReport,
    *,
    robot_type: str = "my_robot",
    fps: float | None = None,
    observe: Sequence[str] = (),
    actions: Sequence[str] = (),
) -> Draft:
    """A contract of the robot that was surveyed.

    Args:
        report: what was found.
        robot_type: its name.
        fps: ticks per second; by default what the slowest sensible stream can feed.
        observe: exactly these topics as senses; empty: all that look like ones.
        actions: exactly these topics as commands; empty: the one that looks most like it.

    Raises:
        DeploymentError: the robot has nothing to observe or to command.
    """
    roles = assign_roles(report, observe, actions)
    writer = _Writer(report, roles, robot_type, fps)
    text = "\n".join(writer.lines()) + "\n"
    return Draft(text, len(placeholders(text)), roles.unused)


class _Writer:
    """The sections, in the order of the file."""

    def __init__(self, report: SurveyReport, roles: Roles, robot_type: str, fps: float | None) -> None:
        self._report, self._roles, self._robot_type = report, roles, robot_type
        self._senses = (*roles.cameras, *roles.senses)
        chosen_fps, self._slowest = choose_fps(self._senses)
        self._fps, self._fps_given = (chosen_fps, False) if fps is None else (fps, True)
        # The slowest camera has a new frame for every tick; so has the first of the other senses.
        cameras = sorted(roles.cameras, key=lambda topic: round(topic.own_rate_hz))
        self._trigger = cameras[0] if cameras else roles.senses[0]
        self._camera_keys = _camera_keys([topic.topic for topic in roles.cameras])
        self._commands = [(one, *command_select(one, self._senses)) for one in roles.commands]
        self._limits = [command_limits(one, select, self._senses) for one, select, _ in self._commands]

    def lines(self) -> Iterator[str]:
        """The file's lines."""
        yield from self._preface()
        yield f"robot_type: {scalar(self._robot_type)}"
        yield "robot_interface: ros2"
        slowest, rate = self._slowest.topic, self._slowest.own_rate_hz
        why = "as asked for" if self._fps_given else "what it can feed"
        yield f"fps: {self._fps:g}  # measured: {slowest} is the slowest stream, {rate:.1f} Hz; {why}"
        yield ""
        yield "observations:"
        yield from self._observations()
        yield ""
        yield "actions:"
        yield from self._actions()
        yield ""
        yield from self._limit_lines()
        yield ""
        yield "# Ticks of the past that the policy sees; three, one apart, would show how fast things move."
        yield "memory: {frames: 1, stride: 1}"
        yield ""
        yield f"trigger: {self._key(self._trigger)}  # its sample starts a tick"
        yield ""
        yield from self._gate()
        yield from self._unused()

    def _preface(self) -> Iterator[str]:
        report = self._report
        yield f"# Drafted by `understudy contract draft`: {report.seconds:g} s of ROS domain {report.domain},"
        yield f"# {len(report.topics)} topics. What was measured stands behind the key that it led to; what is marked"
        yield f"# {CHANGE_ME} only you can know. Every key is explained in docs/contract.md."
        yield "#"
        yield "#   understudy contract check FILE      what it means, and what is still to be changed"
        yield "#   understudy doctor --contract FILE   whether the robot's streams are as it says"
        yield "#"
        yield "# A policy meets this robot in a dry run first (the gate's enable_control: false): it decides and"
        yield "# reports, and commands nothing."
        if report.simulated_time:
            yield "#"
            yield "# measured: /clock is published, so the nodes need use_sim_time: true."
        yield ""

    # -- observations ---------------------------------------------------------------------------------------------

    def _key(self, topic: TopicReport) -> str:
        return self._camera_keys.get(topic.topic, "observation.state")

    def _observations(self) -> Iterator[str]:
        for topic in self._roles.cameras:
            yield f"  {self._key(topic)}:"
            yield from self._observed(topic, "    ", "    ")
        senses = self._roles.senses
        if senses:
            yield "  observation.state:"
        for topic in senses:
            first = "    - " if len(senses) > 1 else "    "
            yield from self._observed(topic, first, " " * len(first))

    def _observed(self, topic: TopicReport, first: str, indent: str) -> Iterator[str]:
        yield f"{first}channel:"
        yield f"{indent}  topic: {topic.topic}  # measured: {measured(topic)}"
        yield f"{indent}  type: {topic.type}"
        yield from _observed_qos(topic, f"{indent}  ")
        stamped = on_robot_clock(topic, self._report)
        timeline = "header" if stamped else "receive"
        why = stamp_words(topic, self._report, stamped)
        yield f"{indent}align: {{strategy: hold, timeline: {timeline}}}  # measured: {why}"
        if topic.image is not None:
            height, width = proposed_size(topic.image.height, topic.image.width)
            seen = f"{topic.image.width}x{topic.image.height}"
            note = "keeps that size" if (height, width) == (topic.image.height, topic.image.width) else "made smaller"
            yield f"{indent}apply: [resize: [{height}, {width}]]  # measured: {seen}; height, width: {note}"
        else:
            yield select_words(topic, choose_select(topic), indent)
        age = max_age_s(topic, self._trigger)
        every, jitter = milliseconds(topic.own_period_s), milliseconds(topic.jitter_s)
        yield f"{indent}max_age: {milliseconds(age)}  # measured: a sample every {every}, {jitter} jitter"

    # -- actions, limits ------------------------------------------------------------------------------------------

    def _actions(self) -> Iterator[str]:
        yield "  action:"
        for (topic, select, guess), expert in zip(self._commands, self._roles.experts, strict=True):
            first = "    - " if len(self._commands) > 1 else "    "
            indent = " " * len(first)
            listeners = ", ".join(end.node for end in topic.subscribers)
            heard = f"{listeners} listens" if listeners else "nobody listens: does the driver run?"
            yield f"{first}channel:"
            yield f"{indent}  topic: {topic.topic}  # measured: {heard}"
            others = ", ".join(dict.fromkeys(end.node for end in topic.publishers if not end.node.endswith("/gate")))
            if others:
                yield f"{indent}  # measured: {others} publishes here. Only the gate may: remap it to {expert}"
            yield f"{indent}  type: {topic.type}"
            if any(end.durability == "transient_local" for end in topic.subscribers):
                yield f"{indent}  qos: {{durability: transient_local}}  # measured: the driver asks for it"
            timeline = "header" if has_header(topic.type) else "receive"
            yield f"{indent}align: {{strategy: hold, timeline: {timeline}}}"
            note = f"  # {CHANGE_ME}: {guess}" if guess else ""
            yield f"{indent}select: [{', '.join(map(scalar, select))}]{note}"

    def _limit_lines(self) -> Iterator[str]:
        yield "# Nothing drives beyond these, neither policy nor expert. They are placeholders, and meant to be too"
        yield "# small: put in what your robot may do. `rate` is the largest change per second."
        yield "limits:"
        yield "  action:"
        # The labels as the contract will have them: two sources that share a path are told apart by their topics.
        align = Align("hold", "receive")
        sources = [Source(Channel(one.topic, one.type), align, select=select) for one, select, _ in self._commands]
        limits = [limit for limits in self._limits for limit in limits]
        for label, limit in zip(stream_names(sources), limits, strict=True):
            yield f"    {scalar(label)}: {limit_words(limit)}"

    def _gate(self) -> Iterator[str]:
        experts = self._roles.experts
        topics = experts[0] if len(experts) == 1 else f"[{', '.join(experts)}]"
        patience = max(0.15, 3.0 / self._fps)
        yield "# When the policy may drive, and how the robot stops; see docs/contract.md for the rest."
        yield "gate:"
        yield "  # What the person who teaches intends; the gate passes it on whenever the policy does not drive."
        yield f"  expert: {{topic: {topics}, max_age: {milliseconds(patience)}}}"
        yield f"  proposal: {{max_age: {milliseconds(patience)}}}"
        held = any(limit.stop is None for limits in self._limits for limit in limits)
        if held:
            yield "  halt: {ramp: 1 s, stop: hold}  # on a halt positions stay where they are"
        stamped = [topic for topic in self._senses if on_robot_clock(topic, self._report)]
        tolerance = sync_tolerance_s(stamped, self._trigger)
        apart = milliseconds(tolerance)
        yield f"  sync_tolerance: {apart}  # measured: the newest samples lie that far apart at most"
        still = [one for one in self._senses if one.still_s * self._fps >= _FROZEN_TICKS]
        if still:
            seen = ", ".join(f"{one.topic} for {one.still_s:.1f} s" for one in still)
            yield f"  # measured: unchanged {seen}"
            yield "  # A robot at rest looks so, and would count as frozen. If yours is never quite still, put back"
            yield f"  # {_FROZEN_TICKS} (ticks), which finds a sensor that hangs."
            yield "  frozen_after: 0"

    def _unused(self) -> Iterator[str]:
        if self._roles.unused:
            yield ""
            yield "# Topics that play no part here:"
        for topic, why in self._roles.unused:
            yield f"#   {one_line(topic)}: {one_line(why)}"


def _observed_qos(topic: TopicReport, indent: str) -> Iterator[str]:
    """Sensor data is heard best effort, which every publisher is heard with; asked for more only where all offer it."""
    if topic.publishers and all(end.reliability == "reliable" for end in topic.publishers):
        yield f"{indent}qos: {{reliability: reliable}}  # measured: offered, so that a recording loses nothing"


def _camera_keys(topics: Sequence[str]) -> dict[str, str]:
    """Topic → ``observation.images.<name>``; two cameras of one name get their whole topics for names."""
    names = {topic: _camera_name(topic) for topic in topics}
    counts = Counter(names.values())
    whole = {topic: topic.strip("/").replace("/", "_") for topic in topics}
    return {topic: f"observation.images.{name if counts[name] == 1 else whole[topic]}" for topic, name in names.items()}


def _camera_name(topic: str) -> str:
    """The part of the topic that says which camera it is: ``front`` of ``/camera/front/image_raw``."""
    parts = [part for part in topic.strip("/").split("/") if part.lower() not in _NO_CAMERA_NAME]
    return next((part for part in reversed(parts) if part.lower() not in ("camera", "cameras")), "camera")
