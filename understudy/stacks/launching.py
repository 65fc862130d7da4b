"""What the launch files share: their arguments, and the nodes of a stack as launch actions.

Imported by ``launch/*.launch.py`` only: ``launch`` and ``launch_ros`` come with ROS 2 and cannot be installed by pip.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launch.actions import DeclareLaunchArgument, OpaqueFunction, Shutdown
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription
from models.errors import DeploymentError
from understudy.environment.ros_security import is_security_on
from understudy.stacks.nodes import EXPERTS, StackNode, stack_nodes, with_values
from understudy.stacks.options import StackOptions

__all__ = ["describe"]

# Launch that is told to end by SIGTERM, or killed, leaves its processes behind, and so a robot that drives on. With
# this program of util-linux in front the kernel tells each node to end, and the gate halts the robot first.
_DIE_WITH_LAUNCH = "setpriv --pdeathsig TERM --" if shutil.which("setpriv") else None
_SWITCH = ("true", "false")
# A switch that nobody moved: the parameter file decides.
_UNSAID = ("", *_SWITCH)


@dataclass(frozen=True)
class _Argument:
    """One launch argument; ``default`` None makes it a must."""

    description: str
    default: str | None = ""
    choices: tuple[str, ...] = ()

    def declare(self, name: str) -> Any:
        choices = {"choices": list(self.choices)} if self.choices else {}
        return DeclareLaunchArgument(name, default_value=self.default, description=self.description, **choices)


_COMMON = {
    "robot": _Argument("the simulated robot: its parameters and its contract", "driving", ("driving", "grasping")),
    "params_file": _Argument(
        "parameters of all nodes (YAML); empty: params/<robot>.yaml with the simulator, params/robot.yaml without"
    ),
    "autostart": _Argument(
        "nodes configure and activate themselves; false: ros2 lifecycle set /<node> configure, then activate; empty: "
        "what the parameter file says",
        "",
        _UNSAID,
    ),
}
_STACK = {
    "sim": _Argument("move the simulated robot; false: your own robot, described by contract", "true", _SWITCH),
    "expert": _Argument(
        "scripted (simulated robot only), teleop (a person), external (somebody else publishes gate.expert of the "
        "contract), auto (scripted with the simulator, teleop without)",
        "auto",
        EXPERTS,
    ),
    "teleop_device": _Argument(
        "what a teleoperator holds; a keyboard needs a terminal of its own: expert:=external, and ros2 run il_nodes "
        "teleop --ros-args -p device:=keyboard; empty: what the parameter file says, a joystick where it says nothing",
        "",
        ("", "joy", "leader"),
    ),
    "labeller": _Argument("record the expert's answer to every tick, too", "false", _SWITCH),
    "contract": _Argument("robot contract (YAML); the simulated robot's by default"),
    "directory": _Argument("folder of the bags; empty: what the parameter file says, recordings where it says nothing"),
    "enable_control": _Argument(
        "the gate commands the robot; false: it only decides and reports; empty: what the parameter file says",
        "",
        _UNSAID,
    ),
}
_NOISE = _Argument("noise file (YAML): disturb what the expert commands, record what was meant (DART); empty: none")
_BUNDLE = _Argument("the policy to deploy (policy.onnx)", None)
_ENABLE_POLICY = _Argument(
    "the policy may drive from the start; false: the expert, until the service /gate/enable_policy; empty: true with "
    "the simulator, what the parameter file says without",
    "",
    _UNSAID,
)

_ARGUMENTS: Mapping[str, Mapping[str, _Argument]] = {
    "sim": _COMMON,
    "collect": {**_STACK, "noise": _NOISE, **_COMMON},
    "deploy": {"bundle": _BUNDLE, **_STACK, "enable_policy": _ENABLE_POLICY, **_COMMON},
}


def describe(stack: str, folder: Path) -> Any:
    """The launch description of a stack.

    Args:
        stack: ``sim``, ``collect`` or ``deploy``.
        folder: of the launch files; ``params/`` is in it, and ``contracts/`` beside it.
    """
    arguments = [argument.declare(name) for name, argument in _ARGUMENTS[stack].items()]
    return LaunchDescription([*arguments, OpaqueFunction(function=_start, args=[stack, folder])])


def _start(context: Any, stack: str, folder: Path) -> list[Any]:
    """The actions, once the arguments are known."""
    # Not every one is ours: a launch file that includes this one brings its own along.
    given = {name: context.launch_configurations[name] for name in _ARGUMENTS[stack]}
    sim = given.get("sim", "true") == "true"
    params_file = given["params_file"] or str(folder / "params" / f"{given['robot'] if sim else 'robot'}.yaml")
    nodes = _nodes(stack, given, sim, folder, Path(params_file))
    return [_action(node, params_file) for node in nodes]


def _nodes(stack: str, given: Mapping[str, str], sim: bool, folder: Path, params_file: Path) -> tuple[StackNode, ...]:
    autostart = _switch(given["autostart"])
    if stack == "sim":
        return with_values(stack_nodes(stack), autostart=autostart)
    if not given["contract"] and not sim:
        raise DeploymentError("a robot needs its contract", fix="contract:=my_robot.yaml")
    options = StackOptions(
        sim=sim,
        expert=given["expert"],
        noise=Path(given["noise"]) if given.get("noise") else None,
        labeller=given["labeller"] == "true",
        teleop_device=given["teleop_device"] or None,
        enable_control=_switch(given["enable_control"]),
        enable_policy=_switch(given.get("enable_policy", "")),
    )
    return options.nodes(
        stack,
        contract=Path(given["contract"] or folder.parent / "contracts" / f"{given['robot']}.yaml"),
        directory=Path(given["directory"]) if given["directory"] else None,
        bundle=Path(given["bundle"]) if "bundle" in given else None,
        autostart=autostart,
        params_file=params_file,
    )


def _switch(word: str) -> bool | None:
    return None if word == "" else word == "true"


def _action(node: StackNode, params_file: str) -> Any:
    parameters = {
        # Launch takes a text for YAML, so that a folder named 7 would become a number.
        name: ParameterValue(str(value), value_type=str) if isinstance(value, str | Path) else value
        for name, value in node.parameters.items()
    }
    return Node(
        package="il_nodes",
        executable=node.name,
        name=node.name,
        # What its lines are marked with.
        exec_name=node.name,
        output="screen",
        parameters=[params_file, parameters],
        remappings=list(node.remappings),
        ros_arguments=["--enclave", node.enclave] if is_security_on(os.environ) else None,
        # Everybody is interrupted at once; those that have something to finish get the time for it.
        sigterm_timeout=str(node.interrupt_s),
        prefix=_DIE_WITH_LAUNCH,
        on_exit=Shutdown(reason=f"{node.name} has ended") if node.required else None,
    )
