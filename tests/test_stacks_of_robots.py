"""Stacks on a robot: its domain, what its parameter file decides, dry runs, security."""

from __future__ import annotations

from pathlib import Path

import pytest
from rclpy.context import Context
from rclpy.node import Node
from ros_processes import RosEnvironment

from models.errors import DeploymentError
from understudy.console import Console
from understudy.environment.ros_environment import node_environment, repository_root
from understudy.environment.ros_security import require_usable_security
from understudy.stacks.nodes import StackNode
from understudy.stacks.options import StackOptions
from understudy.stacks.params_file import ParamsFile
from understudy.stacks.robot_runs import RobotRun, decided
from understudy.stacks.running import StackRun, default_params_file, node_command, run_stack
from understudy.workspace import Workspace

CONTRACT = repository_root() / "contracts" / "driving.yaml"
EXPERT = ["/expert/cmd_vel"]


def names(nodes: tuple[StackNode, ...]) -> list[str]:
    return [node.name for node in nodes]


def by_name(nodes: tuple[StackNode, ...]) -> dict[str, StackNode]:
    return {node.name: node for node in nodes}


def test_a_robot_is_met_in_its_own_domain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Would catch a recorder that waits in an empty domain, and a simulated car that meets a real one."""

    def run(on_robot: bool, domain: int | None = None) -> StackRun:
        return StackRun("collect", tmp_path, tmp_path, domain=domain, on_robot=on_robot)

    monkeypatch.setenv("ROS_DOMAIN_ID", "42")
    assert run(on_robot=False).wanted_domain() is None
    assert run(on_robot=True).wanted_domain() == 42
    assert run(on_robot=True, domain=3).wanted_domain() == 3
    monkeypatch.delenv("ROS_DOMAIN_ID")
    assert run(on_robot=True).wanted_domain() == 0
    monkeypatch.setenv("ROS_DOMAIN_ID", "forty")
    with pytest.raises(DeploymentError, match="ROS_DOMAIN_ID"):
        run(on_robot=True).wanted_domain()


def test_discovery_stays_on_this_machine_unless_the_robots_owner_says_otherwise(tmp_path: Path) -> None:
    """Would catch a simulated run that talks to the network, and a robot on another machine that is never found."""
    inherited = {
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET",
        "ROS_STATIC_PEERS": "10.0.0.7",
        "RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp",
        "FASTRTPS_DEFAULT_PROFILES_FILE": "/etc/robot.xml",
    }
    simulated = node_environment(7, tmp_path, inherited)
    assert simulated["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert "ROS_STATIC_PEERS" not in simulated
    robot = node_environment(7, tmp_path, inherited, on_robot=True)
    assert {name: robot[name] for name in inherited} == inherited
    assert node_environment(7, tmp_path, {}, on_robot=True)["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gate: {ros__parameters: {enable_control: true}}", True),
        ("/gate: {ros__parameters: {enable_control: true}}", True),
        ("/**: {ros__parameters: {enable_control: true}}\ngate: {ros__parameters: {enable_control: false}}", False),
        ("gate: {ros__parameters: {enable_control: 'true'}}", False),
        ("gate: {ros__parameters: {}}", False),
        ("gate:", False),
    ],
)
def test_a_dry_run_is_announced_as_one(tmp_path: Path, text: str, expected: bool) -> None:
    """Would catch 'dry run' on the screen of somebody whose robot is about to move."""
    path = tmp_path / "params.yaml"
    path.write_text(text)
    assert decided(path, StackOptions(sim=False)).enable_control is expected
    assert decided(path, StackOptions(sim=False, enable_control=True)).enable_control is True
    assert decided(path, StackOptions(sim=False, enable_control=False)).enable_control is False


@pytest.mark.parametrize(
    "text",
    [
        "gate: {ros__parameters: {enable_control: true}}",
        "gate: {ros__parameters: {enable_control: y}}",
        "/**/gate: {ros__parameters: {enable_control: true}}",
        "/*: {ros__parameters: {enable_control: true}}",
        "/: {gate: {ros__parameters: {enable_control: true}}}",
        "gate: {ros__parameters: {enable_control: true}}\ngate: {ros__parameters: {use_sim_time: false}}",
    ],
)
@pytest.mark.ros
def test_the_gate_does_what_was_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ros_environment: RosEnvironment, text: str
) -> None:
    """Would catch a gate that commands the robot in a 'dry run', since ROS reads its file otherwise than we do."""
    path = tmp_path / "params.yaml"
    path.write_text(text)
    runs: list[StackRun] = []
    monkeypatch.setattr("understudy.stacks.robot_runs.run_stack", lambda run, show, lost: runs.append(run))
    said: list[str] = []
    monkeypatch.setattr(Console, "say", lambda self, line: said.append(line))
    options = StackOptions(sim=False, expert="external")
    facts = RobotRun(Workspace(tmp_path / "run"), Console(), CONTRACT, path, None, options).record()
    [run] = runs
    assert run.nodes is not None
    gate = by_name(run.nodes)["gate"]
    context = Context()
    context.init(list(node_command("gate", path, gate.parameters)), domain_id=ros_environment.domain_id)
    node = Node("gate", context=context)
    does = node.declare_parameter("enable_control", False).value
    node.destroy_node()
    context.shutdown()
    assert does is gate.parameters["enable_control"] is facts["commanded"]
    announced = [any(words in line for line in said) for words in ("the gate commands the robot", "dry run")]
    assert announced == [does, not does]


@pytest.mark.parametrize(
    ("text", "said", "expected"),
    [
        ("gate: {ros__parameters: {enable_policy: false}}", None, False),
        ("gate: {ros__parameters: {enable_policy: true}}", None, True),
        ("gate: {ros__parameters: {enable_policy: true}}", False, False),
        ("gate: {ros__parameters: {enable_policy: false}}", True, True),
    ],
)
def test_a_robots_policy_drives_from_the_start_if_its_owner_said_so(
    tmp_path: Path, text: str, said: bool | None, expected: bool
) -> None:
    """Would catch a policy that takes a robot from the first tick although the parameter file keeps it waiting."""
    path = tmp_path / "params.yaml"
    path.write_text(text)
    options = StackOptions(sim=False, expert="external", enable_policy=said)
    gate = by_name(decided(path, options).nodes("deploy", contract=CONTRACT))["gate"]
    assert gate.parameters["enable_policy"] is expected
    launched = by_name(options.nodes("deploy", contract=CONTRACT))["gate"].parameters
    assert launched.get("enable_policy") is said  # launch leaves it to the file
    collecting = by_name(decided(path, options).nodes("collect", contract=CONTRACT))["gate"]
    assert collecting.parameters["enable_policy"] is False


@pytest.mark.parametrize(
    ("sim", "expert", "text", "expected"),
    [
        (False, "teleop", "{}", 0.2),
        (True, "teleop", "{}", 0.2),
        (False, "auto", "{}", 0.2),
        (False, "external", "{}", None),
        (True, "scripted", "{}", None),
        (False, "teleop", "labeller: {ros__parameters: {reaction_s: 0.35}}", None),
    ],
)
def test_who_the_expert_is_decides_how_long_he_takes(
    tmp_path: Path, sim: bool, expert: str, text: str, expected: float | None
) -> None:
    """Would catch a program's labels shifted by a person's reaction time, and a person's that are not."""
    path = tmp_path / "params.yaml"
    path.write_text(text)
    options = StackOptions(sim=sim, expert=expert, labeller=True)
    labeller = by_name(options.nodes("collect", contract=CONTRACT, params_file=path))["labeller"]
    assert labeller.parameters.get("reaction_s") == expected
    for robot in ("driving", "robot"):
        assert ParamsFile(default_params_file(robot)).value("labeller", "reaction_s") is None


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[1, 2", b"- 1", b"[" * 100_000, b"#" * 1_000_001])
def test_a_parameter_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(DeploymentError, match=r"params\.yaml"):
        ParamsFile(path)


# -- security ----------------------------------------------------------------------------------------------------------


def test_security_that_the_wheels_do_not_have_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Would catch five nodes that die of an inherited ROS_SECURITY_ENABLE with a message about a missing plug-in."""
    monkeypatch.setenv("ROS_SECURITY_ENABLE", "true")
    with pytest.raises(DeploymentError, match="not compiled into the ROS packages from pip"):
        run_stack(StackRun("collect", tmp_path / "logs", repository_root() / "launch" / "params" / "driving.yaml"))
    assert not (tmp_path / "logs").exists()
    require_usable_security({"ROS_SECURITY_ENABLE": "True"})  # rcl knows "true" only


def test_security_without_a_keystore_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("understudy.environment.ros_security._wheels_version", lambda: "")
    environment = {"ROS_SECURITY_ENABLE": "true", "ROS_SECURITY_KEYSTORE": str(tmp_path)}
    with pytest.raises(DeploymentError, match="no keystore"):
        require_usable_security(environment)
    (tmp_path / "enclaves").mkdir()
    require_usable_security(environment)
