"""Reads the sections ``observations`` and ``actions``: streams, their sources, alignment and selection."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import cast

from models.contract.apply import read_apply
from models.contract.channels import COMMAND_KEYS, TopicTypes, read_channel, same_topic
from models.contract.messages import LABEL_TYPES, SCALAR_TYPES, has_header, known_types, select_problem
from models.contract.model import IMAGE_PREFIX, Align, Channel, Source, Strategy, Stream, Timeline, stream_names
from models.contract.operators import wire_operators
from models.contract.problems import nearest, one_of
from models.contract.reader import Reader
from models.contract.yaml_tree import Node

__all__ = ["SOURCE_KEYS", "read_streams"]

SOURCE_KEYS = ("channel", "align", "select", "apply", "kind", "max_age")
_ALIGN_KEYS = ("strategy", "timeline", "tolerance_ms")
_ALIGN_ADDITIONS = {"strategy": "strategy: hold", "timeline": "timeline: header, or receive without a header"}
_LONGEST_MS = 86_400_000.0
_KIND_SIZES = {"continuous": 0, "quaternion": 4, "euler_rpy": 3, "axis_angle": 3, "rotation_6d": 6, "binary": 0}
"""Values that each kind has; 0 for any number of them."""

_BELONGS = {
    key: f"move it under {block!r}: {block}: {{{key}: …}}"
    for block, keys in (("channel", COMMAND_KEYS), ("align", _ALIGN_KEYS))
    for key in keys
}


def read_streams(reader: Reader, section: Node, types: TopicTypes, *, actions: bool) -> tuple[Stream, ...]:
    """Every stream of ``observations`` or ``actions``; ``types`` gathers the types of their topics."""
    streams = []
    commanded: dict[str, str] = {}
    for key, node in reader.entries(section, "stream keys to their channels").items():
        if key in SOURCE_KEYS:
            fix = "indent it by two spaces, under the stream that it belongs to"
            reader.wrong(node, "this key belongs into a stream", "stream keys", fix, found=repr(key))
            continue
        if actions and key.startswith(IMAGE_PREFIX):
            expected = f"a key without the prefix {IMAGE_PREFIX!r}"
            reader.wrong(node, "an action cannot be an image", expected, found=repr(key))
        parts = reader.items(node, "sources") if isinstance(node.value, tuple) else (node,)
        is_image = key.startswith(IMAGE_PREFIX)
        sources = tuple(_read_source(reader, part, types, is_image=is_image, actions=actions) for part in parts)
        if len(sources) > 1:
            _check_concatenation(reader, node, parts, sources, is_image)
        for part, source in zip(parts, sources, strict=True) if actions else ():
            _check_sole_commander(reader, part, source.channel.topic, commanded)
        streams.append(Stream(key, sources))
    return tuple(streams)


def _check_sole_commander(reader: Reader, part: Node, topic: str, commanded: dict[str, str]) -> None:
    """Each command is one message: of two on one topic, the second would take back what the first one set."""
    first = commanded.setdefault(same_topic(topic), part.path) if topic else part.path
    if first != part.path:
        reader.wrong(
            part,
            "another action commands this topic already, and each would overwrite the other",
            "one command topic for each part of the actions",
            f"select all of its fields under {first}",
            found=topic,
        )


def _check_concatenation(
    reader: Reader, node: Node, parts: tuple[Node, ...], sources: tuple[Source, ...], is_image: bool
) -> None:
    if is_image:
        topics = ", ".join(source.channel.topic for source in sources)
        reader.wrong(node, "images never share a key", "one source", "give each camera a key of its own", found=topics)
        return
    for part in parts:
        if isinstance(part.value, Mapping) and "select" not in part.value:
            message = "several sources under one key each need a 'select'"
            reader.wrong(part, message, "select: [field, …]", found="no 'select'")
    names = stream_names(sources)
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice and all(source.select for source in sources):
        message = "two sources select the same field of the same topic"
        reader.wrong(node, message, "each field once", found=", ".join(twice))


def _read_source(reader: Reader, node: Node, types: TopicTypes, *, is_image: bool, actions: bool) -> Source:
    fields = reader.mapping(node, SOURCE_KEYS, ("channel", "align"), _BELONGS, _additions(node))
    channel = Channel("", "")
    if "channel" in fields:
        channel = read_channel(reader, fields["channel"], types, is_image=is_image, actions=actions)
    align = _read_align(reader, fields["align"], channel.type) if "align" in fields else Align("hold", "receive")
    select = _read_select(reader, fields.get("select"), channel, is_image)
    if "channel" in fields and not is_image and (fields.get("select") is None or fields["select"].value is None):
        _check_select_absent(reader, node, channel)
    operators = read_apply(reader, fields.get("apply"), is_image=is_image, actions=actions)
    kind = reader.choice(fields.get("kind"), tuple(_KIND_SIZES), "continuous")
    size = _KIND_SIZES[kind]
    if size and len(select or ("",)) != size:
        found = f"{len(select)} selected" if select else "no 'select'"
        reader.wrong(fields["kind"], f"a {kind} has {size} values", f"a 'select' of {size} fields", found=found)
    max_age = fields.get("max_age")
    return Source(
        channel=channel,
        align=align,
        select=select,
        apply=wire_operators(operators) if actions else operators,
        kind=kind,
        max_age_s=reader.duration(max_age, 1.0) if max_age is not None else None,
    )


def _additions(node: Node) -> dict[str, str]:
    """What to write for a source's missing keys: an ``align`` that fits its message type."""
    channel = node.value.get("channel") if isinstance(node.value, Mapping) else None
    kind = channel.value.get("type") if channel is not None and isinstance(channel.value, Mapping) else None
    short = kind.value.strip().replace("/msg/", "/") if kind is not None and isinstance(kind.value, str) else ""
    timeline = "receive" if has_header(short.replace("/", "/msg/")) is False else "header"
    return {
        "align": f"align: {{strategy: hold, timeline: {timeline}}}",
        "channel": "channel: {topic: /camera/image_raw, type: sensor_msgs/msg/Image}",
    }


