"""Reads one ``channel``: topic, type, QoS, and what becomes of its messages."""

from __future__ import annotations

import difflib
import re
from collections.abc import MutableMapping
from typing import cast

from models.contract.messages import IMAGE_TYPES, known_packages, known_types
from models.contract.model import IMAGE_PREFIX, Channel, Qos, Safety
from models.contract.problems import nearest, one_of
from models.contract.reader import Reader
from models.contract.yaml_tree import Node

__all__ = ["COMMAND_KEYS", "TopicTypes", "read_channel", "read_topic", "same_topic"]

TopicTypes = MutableMapping[str, tuple[str, str]]
"""Topics of the contract so far, each with its type and the path where it was first named."""

_CHANNEL_KEYS = ("topic", "type", "qos", "dtype", "decoder")
COMMAND_KEYS = (*_CHANNEL_KEYS, "encoder", "safety")
_QOS_CHOICES = {
    "reliability": ("reliable", "best_effort", "system_default", "best_available"),
    "durability": ("volatile", "transient_local", "system_default", "best_available"),
    "history": ("keep_last", "keep_all", "system_default"),
    "liveliness": ("automatic", "manual_by_topic", "system_default", "best_available"),
}
_DTYPES = ("float32", "float64", "int32", "int64", "bool", "string", "video")

_SENSOR_DATA = Qos(reliability="best_effort")
"""Of an observation that says nothing else. REP-2003 has sensor data subscribed to best effort, which hears every
publisher, reliable or not; a reliable subscription hears nothing from a driver that offers best effort."""
_COMMAND = Qos()
"""Of a command: reliable, as a plain rclpy publisher offers it, for each one counts."""

_TOPIC = re.compile(r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)
_OWN_TOPICS = ("/episode", "/gate/decision", "/diagnostics", "/recorder/ack")
"""What Understudy's nodes say themselves; a robot commanded there would be commanded by words."""
_TYPE = re.compile(r"([a-z][a-z0-9_]*)/(?:(msg)/)?([A-Za-z]\w*)", re.ASCII)
_CODEC = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*", re.ASCII)

_SAME_PACKAGE = 0.85
"""Likeness above which a foreign package's name is taken for a slip of the finger: sensr_msgs, not my_msgs."""

_ONLY_ACTIONS = {
    "safety": "only an action can have 'safety': nothing is published to an observation's topic",
    "encoder": "only an action can have an 'encoder': nothing is published to an observation's topic",
}


def read_channel(reader: Reader, node: Node, types: TopicTypes, *, is_image: bool, actions: bool) -> Channel:
    """The channel of an observation or of an action; notes its topic's type in ``types``."""
    allowed = COMMAND_KEYS if actions else _CHANNEL_KEYS
    fields = reader.mapping(node, allowed, ("topic", "type"), None if actions else _ONLY_ACTIONS)
    topic = read_topic(reader, fields.get("topic"))
    if actions and f"/{topic.lstrip('/')}" in _OWN_TOPICS:
        reader.wrong(fields["topic"], "Understudy's own nodes publish here", "the topic that the robot listens to")
    message_type = _read_type(reader, fields.get("type"), custom="decoder" in fields or "encoder" in fields)
    if topic and message_type:
        first, where = types.setdefault(topic, (message_type, fields["type"].path))
        if first != message_type:
            message = f"topic {topic} has another type already"
            reader.wrong(fields["type"], message, f"{first}, as under {where}", "one topic carries one type")
    decoder = _read_codec(reader, fields.get("decoder"))
    if message_type and not decoder:
        if is_image and message_type in known_types() and message_type not in IMAGE_TYPES:
            reader.wrong(
                fields["type"], "no image message", f"one of {', '.join(sorted(IMAGE_TYPES))} under an image key"
            )
        if not is_image and message_type in IMAGE_TYPES:
            fix = "an action cannot be an image" if actions else f"rename the key to {IMAGE_PREFIX}…"
            reader.wrong(fields["type"], "an image under a key that is no image's", "a message of numbers", fix)
    return Channel(
        topic=topic,
        type=message_type,
        qos=_read_qos(reader, fields.get("qos"), _COMMAND if actions else _SENSOR_DATA),
        dtype=_read_dtype(reader, fields.get("dtype"), is_image, actions),
        decoder=decoder,
        encoder=_read_codec(reader, fields.get("encoder")),
        safety=cast(Safety, reader.choice(fields.get("safety"), ("none", "hold", "zeros"), "none")),
    )


