"""Launch files, evaluated with stand-ins for the launch packages (pip has none), and the params files beside them."""

from __future__ import annotations

import ast
import itertools
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import launch_stand_in
import pytest
import yaml
from ros_processes import REPOSITORY

from models.errors import DeploymentError
from understudy.stacks.nodes import STACKS, StackNode, stack_nodes, with_values

LAUNCH = REPOSITORY / "launch"
CONTRACT = REPOSITORY / "contracts" / "driving.yaml"
#: Declared by rclpy for every node.
BUILT_IN = {"use_sim_time"}
NODES = {path.stem for path in (REPOSITORY / "il_nodes" / "nodes").glob("*.py")} - {"__init__", "__main__"}


@pytest.fixture(scope="module")
def files() -> Iterator[dict[str, launch_stand_in.LaunchDescription]]:
    """Stack to what its launch file describes."""
    with launch_stand_in.stand_ins():
        yield {stack: launch_stand_in.describe(LAUNCH / f"{stack}.launch.py") for stack in STACKS}


@pytest.fixture(scope="module")
def noise_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("noise") / "noise.yaml"
    path.write_text("{}\n")
    return path


def started(nodes: list[launch_stand_in.Node]) -> list[tuple[Any, ...]]:
    """What decides about each node of a launch file."""
    return [
        (
            node.executable,
            node.name,
            node.exec_name,
            node.own_parameters,
            tuple(node.remappings),
            node.on_exit is not None,
            float(node.sigterm_timeout),
        )
        for node in nodes
    ]


def wanted(nodes: tuple[StackNode, ...]) -> list[tuple[Any, ...]]:
    """The same of a stack."""
    return [
        (
            *[node.name] * 3,
            {name: str(value) if isinstance(value, Path) else value for name, value in node.parameters.items()},
            node.remappings,
            node.required,
            node.interrupt_s,
        )
        for node in nodes
    ]


SWITCHES = (True, False)
COMBINATIONS = list(
    itertools.product(("collect", "deploy"), SWITCHES, ("auto", "scripted", "teleop", "external"), SWITCHES, SWITCHES)
)


@pytest.mark.parametrize(("stack", "sim", "expert", "noise", "labeller"), COMBINATIONS)
def test_a_launch_file_starts_what_understudy_starts(
    files: dict[str, launch_stand_in.LaunchDescription],
    noise_file: Path,
    stack: str,
    sim: bool,
    expert: str,
    noise: bool,
    labeller: bool,
) -> None:
    """Would catch a node, parameter or remapping of one of the two that the other lacks, in any combination."""
    given = {
        "sim": str(sim).lower(),
        "expert": expert,
        "labeller": str(labeller).lower(),
        "directory": "7",
        **({} if sim else {"contract": str(CONTRACT)}),
        **({"bundle": "policy.onnx"} if stack == "deploy" else {"noise": str(noise_file) if noise else ""}),
    }
    noise = noise and stack == "collect"

    def nodes() -> tuple[StackNode, ...]:
        found = stack_nodes(
            stack, sim=sim, expert=expert, noise=noise, labeller=labeller, expert_topics=["/expert/cmd_vel"]
        )
        return with_values(
            found,
            contract=CONTRACT,
            directory="7",
            bundle="policy.onnx" if stack == "deploy" else None,
            noise=noise_file if noise else None,
            teleop_device=None,
        )

    if not sim and expert == "scripted":
        for refused in (nodes, lambda: launch_stand_in.expand(files[stack], given)):
            with pytest.raises(DeploymentError, match="simulated car only"):
                refused()
        return
    assert started(launch_stand_in.expand(files[stack], given)) == wanted(nodes())


@pytest.mark.parametrize("stack", sorted(STACKS))
def test_without_arguments_a_launch_file_starts_its_stack(
    files: dict[str, launch_stand_in.LaunchDescription], stack: str
) -> None:
    """Would catch a default of an argument that is not the command line's."""
    given = {"bundle": "policy.onnx"} if stack == "deploy" else {}
    nodes = launch_stand_in.expand(files[stack], given)
    assert tuple(node.name for node in nodes) == STACKS[stack]
    assert {node.parameters[0] for node in nodes} == {str(LAUNCH / "params" / "driving.yaml")}


