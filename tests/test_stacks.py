"""Which nodes a stack has, what they are told, and the commands that start them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from models.errors import DeploymentError, RecordingError, UnderstudyError
from understudy.console import Progress
from understudy.environment.ros_environment import repository_root
from understudy.stacks.drives import DriveSettings, drive
from understudy.stacks.grasps import GraspSettings
from understudy.stacks.nodes import DEVICES, EXPERTS, STACKS, StackNode, stack_nodes, with_values
from understudy.stacks.options import SIMULATED, StackOptions
from understudy.stacks.running import StackRun, node_command

CONTRACT = repository_root() / "contracts" / "driving.yaml"
EXPERT = ["/expert/cmd_vel"]


def names(nodes: tuple[StackNode, ...]) -> list[str]:
    return [node.name for node in nodes]


def by_name(nodes: tuple[StackNode, ...]) -> dict[str, StackNode]:
    return {node.name: node for node in nodes}


# -- which nodes -------------------------------------------------------------------------------------------------------


def test_the_simulated_stacks_are_what_they_were() -> None:
    """Would catch an option that changes what everybody runs who chose nothing."""
    assert STACKS == {
        "sim": ("sim",),
        "collect": ("sim", "expert", "gate", "recorder"),
        "deploy": ("sim", "expert", "policy", "gate", "recorder"),
    }


@pytest.mark.parametrize(
    ("stack", "options", "expected"),
    [
        ("collect", {"sim": False}, ["teleop", "gate", "recorder"]),
        ("collect", {"sim": False, "expert": "external"}, ["gate", "recorder"]),
        ("collect", {"expert": "teleop"}, ["sim", "teleop", "gate", "recorder"]),
        ("collect", {"expert": "external"}, ["sim", "gate", "recorder"]),
        ("collect", {"noise": True}, ["sim", "expert", "noise", "gate", "recorder"]),
        ("deploy", {"sim": False}, ["teleop", "policy", "gate", "recorder"]),
        ("deploy", {"labeller": True}, ["sim", "expert", "labeller", "policy", "gate", "recorder"]),
    ],
)
def test_options_bring_and_take_nodes(stack: str, options: dict[str, object], expected: list[str]) -> None:
    assert names(stack_nodes(stack, expert_topics=EXPERT, **options)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stack", "options", "problem"),
    [
        ("collcet", {}, "no such stack"),
        ("collect", {"expert": "robot"}, "no such expert"),
        ("collect", {"sim": False, "expert": "scripted"}, "simulated car only"),
        ("deploy", {"noise": True}, "never runs beside a policy"),
        ("collect", {"noise": True, "expert_topics": None}, "needs to know"),
        ("collect", {"sim": False, "expert_topics": ()}, "no topic for the expert"),
        ("collect", {"labeller": True, "expert": "external", "expert_topics": ()}, "no topic for the expert"),
    ],
)
def test_contradictions_are_refused(stack: str, options: dict[str, object], problem: str) -> None:
    """Would catch a run that starts, and in which half of the nodes wait for ever."""
    with pytest.raises(DeploymentError, match=problem):
        stack_nodes(stack, **{"expert_topics": EXPERT, **options})  # type: ignore[arg-type]


def test_a_robot_without_an_expert_may_be_driven_by_its_policy_alone() -> None:
    assert names(stack_nodes("deploy", sim=False, expert="external", expert_topics=())) == [
        "policy",
        "gate",
        "recorder",
    ]


def test_noise_stands_between_the_expert_and_the_gate_and_nobody_else() -> None:
    """Would catch a recorder that records the disturbed command as the label, or a gate that follows the clean one."""
    topics = ["/expert/cmd_vel", "expert/gripper"]
    nodes = by_name(stack_nodes("collect", noise=True, labeller=True, expert_topics=topics))
    assert nodes["gate"].remappings == (
        ("/expert/cmd_vel", "/noise/expert/cmd_vel"),
        ("expert/gripper", "/noise/expert/gripper"),
    )
    assert all(not node.remappings for name, node in nodes.items() if name != "gate")


def test_the_simulation_begins_when_everybody_is_there() -> None:
    """Would catch a stack whose simulator does not wait for a node that an option brought."""
    for stack in ("collect", "deploy"):
        nodes = stack_nodes(stack, noise=stack == "collect", labeller=True, expert_topics=EXPERT)
        waited = nodes[0].parameters["wait_for_nodes"]
        assert isinstance(waited, list)
        assert set(waited) == set(names(nodes)) - {"sim"}


def test_what_ends_a_run_and_what_it_can_do_without() -> None:
    simulated = by_name(stack_nodes("deploy", labeller=True, expert_topics=EXPERT))
    assert [name for name, node in simulated.items() if node.ends_run] == ["sim"]
    assert {name for name, node in simulated.items() if not node.required} == {"policy", "labeller"}
    robot = by_name(stack_nodes("deploy", sim=False, expert_topics=EXPERT))
    assert not any(node.ends_run for node in robot.values())
    ranks = {name: node.stop_rank for name, node in simulated.items()}
    others = min(rank for name, rank in ranks.items() if name not in ("gate", "recorder"))
    assert ranks["gate"] < ranks["recorder"] < others


def test_only_a_keyboard_takes_the_terminal() -> None:
    """Would catch a gamepad that takes the progress off the screen, and a keyboard whose q leaves the rest running."""
    for device in DEVICES:
        node = by_name(stack_nodes("collect", expert="teleop", teleop_device=device, expert_topics=EXPERT))["teleop"]
        assert (node.terminal, node.ends_run) == (device == "keyboard", device == "keyboard")
        for expert in EXPERTS:
            options = StackOptions(expert=expert, teleop_device=device)
            assert options.uses_terminal() == any(n.terminal for n in options.nodes("collect", contract=CONTRACT))


@pytest.mark.parametrize(
    ("said", "in_file", "told", "terminal"),
    [
        (None, "leader", None, False),
        (None, "keyboard", None, True),
        (None, "", None, False),
        ("joy", "keyboard", "joy", False),
        ("keyboard", "leader", "keyboard", True),
    ],
)
def test_the_parameter_file_says_what_a_teleoperator_holds_unless_somebody_chose(
    tmp_path: Path, said: str | None, in_file: str, told: str | None, terminal: bool
) -> None:
    """Would catch a leader arm in the file that the default of an option that nobody gave turns into a gamepad."""
    params_file = tmp_path / "params.yaml"
    params_file.write_text(f"teleop: {{ros__parameters: {{device: {in_file!r}}}}}\n")
    options = StackOptions(sim=False, teleop_device=said)
    teleop = by_name(options.nodes("collect", contract=CONTRACT, params_file=params_file))["teleop"]
    assert teleop.parameters.get("device") == told
    assert (teleop.terminal, options.uses_terminal(params_file)) == (terminal, terminal)
    external = StackOptions(sim=False, expert="external", teleop_device=said)
    assert not external.uses_terminal(tmp_path / "none.yaml"), "nobody needs that file"


# -- what they are told ------------------------------------------------------------------------------------------------


def test_values_reach_the_nodes_that_take_them(tmp_path: Path) -> None:
    noise = tmp_path / "noise.yaml"
    noise.touch()
    options = StackOptions(sim=False, noise=noise, labeller=True, teleop_device="leader", enable_control=True)
    nodes = by_name(options.nodes("collect", contract=CONTRACT, directory=tmp_path, autostart=False))
    told = {name: dict(node.parameters) for name, node in nodes.items()}
    both = {"contract": CONTRACT, "autostart": False}
    assert told == {
        "teleop": {**both, "device": "leader"},
        "noise": {**both, "file": noise},
        "labeller": {**both, "reaction_s": 0.2},
        "gate": {**both, "enable_policy": False, "enable_control": True},
        "recorder": {**both, "directory": tmp_path},
    }


def test_what_nobody_said_is_left_to_the_parameter_file() -> None:
    nodes = with_values(stack_nodes("deploy"), contract=None, enable_control=None, autostart=None)
    assert {name for node in nodes for name in node.parameters} == {"exit_when_done", "wait_for_nodes", "enable_policy"}


def test_a_noise_file_that_is_missing_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="no noise file"):
        StackOptions(noise=tmp_path / "none.yaml").nodes("collect", contract=CONTRACT)


def test_a_person_does_not_drive_in_lock_step(tmp_path: Path) -> None:
    """Would catch a simulation that stands still until it times out, because nobody answers its ticks."""
    settings = DriveSettings(tracks=(1,), lock_step=True)
    with pytest.raises(DeploymentError, match="lock-step"):
        drive(settings, tmp_path, tmp_path, Progress(), contract=CONTRACT, options=StackOptions(expert="external"))


@pytest.mark.parametrize(
    ("expert", "kept", "is_enough"),
    [("teleop", 3, True), ("teleop", 2, True), ("teleop", 0, False), ("scripted", 2, False), ("external", 2, False)],
)
def test_a_person_may_discard_an_episode_or_quit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expert: str, kept: int, is_enough: bool
) -> None:
    """Would catch a teleoperator whose good episodes are thrown away for one that was discarded."""

    def run(_run: StackRun, _show: object) -> None:
        for number in range(kept):
            (tmp_path / f"episode-{number}").mkdir()
            (tmp_path / f"episode-{number}" / "manifest.json").touch()

    monkeypatch.setattr("understudy.stacks.drives.run_stack", run)

    def made() -> int:
        options = StackOptions(expert=expert)
        settings = DriveSettings(tracks=(1, 2, 3))
        return len(drive(settings, tmp_path, tmp_path / "logs", Progress(), contract=CONTRACT, options=options))

    if is_enough:
        assert made() == kept
    else:
        with pytest.raises(RecordingError, match="fewer episodes"):
            made()


def test_the_policy_may_be_kept_waiting_in_the_simulated_car_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Would catch ``--no-enable-policy`` that the drive's own parameters take back."""
    runs: list[StackRun] = []
    monkeypatch.setattr("understudy.stacks.drives.run_stack", lambda run, show: runs.append(run))
    with pytest.raises(RecordingError):
        drive(
            *(DriveSettings(tracks=(1,)), tmp_path, tmp_path, Progress()),
            contract=CONTRACT,
            bundle=tmp_path / "policy.onnx",
            options=StackOptions(enable_policy=False),
        )
    nodes = runs[0].nodes
    assert nodes is not None
    assert {**by_name(nodes)["gate"].parameters, **runs[0].overrides["gate"]}["enable_policy"] is False


