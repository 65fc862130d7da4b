"""Reads what Understudy adds to the vocabulary: ``limits``, ``memory`` and ``gate``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import numpy as np

from models.contract.channels import read_topic, same_topic
from models.contract.contract import action_names
from models.contract.messages import field_unit
from models.contract.model import DimensionLimits, GateSpec, HaltStop, Memory, Source, Stream
from models.contract.problems import nearest, one_of
from models.contract.quantities import mixed_up
from models.contract.reader import Reader
from models.contract.units import UNIT_NAMES, Unit, parse_unit, rate_unit
from models.contract.yaml_tree import Node

__all__ = ["GATE_KEYS", "MEMORY_KEYS", "halt_stop", "read_gate", "read_limits", "read_memory"]

_LIMIT_KEYS = ("min", "max", "rate", "unit", "stop")
MEMORY_KEYS = ("frames", "stride", "recurrent", "reset_gap")
_POSITIONS = {"m", "rad"}
_LARGEST = 1e9
"""No robot's limit in SI units; it keeps every value and its inverse well inside float32."""


def read_limits(
    reader: Reader, section: Node, actions: tuple[Stream, ...], stop: HaltStop = "limits"
) -> tuple[DimensionLimits, ...]:
    """One entry for each action dimension, in the order of the action vector; ``stop`` is the gate's ``halt.stop``."""
    streams = {stream.key: stream for stream in actions}
    labels = iter(action_names(actions))
    given = reader.entries(section, "action keys to their limits")
    for key, wrong in given.items():
        if key not in streams:
            reader.wrong(wrong, "no such action", one_of(streams), nearest(key, streams), found=repr(key))
    result: list[DimensionLimits] = []
    for stream in actions:
        node = given.get(stream.key)
        if node is None:
            reader.wrong(
                section,
                f"no limits for {stream.key!r}",
                "limits for every action, or none at all",
                found=", ".join(given),
            )
            continue
        dimensions = reader.mapping(node, stream.names, stream.names)
        sources = [source for source in stream.sources for _ in source.names]
        paths = [path for source in stream.sources for path in source.names]
        for name, path, source in zip(stream.names, paths, sources, strict=True):
            label = next(labels)
            if name in dimensions:
                possible = field_unit(source.channel.type, path)
                result.append(_read_dimension(reader, dimensions[name], label, possible, stop))
    return tuple(result)


def _read_dimension(
    reader: Reader, node: Node, name: str, possible: tuple[str, ...], halt_stop: HaltStop
) -> DimensionLimits:
    fields = reader.mapping(node, _LIMIT_KEYS, ("min", "max", "rate"))
    unit = _read_unit(reader, fields, possible)
    units = (unit,) if unit else possible
    low = reader.number(fields.get("min"), units, -math.inf, minimum=-_LARGEST, maximum=_LARGEST)
    high = reader.number(fields.get("max"), units, math.inf, minimum=-_LARGEST, maximum=_LARGEST)
    # In float32, as the gate compares them.
    if not np.float32(low) < np.float32(high) and "min" in fields and "max" in fields:
        reader.wrong(node, "the minimum is not below the maximum", "min < max", found=f"min {low:g}, max {high:g}")
        low, high = -math.inf, math.inf
    rates = tuple(rate_unit(one) for one in units)
    rate = reader.number(fields.get("rate"), rates, 1.0, minimum=1 / _LARGEST, maximum=_LARGEST)
    is_position = bool(_POSITIONS & {*units})
    if is_position and halt_stop == "limits" and "stop" not in fields:
        reader.wrong(
            node,
            "a position needs an explicit 'stop'",
            "stop: the position to go to on a halt, or 'halt: {stop: hold}' under 'gate' to stay where it is",
            "zero is a pose like any other, and rarely a safe one",
            found="no 'stop'",
        )
    elif halt_stop == "hold" and not units and "unit" not in fields:
        reader.wrong(
            node,
            "'halt: {stop: hold}' has to know whether this is a position",
            "unit: rad or m for a position, otherwise the unit that it has",
            "a position is held on a halt; a speed that is held drives on",
            found="no 'unit'",
        )
    stop = reader.number(fields.get("stop"), units, min(max(0.0, low), high), minimum=low, maximum=high)
    return DimensionLimits(name, low, high, rate, unit, stop, is_position)


def _read_unit(reader: Reader, fields: dict[str, Node], possible: tuple[str, ...]) -> str:
    """The SI unit on the wire: declared, or fixed by the message, or taken from a quantity; empty if nobody says."""
    declared = fields.get("unit")
    wanted = " or ".join(possible) or "an SI unit"
    if declared is not None:
        text = "1" if declared.value == 1 and declared.value is not True else reader.text(declared, wanted)
        unit = parse_unit(text)
        if text and unit is None:
            reader.wrong(declared, "unknown unit", wanted, nearest(text, possible or UNIT_NAMES))
        elif unit is not None and possible and not _fits(unit, possible):
            fix = " or ".join(f"'unit: {name}'" for name in possible)
            message = f"not the unit of this field: {mixed_up(text, unit, possible)}"
            reader.wrong(declared, message, wanted, f"write {fix}")
        elif unit is not None and not unit.is_si:
            fix = f"write 'unit: {unit.symbol}', and the unit beside the numbers: {_beside_the_numbers(fields, text)}"
            reader.wrong(declared, "not an SI unit, and the wire is in SI", unit.symbol, fix)
        elif unit is not None:
            return unit.symbol
        return possible[0] if possible else ""
    if len(possible) == 1:
        return possible[0]
    written = [unit for key in ("min", "max", "stop") if key in fields and (unit := reader.unit_of(fields[key]))]
    fitting = [unit for unit in written if not possible or _fits(unit, possible)]
    return fitting[0].symbol if fitting else ""