def test_what_nobody_gave_is_the_parameter_files_business(
    files: dict[str, launch_stand_in.LaunchDescription], tmp_path: Path
) -> None:
    """Would catch a folder or a leader arm of the parameter file that a default of a launch argument overrules."""
    params_file = tmp_path / "robot.yaml"
    params_file.write_text(
        "teleop: {ros__parameters: {device: leader}}\nrecorder: {ros__parameters: {directory: /data}}\n"
    )
    given = {"sim": "false", "contract": str(CONTRACT), "params_file": str(params_file)}

    def told(**more: str) -> tuple[object, object]:
        actions = launch_stand_in.expand(files["collect"], {**given, **more})
        nodes = {node.name: node.own_parameters for node in actions}
        return nodes["teleop"].get("device"), nodes["recorder"].get("directory")

    assert told() == (None, None)
    assert told(teleop_device="joy", directory="bags") == ("joy", "bags")


@pytest.mark.parametrize("value", ["", "true", "false"])
def test_a_switch_that_nobody_moved_leaves_it_to_the_parameter_file(
    files: dict[str, launch_stand_in.LaunchDescription], value: str
) -> None:
    """Would catch ``enable_control: true`` in a params file that a launch argument's default silently takes back."""
    given = {"sim": "false", "contract": str(CONTRACT), "enable_control": value, "autostart": value}
    nodes = {node.name: node.own_parameters for node in launch_stand_in.expand(files["collect"], given)}
    expected = {} if value == "" else {"enable_control": value == "true", "autostart": value == "true"}
    assert {k: v for k, v in nodes["gate"].items() if k in ("enable_control", "autostart")} == expected
    assert nodes["teleop"].get("autostart") == expected.get("autostart")


def test_the_policy_may_be_kept_waiting(files: dict[str, launch_stand_in.LaunchDescription]) -> None:
    """Would catch a policy that takes a robot the moment it is there although the person said not to."""
    for word, expected in (("true", True), ("false", False)):
        nodes = launch_stand_in.expand(files["deploy"], {"bundle": "policy.onnx", "enable_policy": word})
        assert next(node for node in nodes if node.name == "gate").own_parameters["enable_policy"] is expected
    robot = {"bundle": "policy.onnx", "sim": "false", "contract": str(CONTRACT)}
    nodes = launch_stand_in.expand(files["deploy"], robot)
    assert "enable_policy" not in next(node for node in nodes if node.name == "gate").own_parameters


def test_a_robot_comes_with_its_contract_and_its_own_parameters(
    files: dict[str, launch_stand_in.LaunchDescription],
) -> None:
    """Would catch a robot driven with the simulated car's limits, clock or ``enable_control``."""
    with pytest.raises(DeploymentError, match="a robot needs its contract"):
        launch_stand_in.expand(files["collect"], {"sim": "false"})
    nodes = launch_stand_in.expand(files["collect"], {"sim": "false", "contract": str(CONTRACT)})
    assert {node.parameters[0] for node in nodes} == {str(LAUNCH / "params" / "robot.yaml")}
    nodes = launch_stand_in.expand(files["collect"], {"params_file": "mine.yaml"})
    assert {node.parameters[0] for node in nodes} == {"mine.yaml"}


