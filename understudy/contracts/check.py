"""What ``understudy contract check FILE`` shows: a contract summarised as plain data, and what its author should know.

A contract that loads is valid; the warnings here are about what is legal and still likely to hurt on a robot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from models.contract import Contract, DimensionLimits, GateSpec, Memory, Source, Stream, rate_unit
from models.contract.messages import known_types
from understudy.contracts.words import placeholders

__all__ = ["ContractSummary", "SourceSummary", "StreamSummary", "describe"]

Role = Literal["observation", "action"]


@dataclass(frozen=True)
class SourceSummary:
    """One channel of a stream.

    Attributes:
        align: ``hold on header`` or ``asof on header within 10 ms``.
        apply: the operators as the contract writes them, without those that an action does not need.
        max_age_s: seconds, ``None`` for no limit.
    """

    topic: str
    type: str
    reliability: str
    align: str
    select: tuple[str, ...]
    apply: tuple[str, ...]
    kind: str
    max_age_s: float | None


@dataclass(frozen=True)
class StreamSummary:
    """One stream.

    Attributes:
        shape: of one sample: ``(dims,)``, or ``(64, 96, None)`` with ``None`` for what only the first frame can tell
            (channels come with the message's encoding).
        dtype: ``uint8`` or ``float32``.
        stacked: frames on the leading axis that a policy sees; 1 for actions.
        is_trigger: whether its sample starts a tick.
    """

    key: str
    role: Role
    shape: tuple[int | None, ...]
    dtype: str
    stacked: int
    names: tuple[str, ...]
    is_trigger: bool
    sources: tuple[SourceSummary, ...]


@dataclass(frozen=True)
class ContractSummary:
    """Everything that is worth printing about a contract.

    Attributes:
        limits: one for each action dimension; empty if the contract has none.
        deployable: whether it has what driving a robot takes (limits).
        warnings: complete sentences, most dangerous first.
    """

    robot_type: str
    fps: float
    period_s: float
    hash: str
    streams: tuple[StreamSummary, ...]
    limits: tuple[DimensionLimits, ...]
    memory: Memory
    gate: GateSpec
    unused_sections: tuple[str, ...]
    deployable: bool
    warnings: tuple[str, ...]


def describe(contract: Contract) -> ContractSummary:
    """Summarise a contract; pure, and it neither imports nor contacts anything that the contract names."""
    return ContractSummary(
        robot_type=contract.robot_type,
        fps=contract.fps,
        period_s=contract.period_s,
        hash=contract.hash,
        streams=tuple(
            _summarise(stream, role, contract)
            for role, streams in (("observation", contract.observations), ("action", contract.actions))
            for stream in streams
        ),
        limits=contract.limits,
        memory=contract.memory,
        gate=contract.gate,
        unused_sections=contract.unused_sections,
        deployable=bool(contract.limits),
        warnings=tuple(_warnings(contract)),
    )


def _summarise(stream: Stream, role: str, contract: Contract) -> StreamSummary:
    height, width = stream.image_size or (None, None)
    return StreamSummary(
        key=stream.key,
        role="action" if role == "action" else "observation",
        shape=(height, width, None) if stream.is_image else (len(stream.names),),
        dtype="uint8" if stream.is_image else "float32",
        stacked=contract.memory.frames if role == "observation" else 1,
        names=stream.names,
        is_trigger=role == "observation" and stream.key == contract.trigger,
        sources=tuple(_summarise_source(source) for source in stream.sources),
    )


def _summarise_source(source: Source) -> SourceSummary:
    align = f"{source.align.strategy} on {source.align.timeline}"
    if source.align.strategy == "asof":
        align += f" within {source.align.tolerance_ms:g} ms"
    return SourceSummary(
        topic=source.channel.topic,
        type=source.channel.type,
        reliability=source.channel.qos.reliability,
        align=align,
        select=source.select or (),
        apply=tuple(op.name if op.args is None else f"{op.name}: {op.args}" for op in source.apply),
        kind=source.kind,
        max_age_s=source.max_age_s,
    )


def _warnings(contract: Contract) -> Iterator[str]:
    yield from _placeholder_warnings(contract.text)
    if not contract.limits:
        yield "It has no limits: it can be recorded and trained with, but nothing drives a robot by it."
    if not contract.gate.expert_topic:
        yield "gate.expert names no topic: when the policy is unsure, the robot can only halt."
    yield from _limit_warnings(contract)
    commands = {source.channel.topic for source in contract.action_sources}
    for stream in contract.observations:
        yield from _observation_warnings(stream, commands)
    for stream in (*contract.observations, *contract.actions):
        for source in stream.sources:
            yield from _channel_warnings(stream, source)
    if contract.unused_sections:
        sections = ", ".join(contract.unused_sections)
        yield f"These sections are accepted and have no effect here: {sections}."


def _placeholder_warnings(text: str) -> Iterator[str]:
    """Values that ``understudy contract draft`` could not measure, and that nobody has looked at since."""
    for number, value in placeholders(text):
        yield f"line {number} is still a placeholder: {value}"


#: Units of what is still at 0 and moves otherwise; empty where none is declared.
_SPEEDS = ("m/s", "rad/s", "")


def _limit_warnings(contract: Contract) -> Iterator[str]:
    measured = {name for stream in contract.observations for name in stream.names}
    for limit, held in zip(contract.limits, contract.action_held, strict=False):
        if not limit.unit:
            yield f"limits of {limit.name}: no unit is declared, so its numbers are taken for SI units unchecked."
        if limit.stop and not limit.is_position and not held and limit.unit in _SPEEDS:
            yield (
                f"limits of {limit.name}: a halt leaves it at {limit.stop:g} {limit.unit}".rstrip()
                + ", so the robot creeps on; let its range hold 0, and stop there."
            )
        if limit.is_position and not held:
            yield (
                f"limits of {limit.name}: a halt moves this position to {limit.stop:g} {limit.unit or 'in SI units'}; "
                "'halt: {stop: hold}' under 'gate' keeps it where it is."
            )
        if held and limit.name not in measured:
            yield (
                f"limits of {limit.name}: no observation of that name measures it, so after a start the gate commands "
                "nothing before the expert does, and takes the expert's first command for where the robot is."
            )
        if held:
            continue
        ramp_s = max(abs(limit.maximum - limit.stop), abs(limit.minimum - limit.stop)) / limit.rate
        if ramp_s > contract.gate.halt_ramp_s:
            yield (
                f"limits of {limit.name}: at {limit.rate:g} {rate_unit(limit.unit)} a stop takes up to {ramp_s:.2f} s, "
                f"longer than gate.halt.ramp ({contract.gate.halt_ramp_s:g} s); the rate limit wins."
            )


def _observation_warnings(stream: Stream, commands: set[str]) -> Iterator[str]:
    if stream.is_image and stream.image_size is None:
        yield f"{stream.key}: no 'resize', so its size is known only when the first frame arrives."
    for source in stream.sources:
        topic = source.channel.topic
        if topic in commands:
            yield f"{stream.key}: it observes {topic}, which is a command; a policy learns to copy its last action."
        if source.align.strategy == "hold" and source.max_age_s is None:
            yield f"{stream.key}: {topic} is held without 'max_age', so a sensor that died goes unnoticed."
        if source.align.timeline == "receive":
            yield f"{stream.key}: {topic} is aligned by arrival, which a recording cannot repeat to the byte."
        if source.kind == "continuous" and _looks_like_quaternion(source.names):
            yield f"{stream.key}: {topic} selects x, y, z, w in a row; a rotation needs a source of kind quaternion."


def _channel_warnings(stream: Stream, source: Source) -> Iterator[str]:
    channel = source.channel
    for role, reference in (("decoder", channel.decoder), ("encoder", channel.encoder)):
        if reference:
            yield (
                f"{stream.key}: the {role} {reference!r} is not imported, for a contract is data and not code; "
                f"{channel.topic} needs a codec that is installed with Understudy."
            )
    if channel.type not in known_types():
        yield f"{stream.key}: {channel.type} is of no common ROS 2 package, so its fields were not checked."
    if channel.dtype == "string" or channel.type == "std_msgs/msg/String":
        yield f"{stream.key}: {channel.topic} carries text, which no policy here can observe."


def _looks_like_quaternion(names: tuple[str, ...]) -> bool:
    leaves = [name.rsplit(".", 1)[-1].lower() for name in names]
    return any(set(leaves[start : start + 4]) == set("xyzw") for start in range(len(leaves) - 3))
