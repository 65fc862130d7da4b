"""One line from every node when it becomes active: who it is, and what a person would otherwise have to look up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from policy_sensors import BUNDLE, CONTRACT
from ros_processes import REPOSITORY, RosEnvironment

from il_nodes.nodes.__main__ import nodes

pytestmark = pytest.mark.ros

DRIVING = str(REPOSITORY / "contracts" / "driving.yaml")
NOISE = str(REPOSITORY / "contracts" / "noise" / "driving.yaml")
CAR = "understudy_car"
#: Node to its parameters and to what its line says.
COLLECTING: dict[str, tuple[dict[str, object], str]] = {
    "sim": (
        {"track_seeds": [1, 2], "real_time_factor": 2.0},
        "simulated robot driving, 20 Hz, 2 episodes, 2 times real time, when expert, gate, recorder are there",
    ),
    "expert": ({}, "scripted expert of the simulated robot driving, commands on /expert/cmd_vel"),
    "noise": (
        {"contract": DRIVING, "file": NOISE},
        f"{CAR}, from /expert/cmd_vel to /noise/expert/cmd_vel, standard deviations twist.linear.x 0.25, ",
    ),
    "labeller": (
        {"contract": DRIVING, "reaction_s": 0.2},
        f"{CAR}, 20 Hz, labels on /label/expert/cmd_vel, reaction 0.2 s",
    ),
    "observation": (
        {"contract": DRIVING},
        f"{CAR}, 20 Hz, 3 stacked of each: observation.images.front, observation.state",
    ),
}
DEPLOYED: dict[str, tuple[dict[str, object], str]] = {
    "gate": (
        {"contract": DRIVING},
        f"{CAR}, 20 Hz, dry run (enable_control: false), expert on /expert/cmd_vel, "
        "the policy may not drive yet: policy_disabled",
    ),
    "teleop": (
        {"contract": DRIVING, "slow_motion": True},
        f"{CAR}, by joy, commands on /expert/cmd_vel at 20 Hz, in slow motion",
    ),
    "policy": (
        {"bundle": str(BUNDLE), "provider": "cpu"},
        f"{CONTRACT.robot_type}, small_car.onnx (SHA-256 ",
    ),
    "recorder": (
        {"contract": DRIVING, "auto": False},
        "episodes by /recorder/start only: observation.images.front, ",
    ),
}


def test_every_node_has_its_line() -> None:
    assert nodes().keys() == {*COLLECTING, *DEPLOYED}


@pytest.mark.parametrize("stack", [COLLECTING, DEPLOYED], ids=["collecting", "deployed"])
def test_a_node_says_once_who_became_active(
    ros_environment: RosEnvironment, tmp_path: Path, stack: dict[str, tuple[dict[str, object], str]]
) -> None:
    """Catches the log in which nobody can tell a dry run from a robot that is driven, or which folder is written to."""
    contract = tmp_path / "small_car.yaml"
    contract.write_text(CONTRACT.text)
    fixed = {"policy": {"contract": str(contract)}, "recorder": {"directory": str(tmp_path / "bags")}}
    started = {
        name: ros_environment.spawn_node(name, {**params, **fixed.get(name, {})}) for name, (params, _) in stack.items()
    }
    for name, node in started.items():
        ros_environment.wait_until(lambda node=node: "active: " in node.log, 40.0, f"the line of {name}")
        lines = re.findall(r"^\[INFO\] \[[0-9.]+\] \[(\w+)\]: active: (.*)$", node.log, re.MULTILINE)
        assert len(lines) == 1, node.log
        assert lines[0][0] == name
        assert stack[name][1] in lines[0][1]
    if "recorder" in started:
        assert f"into {tmp_path / 'bags'}, " in started["recorder"].log
        assert "on CPUExecutionProvider, 20 Hz, proposes on /policy/proposal" in started["policy"].log


def test_a_gate_that_commands_says_whom_it_commands(ros_environment: RosEnvironment) -> None:
    params = {"contract": DRIVING, "enable_control": True, "enable_policy": True}
    gate = ros_environment.spawn_node("gate", params, arguments=["-r", "/expert/cmd_vel:=/pad/cmd_vel"])
    ros_environment.wait_until(lambda: "active: " in gate.log, 20.0, "the gate's line")
    assert "commands on /cmd_vel, expert on /pad/cmd_vel, the policy may drive\n" in gate.log
