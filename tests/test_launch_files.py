"""Launch files and params file, read as text: the launch packages are not installable with pip."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml
from ros_processes import REPOSITORY

from understudy.stacks import STACKS

LAUNCH = REPOSITORY / "launch"
PARAMS = LAUNCH / "params" / "driving.yaml"
#: Declared by rclpy for every node.
BUILT_IN = {"use_sim_time"}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def constant(path: Path, name: str) -> Any:
    """Literal value of a module's constant."""
    for node in tree(path).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return ast.literal_eval(node.value)
    raise AssertionError(f"{path.name} does not define {name}")


def declared_parameters(node: str) -> set[str]:
    """Names that a node's source declares: first arguments of ``self.parameter``, ``say`` and ``self._path``."""
    calls = [
        call for call in ast.walk(tree(REPOSITORY / "il_nodes" / "nodes" / f"{node}.py")) if isinstance(call, ast.Call)
    ]
    return {
        call.args[0].value
        for call in calls
        if call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
        and (
            (isinstance(call.func, ast.Attribute) and call.func.attr in ("parameter", "_path"))
            or (isinstance(call.func, ast.Name) and call.func.id == "say")
        )
    }


def overrides(path: Path) -> dict[str, set[str]]:
    """Node to the parameter names that a launch file sets."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "overrides" for t in node.targets):
            assert isinstance(node.value, ast.Dict)
            return {
                ast.literal_eval(key): {ast.literal_eval(name) for name in value.keys if name is not None}
                for key, value in zip(node.value.keys, node.value.values, strict=True)
                if key is not None and isinstance(value, ast.Dict)
            }
    raise AssertionError(f"{path.name} has no overrides")


@pytest.mark.parametrize("stack", sorted(STACKS))
def test_a_launch_file_starts_the_nodes_of_its_stack(stack: str) -> None:
    """Would catch a node that ``ros2 launch`` starts and ``understudy`` does not, or the other way round."""
    path = LAUNCH / f"{stack}.launch.py"
    assert constant(path, "NODES") == STACKS[stack]
    assert set(overrides(path)) <= set(STACKS[stack])
    assert "params" in path.read_text()
    assert PARAMS.name in path.read_text()


def test_there_is_a_launch_file_for_every_stack_and_no_other() -> None:
    """Would catch a stack without its front door, and ``launch/__init__.py``, which would hide ROS's own package."""
    assert {path.name.removesuffix(".launch.py") for path in LAUNCH.glob("*.launch.py")} == set(STACKS)
    assert not (LAUNCH / "__init__.py").exists()


@pytest.mark.parametrize("node", sorted({node for nodes in STACKS.values() for node in nodes}))
def test_every_parameter_that_is_set_exists(node: str) -> None:
    """Would catch a misspelt or removed parameter, which ROS ignores without a word."""
    sections = yaml.safe_load(PARAMS.read_text())
    assert set(sections) == {node for nodes in STACKS.values() for node in nodes}
    declared = declared_parameters(node) | BUILT_IN
    assert set(sections[node]["ros__parameters"]) <= declared
    for path in LAUNCH.glob("*.launch.py"):
        assert overrides(path).get(node, set()) <= declared


def test_the_simulator_waits_for_the_nodes_of_its_stack() -> None:
    """Would catch a run that starts before one of its nodes listens, and loses the first ticks."""
    waited = yaml.safe_load(PARAMS.read_text())["sim"]["ros__parameters"]["wait_for_nodes"]
    assert set(waited) == set(STACKS["collect"]) - {"sim"}