def test_a_secured_launch_gives_each_node_its_enclave(
    files: dict[str, launch_stand_in.LaunchDescription], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Would catch nodes that all look for one enclave, and so share one set of rights."""
    assert all(node.ros_arguments is None for node in launch_stand_in.expand(files["collect"], {}))
    monkeypatch.setenv("ROS_SECURITY_ENABLE", "true")
    nodes = launch_stand_in.expand(files["collect"], {})
    assert [node.ros_arguments for node in nodes] == [["--enclave", f"/{node.name}"] for node in nodes]


def test_no_node_outlives_its_launch(files: dict[str, launch_stand_in.LaunchDescription], tmp_path: Path) -> None:
    """Would catch a robot that drives on when launch was killed: launch itself leaves its processes behind then.

    The prefix is run as launch runs it, in front of a program whose parent is killed.
    """
    [prefix] = {node.prefix for node in launch_stand_in.expand(files["collect"], {})}
    assert prefix is not None, "setpriv (util-linux) is missing on this machine"
    told = tmp_path / "told"
    node = f"trap 'touch {told}; exit' TERM; echo ready; while :; do sleep 0.05; done"
    launch = f"import subprocess; subprocess.run([*{shlex.split(prefix)!r}, 'sh', '-c', {node!r}])"
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", launch], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.kill()
        process.wait()
        # Its output is closed once the node, too, has ended.
        assert process.stdout.read() == ""
    assert told.exists()


def test_every_argument_is_described(files: dict[str, launch_stand_in.LaunchDescription]) -> None:
    """Would catch ``--show-args`` that shows a bare name, and a default that is none of the choices."""
    for description in files.values():
        for entity in description.entities:
            if isinstance(entity, launch_stand_in.DeclareLaunchArgument):
                assert len(entity.description) > 15, entity.name
                assert entity.choices is None or entity.default_value in entity.choices


def test_every_argument_is_in_the_documentation(files: dict[str, launch_stand_in.LaunchDescription]) -> None:
    """Would catch an argument that only ``--show-args`` knows, and a documented one that is gone."""
    page = (REPOSITORY / "docs" / "launch.md").read_text().split("## Launch arguments")[1].split("\n## ")[0]
    rows = {line.split("|")[1].strip(" `") for line in page.splitlines() if line.startswith("| `")}
    arguments = {
        entity.name
        for description in files.values()
        for entity in description.entities
        if isinstance(entity, launch_stand_in.DeclareLaunchArgument)
    }
    assert rows == arguments


def test_there_is_a_launch_file_for_every_stack_and_no_other() -> None:
    """Would catch a stack without its front door, and ``launch/__init__.py``, which would hide ROS's own package."""
    assert {path.name.removesuffix(".launch.py") for path in LAUNCH.glob("*.launch.py")} == set(STACKS)
    assert not (LAUNCH / "__init__.py").exists()


# -- params files ------------------------------------------------------------------------------------------------------


#: What a seed of the plan draws, by the robot of the parameter file; the simulator makes the parameter's name of it.
NOUNS = {"driving": "track", "grasping": "scene"}


def declared_parameters(node: str, robot: str) -> set[str]:
    """Names that a node declares, in its module, one that this imports, or its robot's, by ``parameter`` or ``say``."""
    module = ast.parse((REPOSITORY / "il_nodes" / "nodes" / f"{node}.py").read_text())
    imported = {
        REPOSITORY.joinpath(*(one.module or "").split(".")).with_suffix(".py")
        for one in ast.walk(module)
        if isinstance(one, ast.ImportFrom) and (one.module or "").startswith("il_nodes.")
    }
    if robot in NOUNS and node in ("sim", "expert"):
        part = "robot" if node == "sim" else "expert"
        imported.add(REPOSITORY / "il_nodes" / "simulator" / f"{robot}_{part}.py")
    trees = [module, *(ast.parse(path.read_text()) for path in imported if path.is_file())]
    names = {f"{NOUNS[robot]}_seeds"} if robot in NOUNS and node == "sim" else set()
    for call in itertools.chain.from_iterable(map(ast.walk, trees)):
        if not isinstance(call, ast.Call) or not call.args or not isinstance(call.args[0], ast.Constant):
            continue
        is_method = isinstance(call.func, ast.Attribute) and call.func.attr in ("parameter", "_path")
        is_say = isinstance(call.func, ast.Name) and call.func.id == "say"
        if isinstance(call.args[0].value, str) and (is_method or is_say):
            names.add(call.args[0].value)
    return names


@pytest.mark.parametrize("file", ["driving", "grasping", "robot"])
@pytest.mark.parametrize("node", sorted(NODES))
def test_every_parameter_that_is_set_exists(file: str, node: str) -> None:
    """Would catch a misspelt or removed parameter, which changes nothing and costs a person an afternoon."""
    sections = yaml.safe_load((LAUNCH / "params" / f"{file}.yaml").read_text())
    assert set(sections) <= NODES
    if node in sections:
        assert set(sections[node]["ros__parameters"]) <= declared_parameters(node, file) | BUILT_IN


def test_every_node_of_a_robot_runs_on_its_own_clock_and_none_commands() -> None:
    """Would catch a robot whose gate waits for a simulated clock for ever, or moves before anybody looked."""
    sections = yaml.safe_load((LAUNCH / "params" / "robot.yaml").read_text())
    assert set(sections) == NODES - {"sim", "expert"}
    assert all(section["ros__parameters"]["use_sim_time"] is False for section in sections.values())
    assert sections["gate"]["ros__parameters"]["enable_control"] is False
    simulated = yaml.safe_load((LAUNCH / "params" / "driving.yaml").read_text())
    assert simulated["gate"]["ros__parameters"]["enable_control"] is True
    assert all(
        section["ros__parameters"]["use_sim_time"] is True for name, section in simulated.items() if name != "sim"
    )


def test_the_simulator_waits_for_the_nodes_of_its_stack() -> None:
    """Would catch a run that starts before one of its nodes listens, and loses the first ticks."""
    sections = yaml.safe_load((LAUNCH / "params" / "driving.yaml").read_text())
    waited = sections["sim"]["ros__parameters"]["wait_for_nodes"]
    assert set(waited) == set(STACKS["collect"]) - {"sim"}