def _read_align(reader: Reader, node: Node, message_type: str) -> Align:
    fields = reader.mapping(node, _ALIGN_KEYS, ("strategy", "timeline"), None, _ALIGN_ADDITIONS)
    strategy = cast(Strategy, reader.choice(fields.get("strategy"), ("hold", "asof", "drop"), "hold"))
    timeline = cast(Timeline, reader.choice(fields.get("timeline"), ("header", "receive"), "receive"))
    if timeline == "header" and has_header(message_type) is False:
        reader.wrong(
            fields["timeline"],
            f"{message_type} carries no header, so it has no such timeline",
            "receive",
            "write 'timeline: receive', or publish the stamped variant of the message",
        )
    tolerance = fields.get("tolerance_ms")
    if strategy == "asof" and tolerance is None:
        reader.wrong(node, "'asof' needs 'tolerance_ms'", "tolerance_ms: milliseconds", found="no 'tolerance_ms'")
    elif tolerance is not None and strategy != "asof" and fields.get("strategy", node).value == strategy:
        reader.wrong(tolerance, f"'tolerance_ms' means nothing to {strategy!r}", "strategy: asof, or no 'tolerance_ms'")
    tolerance_ms = reader.number(tolerance, ("s",), 0.0, above=0.0, maximum=_LONGEST_MS, plain_unit="ms")
    return Align(strategy, timeline, tolerance_ms)


def _read_select(reader: Reader, node: Node | None, channel: Channel, is_image: bool) -> tuple[str, ...] | None:
    if node is None or node.value is None:
        return None
    if is_image:
        reader.wrong(node, "an image has no fields to select", "no 'select'", "leave the key out")
        return None
    custom = channel.decoder is not None or channel.encoder is not None
    paths: dict[str, None] = {}
    for item in reader.items(node, "field paths, such as [position.elbow]"):
        path = reader.text(item, "a field path such as position.elbow")
        if path in paths:
            reader.wrong(item, "selected twice", "each field once")
        problem = None if custom or not path else select_problem(channel.type, path)
        if problem is not None:
            message, options = problem
            close = nearest(path if any("." in option for option in options) else _bad_part(path, message), options)
            reader.wrong(item, message, one_of(options[:12]) if options else "a path to one number", close)
        paths.setdefault(path)
    if not custom and channel.type in SCALAR_TYPES and len(paths) > 1:
        reader.wrong(node, f"{channel.type} holds one value", "one label")
    return tuple(paths) or None


def _bad_part(path: str, message: str) -> str:
    """The part of a path that the message quotes last, which is the one to find a better name for."""
    quoted = re.findall(r"'([^']*)'", message)
    return quoted[-1] if quoted else path


def _check_select_absent(reader: Reader, node: Node, channel: Channel) -> None:
    if channel.decoder or channel.type in LABEL_TYPES or channel.type not in known_types():
        return
    message = f"{channel.type} holds many values, so 'select' has to name some"
    reader.wrong(node, message, "select: [field, …]", found="no 'select'")
