"""What ``python -m il_nodes.nodes.NODE --help`` prints, out of what the node itself declares; nothing is listed twice.

Parameters are those that the node has declared, with the descriptors that ``ros2 param describe`` shows. Services that
live as long as the node are asked of it; topics, and the other services, are made only when it is configured, and are
read from the calls in the code that this process has loaded.
"""

from __future__ import annotations

import ast
import inspect
import os
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from il_nodes.ros.node import UnderstudyNode

__all__ = ["help_text", "is_asked_for", "leave_the_graph_alone"]

WIDTH = 100
#: What makes an endpoint: kind of line, and which argument is its name and which its type.
_CALLS: Mapping[str, tuple[str, int, int]] = {
    "advertise": ("publishes", 0, 1),
    "create_publisher": ("publishes", 1, 0),
    "subscribe": ("subscribes", 0, 1),
    "create_subscription": ("subscribes", 1, 0),
    "create_service": ("serves", 1, 0),
}
#: Their calls pass on what somebody else names, or are over before anybody could notice.
_PASSING_ON = ("il_nodes.ros.node", "il_nodes.ros.namesakes")
#: Services and parameters that every node of ROS has.
_OF_EVERY_NODE = ("rcl_interfaces", "lifecycle_msgs", "type_description_interfaces")
_ROS_PARAMETERS = ("use_sim_time", "start_type_description_service")
_RANGES = ("floating_point_range", "integer_range")
#: A bound that nobody set.
_BOUNDLESS = 1e18


@dataclass(frozen=True, order=True)
class _Endpoint:
    kind: str
    name: str
    type: str


def is_asked_for(args: Sequence[str]) -> bool:
    """Whether ``--help`` or ``-h`` stands among a node's own arguments, before ROS's."""
    own = list(args)[: args.index("--ros-args")] if "--ros-args" in args else args
    return "--help" in own or "-h" in own


def leave_the_graph_alone() -> None:
    """The node is made only to be asked: nobody must hear of it, nor it of others. Must run before ``rclpy.init``."""
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "OFF"
    for name in ("ROS_LOCALHOST_ONLY", "ROS_STATIC_PEERS", "ROS_DISCOVERY_SERVER"):  # each would overrule that
        os.environ.pop(name, None)


def help_text(node: UnderstudyNode) -> str:
    """Everything about a node that was made and not configured.

    Args:
        node: whose module says in its docstring what it is for.
    """
    module = sys.modules[type(node).__module__]
    name = node.get_name()
    words = (inspect.getdoc(module) or "").replace("``", "")
    endpoints = sorted({*_served(node), *_made_in_code()})
    parts = [
        f"usage: python -m il_nodes.nodes.{name} [--help] [--ros-args [--params-file FILE] [-p PARAMETER:=VALUE] "
        "[-r FROM:=TO] ...]",
        words,
        "parameters (fixed once the node runs, unless it says otherwise):\n\n"
        + "\n".join(_parameter(node, one) for one in node._parameters if one not in _ROS_PARAMETERS),
        "parameters of every ROS 2 node: use_sim_time (true with a simulator)",
        *(_listed(endpoints, kind) for kind in ("publishes", "subscribes", "serves")),
        "services of every ROS 2 node with a lifecycle: ~/change_state, ~/get_state, ~/describe_parameters, ...",
    ]
    return "\n\n".join(part for part in parts if part)


def _parameter(node: UnderstudyNode, name: str) -> str:
    descriptor, value = node.describe_parameter(name), node.get_parameter(name).value
    given = name in node._parameter_overrides
    head = f"  {name}  {_type_of(value)}, {'given' if given else 'default'}: {_shown(value)}"
    bounds = [bound for kind in _RANGES for bound in getattr(descriptor, kind)]
    head += "".join(f", {_range(float(one.from_value), float(one.to_value))}" for one in bounds)
    constraint = descriptor.additional_constraints
    head += f", {constraint}" if constraint else ""
    head += "" if descriptor.read_only else ", may be set while the node runs"
    return head + "\n" + textwrap.fill(descriptor.description, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)


def _type_of(value: object) -> str:
    if isinstance(value, bool | int | float | str):
        return type(value).__name__
    items = list(value) if isinstance(value, Sequence) or hasattr(value, "__iter__") else []
    return f"list of {type(items[0]).__name__}" if items else "list"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value or "(empty)"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    return f"[{', '.join(_shown(item) for item in value or ())}]"


def _range(low: float, high: float) -> str:
    if high >= _BOUNDLESS:
        return f"at least {low:g}"
    return f"at most {high:g}" if low <= -_BOUNDLESS else f"{low:g} to {high:g}"


# -- topics and services -----------------------------------------------------------------------------------------------


def _listed(endpoints: Sequence[_Endpoint], kind: str) -> str:
    chosen = [one for one in endpoints if one.kind == kind]
    named = [f"  {one.name}  {one.type}" for one in chosen if one.name]
    if len(named) < len(chosen):
        named.append("  and the robot's own, by its contract")
    return f"{kind}:\n\n" + "\n".join(named) if named else ""


def _served(node: UnderstudyNode) -> Iterator[_Endpoint]:
    for service in node.services:
        package = service.srv_type.__module__.partition(".")[0]
        if package not in _OF_EVERY_NODE:
            yield _Endpoint("serves", service.srv_name, _interface(service.srv_type))


def _made_in_code() -> Iterator[_Endpoint]:
    """Of every module of ours that this process has loaded: a node's process loads no other node's."""
    for name, module in list(sys.modules.items()):
        own = name.startswith("il_nodes.") or (name == "__main__" and "il_nodes" in (module.__file__ or ""))
        if not own or name in _PASSING_ON:
            continue
        for call in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in _CALLS:
                kind, name_at, type_at = _CALLS[call.func.attr]
                if len(call.args) > max(name_at, type_at):
                    topic = _name(call.args[name_at], module)
                    if kind == "serves" and "{" in topic:
                        continue  # made with the node, which has been asked for them
                    yield _Endpoint(kind, topic, _type(call.args[type_at], module) if topic else "")


def _name(argument: ast.expr, module: ModuleType) -> str:
    """A name as it stands in the code, ``/camera/{name}/image_raw`` too; empty where the contract has it."""
    if isinstance(argument, ast.JoinedStr):
        pieces = (
            str(piece.value) if isinstance(piece, ast.Constant) else ast.unparse(piece).removeprefix("f'").rstrip("'")
            for piece in argument.values
        )
        return "".join(pieces)
    value = getattr(module, argument.id, "") if isinstance(argument, ast.Name) else getattr(argument, "value", "")
    return value if isinstance(value, str) else ""


def _type(argument: ast.expr, module: ModuleType) -> str:
    found = getattr(module, argument.id, None) if isinstance(argument, ast.Name) else None
    return "" if found is None else _interface(found)


def _interface(kind: Any) -> str:
    """``std_msgs.msg._header.Header`` is ``std_msgs/msg/Header``."""
    package, folder, *_ = kind.__module__.split(".")
    return f"{package}/{folder}/{kind.__name__}"