def test_a_command_line_carries_everything(tmp_path: Path) -> None:
    command = node_command("gate", tmp_path / "p.yaml", {"enable_control": True}, [("/a", "/noise/a")], "/gate")
    assert command[:3] == (sys.executable, "-m", "il_nodes.nodes.gate")
    assert command[3:] == (
        *("--ros-args", "--params-file", str(tmp_path / "p.yaml")),
        *("-p", "enable_control:=true", "-r", "/a:=/noise/a", "--enclave", "/gate"),
    )


def test_the_overrides_of_a_simulated_drive_are_what_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Would catch a parameter of the demo that an option of somebody else's robot has changed."""
    runs: list[StackRun] = []
    monkeypatch.setattr("understudy.stacks.drives.run_stack", lambda run, show: runs.append(run))
    settings = DriveSettings(tracks=(1, 2), lock_step=True)
    for bundle in (None, tmp_path / "policy.onnx"):
        with pytest.raises(Exception, match="fewer episodes"):
            drive(
                settings, tmp_path, tmp_path / "logs", Progress(), contract=CONTRACT, bundle=bundle, options=SIMULATED
            )
    told = []
    for run in runs:
        assert run.nodes is not None
        assert not run.on_robot
        told.append({node.name: {**node.parameters, **run.overrides.get(node.name, {})} for node in run.nodes})
    common = {"contract": CONTRACT, "lock_step": True}
    sim = {
        "robot": "driving",
        "lock_step": True,
        "real_time_factor": 1.0,
        "track_seeds": [1, 2],
        "episode_prefix": "drive",
        "seed": 0,
        "laps": 1,
        "max_episode_s": 60.0,
        "disturbance_std_rad": 0.0,
        "start_lateral_m": 0.0,
        "start_heading_rad": 0.0,
        "exit_when_done": True,
    }
    recorder = {**common, "directory": tmp_path}
    assert told[0] == {
        "sim": {**sim, "wait_for_nodes": ["expert", "gate", "recorder"]},
        "expert": {"robot": "driving"},
        "gate": {**common, "enable_policy": False, "wait_for": ["expert"]},
        "recorder": recorder,
    }
    assert told[1] == {
        "sim": {**sim, "wait_for_nodes": ["expert", "gate", "recorder", "policy"]},
        "expert": {"robot": "driving"},
        "policy": {**common, "bundle": tmp_path / "policy.onnx", "provider": "auto"},
        "gate": {**common, "enable_policy": True, "wait_for": ["expert", "policy"]},
        "recorder": recorder,
    }


def test_the_same_options_move_an_arm() -> None:
    """Would catch a parameter of the car in the arm's simulator, which it would not know."""
    settings = GraspSettings(scenes=(3, 4), clutter=(0, 2), blocked=0.0, max_episode_s=12.0)
    assert settings.sim_parameters() == {
        "robot": "grasping",
        "lock_step": False,
        "real_time_factor": 1.0,
        "scene_seeds": [3, 4],
        "episode_prefix": "grasp",
        "seed": 0,
        "max_episode_s": 12.0,
        "disturbance_std_m_s": 0.0,
        "disturbance_std_rad_s": 0.0,
        "shoves_per_s": 0.0,
        "clutter_fewest": 0,
        "clutter_most": 2,
        "blocked": 0.0,
    }
    for wrong in ((), (-1,)):
        with pytest.raises(UnderstudyError, match="scene seeds"):
            GraspSettings(scenes=wrong)