def _beside_the_numbers(fields: dict[str, Node], unit: str) -> str:
    """The numbers of the file with the unit that was meant for all of them."""
    units = {"min": unit, "max": unit, "rate": f"{unit}/s", "stop": unit}
    written = []
    for key, one in units.items():
        value = fields[key].value if key in fields else None
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value:
            written.append(f"{key}: {value} {one}")
    return ", ".join(written) or f"max: 90 {unit}"


def _fits(unit: Unit, possible: tuple[str, ...]) -> bool:
    return any((known := parse_unit(name)) is not None and known.powers == unit.powers for name in possible)


def read_memory(reader: Reader, section: Node) -> Memory:
    """How much of the past a policy sees."""
    fields = reader.mapping(section, MEMORY_KEYS)
    default = Memory()
    return Memory(
        frames=reader.integer(fields.get("frames"), 1, 256, default.frames),
        stride=reader.integer(fields.get("stride"), 1, 256, default.stride),
        recurrent=reader.boolean(fields.get("recurrent"), default.recurrent),
        reset_gap_s=reader.duration(fields.get("reset_gap"), default.reset_gap_s),
    )


_HALT_STOPS = ("limits", "zeros", "hold")


def halt_stop(gate: Node | None) -> HaltStop:
    """What ``gate.halt.stop`` says, for whoever has to know it first; problems are :func:`read_gate`'s to report."""
    node = gate
    for key in ("halt", "stop"):
        node = node.value.get(key) if node is not None and isinstance(node.value, Mapping) else None
    text = node.value.strip().lower() if node is not None and isinstance(node.value, str) else ""
    return cast(HaltStop, text) if text in _HALT_STOPS else "limits"


GATE_KEYS = (
    "expert",
    "proposal",
    "threshold",
    "hysteresis",
    "dwell",
    "halt",
    "sync_tolerance",
    "frozen_after",
    "limited_after",
)


def read_gate(reader: Reader, section: Node, actions: tuple[Source, ...]) -> GateSpec:
    """When the policy may drive; ``actions`` are the command channels, which nobody but the gate may publish."""
    fields = reader.mapping(section, GATE_KEYS)
    default = GateSpec()
    experts, expert_age = _read_expert(reader, fields.get("expert"), actions, default)
    proposal_topic, proposal_age = default.proposal_topic, default.proposal_max_age_s
    if "proposal" in fields:
        proposal = reader.mapping(fields["proposal"], ("topic", "max_age"))
        if "topic" in proposal:
            proposal_topic = _not_a_command(reader, proposal["topic"], actions)
        proposal_age = reader.duration(proposal.get("max_age"), proposal_age)
    if proposal_topic.lstrip("/") in {expert.lstrip("/") for expert in experts}:
        node = fields.get("proposal", section)
        reader.wrong(node, "the policy's proposals have the expert's topic", "a topic of its own for each")
    threshold = reader.number(fields.get("threshold"), ("1",), default.unsafe_threshold, above=0.0, maximum=1.0)
    hysteresis = reader.number(fields.get("hysteresis"), ("1",), min(default.hysteresis, threshold / 2), minimum=0.0)
    if hysteresis >= threshold:
        node = fields.get("hysteresis", section)
        reader.wrong(node, "control could never come back", f"less than the threshold, {threshold:g}")
    halt = reader.mapping(fields["halt"], ("ramp", "stop")) if "halt" in fields else {}
    return GateSpec(
        expert_topic=experts[0] if experts else "",
        expert_max_age_s=expert_age,
        proposal_topic=proposal_topic,
        proposal_max_age_s=proposal_age,
        unsafe_threshold=threshold,
        hysteresis=hysteresis,
        dwell_s=reader.duration(fields.get("dwell"), default.dwell_s, zero=True),
        halt_ramp_s=reader.duration(halt.get("ramp"), default.halt_ramp_s),
        halt_stop=cast(HaltStop, reader.choice(halt.get("stop"), _HALT_STOPS, default.halt_stop)),
        sync_tolerance_s=reader.duration(fields.get("sync_tolerance"), default.sync_tolerance_s),
        frozen_after_ticks=reader.integer(fields.get("frozen_after"), 0, 100_000, default.frozen_after_ticks),
        limited_after_ticks=reader.integer(fields.get("limited_after"), 0, 100_000, default.limited_after_ticks),
        split_expert_topics=experts[1:],
    )


def _read_expert(
    reader: Reader, node: Node | None, actions: tuple[Source, ...], default: GateSpec
) -> tuple[tuple[str, ...], float]:
    if node is None:
        return default.expert_topics, default.expert_max_age_s
    fields = reader.mapping(node, ("topic", "max_age"), ("topic",))
    topics: tuple[str, ...] = ()
    topic = fields.get("topic")
    if topic is not None:
        parts = topic.value if isinstance(topic.value, tuple) else (topic,)
        topics = tuple(_not_a_command(reader, part, actions) for part in parts)
        if actions and len(topics) != len(actions):
            commands = ", ".join(source.channel.topic for source in actions)
            reader.wrong(topic, "one expert topic for each command channel", f"{len(actions)}, for {commands}")
        elif len(set(map(same_topic, topics))) < len(topics):
            reader.wrong(topic, "one expert topic stands twice", "each topic once")
    return topics, reader.duration(fields.get("max_age"), default.expert_max_age_s)


def _not_a_command(reader: Reader, node: Node, actions: tuple[Source, ...]) -> str:
    topic = read_topic(reader, node)
    if topic and same_topic(topic) in {same_topic(source.channel.topic) for source in actions}:
        reader.wrong(node, "this is the command topic itself, which only the gate publishes", "a topic of its own")
    return topic
