"""SROS2 policy of a robot: one enclave a node, and in each of them what the node says and hears, nothing else.

Everything follows from the robot contract. Whoever publishes a command topic moves the robot, so only the gate may;
whoever publishes ``/policy/proposal``, ``/gate/decision`` or ``/clock`` decides what the gate and the recordings
believe, so only their owners may.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from il_nodes.gate.measured_positions import MeasuredPositions
from il_nodes.observation.stacked_messages import stacked_topics
from il_nodes.recorder.topics import recorded_topics
from models.contract import Contract

__all__ = ["Enclave", "enclaves", "policy_xml"]

_PARAMETERS = (
    "describe_parameters",
    "get_parameter_types",
    "get_parameters",
    "get_type_description",
    "list_parameters",
    "set_parameters",
    "set_parameters_atomically",
)
_LIFECYCLE = (
    "change_state",
    "get_available_states",
    "get_available_transitions",
    "get_state",
    "get_transition_graph",
)
_TRACK = ("/track/centerline", "/track/left_edge", "/track/right_edge")
_RECORDER = tuple(f"/recorder/{name}" for name in ("start", "stop", "discard", "success", "failure"))
_GATE = ("/gate/enable_policy", "/gate/takeover")


@dataclass(frozen=True)
class Enclave:
    """What one node may do; everything else is denied. Names are whole, with the leading slash.

    Attributes:
        node: its name; the enclave is ``/<node>``.
        publish: topics.
        subscribe: topics; patterns (``/*``) in the operator's only.
        reply: services that it offers.
        request: services that it calls.
        note: who it is, for the reader of the file.
    """

    node: str
    publish: frozenset[str] = frozenset()
    subscribe: frozenset[str] = frozenset()
    reply: frozenset[str] = frozenset()
    request: frozenset[str] = frozenset()
    note: str = ""


def _enclave(
    node: str,
    note: str,
    *,
    publish: Iterable[str] = (),
    subscribe: Iterable[str] = (),
    reply: Iterable[str] = (),
    request: Iterable[str] = (),
) -> Enclave:
    """With what every node of ours does beside its own work."""
    own = [f"/{node}/{service}" for service in (*_PARAMETERS, *_LIFECYCLE)]
    return Enclave(
        node,
        frozenset({"/rosout", "/parameter_events", "/diagnostics", f"/{node}/transition_event", *publish}),
        frozenset({"/clock", *subscribe}),
        frozenset({*own, *reply}),
        frozenset(request),
        note,
    )


def _foreign(node: str, note: str, publish: Iterable[str], subscribe: Iterable[str]) -> Enclave:
    """A node that is not ours: no lifecycle, and rclcpp listens to parameter events."""
    return Enclave(
        node,
        frozenset({"/rosout", "/parameter_events", "/diagnostics", *publish}),
        frozenset({"/clock", "/parameter_events", *subscribe}),
        frozenset(f"/{node}/{service}" for service in _PARAMETERS),
        note=note,
    )


def enclaves(
    contract: Contract, *, sim: bool = True, recorded: Sequence[str] = (), leader: Sequence[str] = ()
) -> tuple[Enclave, ...]:
    """Every node's enclave, by name.

    Args:
        contract: the robot's.
        sim: with the simulated car and its expert; otherwise with an enclave for the robot's own drivers.
        recorded: parameter ``extra_topics`` of the recorder.
        leader: topics of a leader arm that the teleop node follows.
    """
    observed = _whole(topic for stream in contract.observations for topic in stream.topics)
    commanded = _whole(source.channel.topic for source in contract.action_sources)
    expert, [proposal] = _whole(contract.gate.expert_topics), _whole([contract.gate.proposal_topic])
    disturbed, labels = [f"/noise{topic}" for topic in expert], [f"/label{topic}" for topic in expert]
    [trigger] = _whole([contract.observation(contract.trigger).topics[0]])
    measured = _whole(MeasuredPositions(contract).channels)
    stacked = [topic.replace("~", "/observation", 1) for topic in stacked_topics(contract).values()]
    decided = ("/gate/decision", "/episode")
    ours = [
        _enclave(
            "gate",
            "the only one that commands the robot",
            publish=[*commanded, "/gate/decision"],
            subscribe=[*expert, *disturbed, proposal, *measured, "/episode"],
            reply=_GATE,
        ),
        _enclave(
            "policy",
            "proposes",
            publish=[proposal],
            subscribe=[*observed, *decided],
            reply=["/policy/reload"],
        ),
        _enclave(
            "recorder",
            "only watches",
            # A robot has nobody else who would announce the episodes that a person starts.
            publish=["/recorder/ack", *([] if sim else ["/episode"])],
            subscribe=_whole(recorded_topics(contract, recorded)),
            reply=_RECORDER,
        ),
        _enclave(
            "teleop",
            "a person, who may also take over, hand back, and record",
            publish=expert,
            subscribe=[*commanded, *measured, *decided, "/diagnostics", "/joy", *_whole(leader)],
            request=[*_GATE, *_RECORDER],
        ),
        _enclave(
            "noise", "disturbs demonstrations", publish=[*disturbed, "/noise/injected"], subscribe=[*expert, *decided]
        ),
        _enclave("labeller", "the expert's answers", publish=labels, subscribe=[*expert, trigger, *decided]),
        _enclave(
            "observation",
            "what a policy would see",
            publish=[*stacked, "/observation/reset"],
            subscribe=[*observed, "/episode"],
        ),
    ]
    theirs = _simulated(contract.robot_type, expert, commanded) if sim else [_robot(observed, commanded)]
    pad = _foreign("joy_node", "the gamepad's driver (ros2 run joy joy_node)", ["/joy"], ["/joy/set_feedback"])
    return tuple(sorted([*ours, *theirs, pad, _operator()], key=lambda enclave: enclave.node))


def _whole(topics: Iterable[str]) -> list[str]:
    """Names as nodes in the root namespace resolve them."""
    return [topic if topic.startswith("/") else f"/{topic}" for topic in topics]


@dataclass(frozen=True)
class _World:
    """A simulated robot: what it is called, publishes beside the episode, and tells its expert."""

    note: str
    publish: tuple[str, ...]
    told: tuple[str, ...]


_CAR = _World(
    "the simulated car",
    ("/odom", "/lane", *(f"/camera/{name}/image_raw" for name in ("front", "left", "right")), *_TRACK),
    ("/odom", "/track/centerline"),
)
_ARM = _World(
    "the simulated arm",
    (
        "/joint_states",
        "/tool/pose",
        "/sim/objects",
        "/sim/shapes",
        "/camera/overhead/image_raw",
        "/camera/wrist/image_raw",
    ),
    ("/joint_states", "/sim/objects", "/sim/shapes"),
)
#: By the contract's robot_type; a contract of one's own is tried on the car.
_WORLDS = {"understudy_arm": _ARM}


def _simulated(robot_type: str, expert: Sequence[str], commanded: Sequence[str]) -> list[Enclave]:
    world = _WORLDS.get(robot_type, _CAR)
    return [
        _enclave(
            "sim",
            world.note,
            publish=["/clock", "/episode", "/sim/status", *world.publish],
            subscribe=[*commanded, "/recorder/ack", "/diagnostics"],
            reply=["/sim/reset"],
        ),
        _enclave("expert", "drives it by program", publish=expert, subscribe=[*world.told, "/episode"]),
    ]


def _robot(observed: Sequence[str], commanded: Sequence[str]) -> Enclave:
    return _foreign("robot", "the robot's own drivers; split it where they are several nodes", observed, commanded)


def _operator() -> Enclave:
    """For ``ros2 topic``, ``ros2 service`` and ``understudy doctor``."""
    return Enclave(
        "operator",
        frozenset({"/rosout", "/parameter_events"}),
        frozenset({"/*"}),
        request=frozenset({"/*"}),
        note="a person at a terminal: sees all topics and calls all services, and publishes none",
    )


def policy_xml(robot: str, all_enclaves: Sequence[Enclave]) -> str:
    """The policy file (SROS2 policy 0.2.0), with a line feed at its end.

    Args:
        robot: whose it is, for the comment.
        all_enclaves: of :func:`enclaves`.
    """
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<!-- SROS2 policy of {_comment(robot)}. Made by: understudy security policy. See docs/security.md. -->",
        '<policy version="0.2.0">',
        "  <enclaves>",
    ]
    for enclave in all_enclaves:
        lines += [f"    {line}" for line in _enclave_lines(enclave)]
    return "\n".join([*lines, "  </enclaves>", "</policy>", ""])


def _comment(text: str) -> str:
    """Two hyphens in a row would end the comment early."""
    return " ".join(text.replace("-", " ").split()) or "a robot"


def _enclave_lines(enclave: Enclave) -> Iterator[str]:
    yield f"<!-- {enclave.node}: {_comment(enclave.note)} -->"
    yield f"<enclave path={quoteattr('/' + enclave.node)}>"
    yield "  <profiles>"
    yield f'    <profile ns="/" node={quoteattr(enclave.node)}>'
    for group, right, names in (
        ("topic", "publish", enclave.publish),
        ("topic", "subscribe", enclave.subscribe),
        ("service", "reply", enclave.reply),
        ("service", "request", enclave.request),
    ):
        if names:
            yield f'      <{group}s {right}="ALLOW">'
            yield from (f"        <{group}>{escape(name)}</{group}>" for name in sorted(names))
            yield f"      </{group}s>"
    yield "    </profile>"
    yield "  </profiles>"
    yield "</enclave>"
