"""Which nodes a stack consists of: what ``understudy`` and the launch files both start.

The launch files under ``launch/`` start the nodes that :func:`stack_nodes` describes, with the same parameter files;
a test holds the two equal for every combination of options.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from models.errors import DeploymentError

__all__ = ["DEVICES", "EXPERTS", "STACKS", "StackNode", "stack_nodes", "with_values"]

#: Who may be the expert. ``auto``: the scripted one with the simulator, a teleoperator without.
EXPERTS = ("auto", "scripted", "teleop", "external")
#: What a teleoperator may hold in hand.
DEVICES = ("joy", "keyboard", "leader")

_CONTRACT_READERS = ("teleop", "noise", "labeller", "policy", "gate", "recorder")
#: What differs from one deployment to the next: name of the value → node and parameter that take it.
_VALUES: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        "contract": tuple((node, "contract") for node in _CONTRACT_READERS),
        "directory": (("recorder", "directory"),),
        "bundle": (("policy", "bundle"),),
        "noise": (("noise", "file"),),
        "teleop_device": (("teleop", "device"),),
        "enable_control": (("gate", "enable_control"),),
        "enable_policy": (("gate", "enable_policy"),),
    }
)

# The gate halts the robot before what it listens to goes; the recorder then closes a file that holds the halt too.
_STOP_RANKS = {"gate": 0, "recorder": 1}
# Seconds from SIGINT to SIGTERM. The halt profile takes 1 s; closing and hashing a bag takes up to 2 s (FAULTS 29).
_INTERRUPT_S = {"gate": 4.0, "recorder": 10.0}
# A person answers what was seen this long ago: about what choosing a direction takes at a glance.
_REACTION_S = 0.2
# A robot goes on without them: the gate hands it to the expert, and labels are only written down.
_DISPENSABLE = frozenset({"policy", "labeller"})


@dataclass(frozen=True)
class StackNode:
    """One node of a stack; it is the module ``il_nodes.nodes.<name>``.

    Attributes:
        name: of the node, of its module, and of its entry point.
        parameters: those that the stack itself decides; the rest is the parameter file's business.
        remappings: pairs of a topic in the node's code and the topic that it uses instead.
        required: whether the stack ends when the node does.
        ends_run: whether the node's exit with code 0 is the normal end of the run.
        terminal: whether it reads the keyboard and draws on the terminal.
    """

    name: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    remappings: tuple[tuple[str, str], ...] = ()
    required: bool = True
    ends_run: bool = False
    terminal: bool = False

    @property
    def stop_rank(self) -> int:
        """Nodes of a lower rank are stopped, and have ended, before the next rank is asked to."""
        return _STOP_RANKS.get(self.name, 2)

    @property
    def interrupt_s(self) -> float:
        """Seconds from SIGINT to SIGTERM."""
        return _INTERRUPT_S.get(self.name, 5.0)

    @property
    def enclave(self) -> str:
        """Its SROS2 enclave, as in ``security/understudy.policy.xml``."""
        return f"/{self.name}"


def stack_nodes(
    stack: str,
    *,
    sim: bool = True,
    expert: str = "auto",
    noise: bool = False,
    labeller: bool = False,
    teleop_device: str = "joy",
    expert_topics: Sequence[str] | None = None,
) -> tuple[StackNode, ...]:
    """The nodes of a stack, in the order in which they start.

    Args:
        stack: ``sim``, ``collect`` or ``deploy``.
        sim: with the simulated car; without it the robot brings its own topics.
        expert: one of ``EXPERTS``.
        noise: disturb what the expert commands on its way to the gate (DART); while collecting only.
        labeller: record the expert's answer to every tick, whoever drives.
        teleop_device: one of ``DEVICES``, for a teleoperator.
        expert_topics: ``gate.expert`` of the contract; ``None`` when there is no need to check, and no noise.

    Raises:
        DeploymentError: the options contradict each other.
    """
    if stack not in ("sim", "collect", "deploy"):
        raise DeploymentError("there is no such stack", found=stack, expected="sim, collect or deploy")
    if stack == "sim":
        return (StackNode("sim", {"wait_for_nodes": [""]}, ends_run=True),)
    expert = _resolve_expert(expert, sim)
    _refuse_contradictions(stack, sim, expert, noise, labeller, expert_topics)
    names = [
        *(["expert"] if expert == "scripted" else ["teleop"] if expert == "teleop" else []),
        *(["noise"] if noise else []),
        *(["labeller"] if labeller else []),
        *(["policy"] if stack == "deploy" else []),
        "gate",
        "recorder",
    ]
    world = {"exit_when_done": True, "wait_for_nodes": sorted(names, key=lambda name: name == "policy")}
    nodes = [StackNode("sim", world, ends_run=True)] if sim else []
    for name in names:
        node = StackNode(name, required=name not in _DISPENSABLE)
        if name == "teleop" and teleop_device == "keyboard":
            node = replace(node, terminal=True, ends_run=True)
        elif name == "gate":
            remappings = tuple((topic, f"/noise/{topic.lstrip('/')}") for topic in expert_topics or ()) if noise else ()
            # A robot's owner decides in the parameter file whether a policy may drive from the first tick.
            policy = {"enable_policy": stack == "deploy"} if sim or stack == "collect" else {}
            node = replace(node, parameters=policy, remappings=remappings)
        elif name == "labeller" and expert == "teleop":
            node = replace(node, parameters={"reaction_s": _REACTION_S})
        nodes.append(node)
    return tuple(nodes)


def _resolve_expert(expert: str, sim: bool) -> str:
    if expert not in EXPERTS:
        raise DeploymentError("there is no such expert", found=expert, expected=", ".join(EXPERTS))
    if expert == "auto":
        return "scripted" if sim else "teleop"
    if expert == "scripted" and not sim:
        raise DeploymentError(
            "the scripted expert knows the simulated car only", fix="choose teleop or external as the expert"
        )
    return expert


def _refuse_contradictions(
    stack: str, sim: bool, expert: str, noise: bool, labeller: bool, expert_topics: Sequence[str] | None
) -> None:
    if noise and stack == "deploy":
        raise DeploymentError(
            "noise belongs to demonstrations: it never runs beside a policy that drives",
            fix="leave it out, or collect instead",
        )
    if expert_topics is not None and not expert_topics and (expert != "external" or noise or labeller):
        raise DeploymentError(
            "the contract names no topic for the expert",
            found="no gate.expert",
            fix="add for example: gate: {expert: {topic: /teleop/cmd_vel}}",
        )
    if noise and expert_topics is None:
        raise DeploymentError("noise needs to know the expert's topics", fix="name the contract")


#: Stack name to its nodes when nothing is chosen.
STACKS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {name: tuple(node.name for node in stack_nodes(name)) for name in ("sim", "collect", "deploy")}
)


def with_values(
    nodes: Iterable[StackNode], *, autostart: bool | None = None, **values: object
) -> tuple[StackNode, ...]:
    """The nodes with the values of one deployment: contract, directory, bundle, and so on.

    Args:
        nodes: of a stack.
        autostart: for every node; ``None`` leaves it to the parameter file.
        values: names of ``_VALUES``; those that are ``None`` are left to the parameter file.
    """
    given: dict[str, dict[str, object]] = {}
    for name, value in values.items():
        for node, parameter in _VALUES[name] if value is not None else ():
            given.setdefault(node, {})[parameter] = value
    every = {} if autostart is None else {"autostart": autostart}
    return tuple(replace(node, parameters={**node.parameters, **given.get(node.name, {}), **every}) for node in nodes)