def read_topic(reader: Reader, node: Node | None) -> str:
    """A ROS topic name; not a private one (``~/odom``), which each node would look for under its own name."""
    topic = reader.text(node, "a topic name such as /joint_states")
    if topic.startswith("~") and node is not None:
        reader.wrong(node, "a private name, which is another topic in every node", "a whole one: /driver/odom")
    elif topic and node is not None and (not _TOPIC.fullmatch(topic) or "__" in topic):
        rule = "letters, digits and single underscores between slashes, no token starting with a digit"
        reader.wrong(node, "not a valid ROS topic name", rule)
    return topic


def same_topic(topic: str) -> str:
    """One spelling for each topic: our nodes are in no namespace, where ``cmd_vel`` is ``/cmd_vel``."""
    return topic if topic.startswith(("/", "~")) else f"/{topic}"


def _read_qos(reader: Reader, node: Node | None, default: Qos) -> Qos:
    """Quality of service; each policy that is not named is that of ``default``."""
    if node is None or node.value is None:
        return default
    fields = reader.mapping(node, (*_QOS_CHOICES, "depth"))
    words = {
        key: reader.choice(fields.get(key), options, getattr(default, key)) for key, options in _QOS_CHOICES.items()
    }
    depth = reader.integer(fields.get("depth"), 1 if words["history"] == "keep_last" else 0, 1_000_000, default.depth)
    return Qos(words["reliability"], words["durability"], words["history"], depth, words["liveliness"])


def _read_type(reader: Reader, node: Node | None, *, custom: bool) -> str:
    name = reader.text(node, "a message type such as sensor_msgs/msg/Image")
    if not name or node is None:
        return ""
    match = _TYPE.fullmatch(name)
    if match is None:
        expected = "package/msg/Name, such as sensor_msgs/msg/Image"
        reader.wrong(node, "not a message type", expected, nearest(name, known_types()))
        return ""
    package, short = match[1], match[3]
    full = f"{package}/msg/{short}"
    if full in known_types() or custom:
        return full
    if package in known_packages():
        same_package = [known for known in known_types() if known.startswith(f"{package}/")]
        reader.wrong(node, f"{package} has no such message", "a message of ROS 2 Jazzy", nearest(full, same_package))
        return ""
    for close in difflib.get_close_matches(package, known_packages(), n=1, cutoff=_SAME_PACKAGE):
        if f"{close}/msg/{short}" in known_types():
            fix = f"did you mean '{close}/msg/{short}'?"
            reader.wrong(node, f"no known package {package!r}", "a package of ROS 2, or of your own", fix)
            return ""
    return full


def _read_dtype(reader: Reader, node: Node | None, is_image: bool, actions: bool) -> str | None:
    if node is None or node.value is None:
        return None
    dtype = reader.choice(node, _DTYPES, "video" if is_image else "float64")
    if is_image != (dtype == "video"):
        reader.wrong(
            node, "'video' is the dtype of images, and of nothing else", "leave the key out, or match the stream"
        )
    if actions and dtype == "string":
        reader.wrong(node, "an action is a vector of numbers", one_of(_DTYPES[:5]))
    return dtype


def _read_codec(reader: Reader, node: Node | None) -> str | None:
    """The reference as text. It is never imported here: whoever hands over a contract must not run code by it."""
    if node is None or node.value is None or node.value == "":
        return None
    reference = reader.text(node, "module:function")
    if reference and not _CODEC.fullmatch(reference):
        reader.wrong(node, "not a reference to a function", "module:function, such as my_robot.codecs:decode_battery")
    return reference or None
