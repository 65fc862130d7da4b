"""As much of ROS's ``launch`` and ``launch_ros`` as our launch files use: they cannot be installed with pip.

The descriptions keep what they were given; nothing is started. ``expand`` does what ``ros2 launch`` does until then:
it checks the arguments, and asks the launch file for its nodes.
"""

from __future__ import annotations

import importlib
import runpy
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any


@dataclass
class DeclareLaunchArgument:
    """A named argument; without a default it must be given."""

    name: str
    default_value: str | None = None
    description: str = ""
    choices: list[str] | None = None


@dataclass
class OpaqueFunction:
    """A function that makes actions once the arguments are known."""

    function: Any
    args: list[Any] = field(default_factory=list)


@dataclass
class Shutdown:
    """The end of the launch."""

    reason: str = ""


@dataclass
class ParameterValue:
    """A value with its type."""

    value: Any
    value_type: type | None = None


@dataclass
class Node:
    """A node to start."""

    package: str
    executable: str
    name: str
    exec_name: str
    output: str
    parameters: list[Any]
    remappings: list[tuple[str, str]]
    ros_arguments: list[str] | None
    sigterm_timeout: str
    prefix: str | None
    on_exit: Shutdown | None

    @property
    def own_parameters(self) -> dict[str, Any]:
        """The parameters beside those of the file, as plain values."""
        merged: dict[str, Any] = {}
        for entry in self.parameters[1:]:
            merged.update(entry)
        return {k: v.value_type(v.value) if isinstance(v, ParameterValue) else v for k, v in merged.items()}  # type: ignore[misc]


@dataclass
class LaunchDescription:
    """What a launch file returns."""

    entities: list[Any]


@dataclass
class Context:
    """What the arguments came to."""

    launch_configurations: dict[str, str]


def _modules() -> dict[str, ModuleType]:
    def module(name: str, **content: object) -> ModuleType:
        made = ModuleType(name)
        made.__dict__.update(content)
        return made

    actions = {one.__name__: one for one in (DeclareLaunchArgument, OpaqueFunction, Shutdown)}
    return {
        "launch": module("launch", LaunchDescription=LaunchDescription),
        "launch.actions": module("launch.actions", **actions),
        "launch_ros": module("launch_ros"),
        "launch_ros.actions": module("launch_ros.actions", Node=Node),
        "launch_ros.parameter_descriptions": module("launch_ros.parameter_descriptions", ParameterValue=ParameterValue),
    }


@contextmanager
def stand_ins() -> Iterator[None]:
    """Have ``import launch`` find these classes for the length of the block."""
    made = {**_modules(), "understudy.stacks.launching": None}
    before = {name: sys.modules.pop(name, None) for name in made}
    sys.modules.update({name: module for name, module in made.items() if module is not None})
    try:
        importlib.import_module("understudy.stacks.launching")
        yield
    finally:
        for name, module in before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


def describe(path: Path) -> LaunchDescription:
    """Run a launch file, within ``stand_ins``."""
    description = runpy.run_path(str(path))["generate_launch_description"]()
    assert isinstance(description, LaunchDescription)
    return description


def expand(description: LaunchDescription, given: Mapping[str, str]) -> list[Node]:
    """The nodes that a launch description starts with these arguments; raises as the launch file does."""
    declared = [entity for entity in description.entities if isinstance(entity, DeclareLaunchArgument)]
    assert set(given) <= {argument.name for argument in declared}, "an argument that the launch file does not have"
    values = {}
    for argument in declared:
        value = given.get(argument.name, argument.default_value)
        assert value is not None, f"the argument {argument.name} is missing"
        assert argument.choices is None or value in argument.choices, f"{value} is no choice of {argument.name}"
        values[argument.name] = value
    nodes: list[Node] = []
    for entity in description.entities:
        if isinstance(entity, OpaqueFunction):
            nodes += entity.function(Context(values), *entity.args)
    return nodes
