"""What the commands say to somebody with a robot of his own: hints that work there, and nothing that is not so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policy_samples import CONTRACT, SMALL_BUNDLE, small_checkpoint
from recorded_drives import drive, write_bag
from test_bag_crash import unfinished

from il_nodes.bags import BagWriter
from models.contract import load_contract
from models.errors import DeploymentError
from understudy.__main__ import run
from understudy.deployments import Driver, dry_episodes, read_driver, write_driver
from understudy.environment.domains import reserve_domain
from understudy.stacks.recorded_episodes import RecordedEpisodes
from understudy.stacks.running import StackRun
from understudy.stacks.unfinished import unfinished_recordings, with_unfinished
from understudy.workspace import Workspace

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Default workspaces are relative paths."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("rover.yaml").write_text(CONTRACT)


@pytest.fixture
def on_robot(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, list[StackRun]]]:
    """Commands whose nodes are not started; ``during`` does to the workspace what they would."""

    def command(*words: str, during: Callable[[Path], object] = lambda folder: None) -> tuple[int, list[StackRun]]:
        runs: list[StackRun] = []

        def stack(run: StackRun, show: Callable[[], None], lost: Callable[[DeploymentError], None]) -> None:
            runs.append(run)
            nodes = {node.name: node for node in run.nodes or ()}
            during(Path(str(nodes["recorder"].parameters["directory"])))
            show()

        monkeypatch.setattr("understudy.stacks.robot_runs.run_stack", stack)
        with reserve_domain() as domain:
            pass
        always = ["--no-sim", "--contract", "rover.yaml", "--expert", "external", "--domain", str(domain)]
        # The small car's contract names no expert, which an external one needs not.
        return run([words[0], *always, *words[1:]]), runs

    return command


def record_one(name: str, quarantine: str = "", outcome: str = "complete") -> Callable[[Path], object]:
    """Records an episode of two messages into a folder."""

    def record(folder: Path) -> None:
        contract = load_contract(Path("rover.yaml"))
        with BagWriter(folder, name, contract, {"/odom": "nav_msgs/msg/Odometry"}, "") as writer:
            for _topic, stamp_ns, cdr in [one for one in drive(3, 0.5) if one[0] == "/odom"][:2]:
                writer.write("/odom", stamp_ns, cdr)
            losses = {"missing": {"/odom": 1}} if quarantine else {}
            writer.close(outcome, quarantine, losses)

    return record


# -- the next step -----------------------------------------------------------------------------------------------------


def test_a_robots_policy_is_tried_on_the_robot_and_not_in_the_simulator(capsys: Output) -> None:
    """Catches `next: understudy evaluate` after an export for a robot that evaluate cannot drive."""
    place = Workspace(Path("runs/rover"))
    small_checkpoint(0).save(place.checkpoint)
    place.note("record", {"contract": "rover.yaml"})
    assert run(["export", "-w", "runs/rover"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("next: understudy deploy --no-sim --contract rover.yaml --workspace runs/rover")
    assert last.endswith("# a dry run: nothing is commanded")


@pytest.mark.parametrize("command", ["evaluate", "deploy"])
def test_the_simulated_car_is_not_driven_by_a_robots_policy(command: str, capsys: Output) -> None:
    assert run([command, "--bundle", str(SMALL_BUNDLE)]) == 6
    words = capsys.readouterr().err
    assert f"{command} drives a simulated robot of ours; this policy is for small_car" in words
    assert "understudy deploy --no-sim --contract small_car.yaml" in words


@pytest.mark.parametrize("command", ["evaluate", "deploy"])
def test_a_policy_of_the_arm_names_the_option_that_moves_the_arm(command: str, capsys: Output) -> None:
    """Catches advice to train anew, or to drive the car, where a ``--robot grasping`` was forgotten."""
    place = Workspace(Path("runs/arm"))
    small_checkpoint(text=CONTRACT.replace("small_car", "understudy_arm")).save(place.checkpoint)
    assert run(["export", "-w", "runs/arm"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "next: understudy evaluate --robot grasping --workspace runs/arm"
    assert run([command, "-w", "runs/arm"]) == 6
    assert "add --robot grasping" in capsys.readouterr().err


def test_hints_are_those_of_a_robot(on_robot: Callable[..., Any], capsys: Output) -> None:
    """Catches advice that is refused as soon as it is followed, and a gate said to command before it does."""
    code, _ = on_robot("record", "--enable-control", during=record_one("one"))
    assert code == 0
    words = capsys.readouterr().out
    assert "the gate commands the robot as soon as" in words
    assert "  episodes start and stop by the services /recorder/start and /recorder/stop" in words
    assert on_robot("record")[0] == 4
    words = capsys.readouterr().err
    assert "--append to add" in words
    assert "--tracks" not in words


def test_a_domain_that_is_held_costs_no_workspace(capsys: Output) -> None:
    """Catches runs/x/workspace.lock of a command that did nothing, and a robot's owner sent to another domain."""
    with reserve_domain() as domain:
        arguments = ["--domain", str(domain), "-w", "runs/x"]
        assert run(["record", "--no-sim", "--contract", "rover.yaml", "--expert", "external", *arguments]) == 7
        words = capsys.readouterr()
        assert "held by another understudy run" in words.err
        assert "leave --domain out" not in words.err
        assert "commands the robot" not in words.out
        assert run(["record", *arguments]) == 7
        assert "leave --domain out" in capsys.readouterr().err
    assert not Path("runs").exists()


# -- deployments -------------------------------------------------------------------------------------------------------


def test_a_deployment_that_goes_on_says_what_it_added(on_robot: Callable[..., Any], capsys: Output) -> None:
    """Catches "1 episode in deployment" where two are, and a driver noted for a run that recorded nothing."""
    deploy = ["deploy", "--bundle", str(SMALL_BUNDLE), "-w", "runs/rover"]
    assert on_robot(*deploy)[0] == 0
    folder = Workspace(Path("runs/rover")).deployment
    assert not (folder / "driver.json").exists()
    assert on_robot(*deploy, during=record_one("one"))[0] == 0
    assert "1 episode in runs/rover/deployment" in capsys.readouterr().out
    assert on_robot(*deploy, "--enable-control", "--unsafe-threshold", "0.2", during=record_one("two"))[0] == 0
    output = capsys.readouterr()
    assert "1 episode added; 2 in runs/rover/deployment" in output.out
    assert "next: understudy report --workspace runs/rover" in output.out
    assert "looser" not in output.err
    before = (folder / "driver.json").read_bytes()
    assert on_robot(*deploy, "--unsafe-threshold", "0.95")[0] == 0
    assert (folder / "driver.json").read_bytes() == before
    noted: Any = read_driver(folder)
    assert [(name, one["unsafe_threshold"], one["dry_run"]) for name, one in noted["episodes"].items()] == [
        ("one", 0.5, True),
        ("two", 0.2, False),
    ]
    assert noted["sha256"] == noted["episodes"]["one"]["sha256"]
    assert dry_episodes(folder) == {"one"}


def test_a_looser_threshold_is_said_to_be_one(on_robot: Callable[..., Any], capsys: Output) -> None:
    """Catches a robot that a policy keeps although its classifier warns, without a word."""
    deploy = ["deploy", "--bundle", str(SMALL_BUNDLE), "--enable-control"]
    assert on_robot(*deploy, "--unsafe-threshold", "0.95")[0] == 0
    assert (
        "warning: --unsafe-threshold 0.95 is looser than the contract's gate.threshold 0.5" in capsys.readouterr().err
    )


@pytest.mark.parametrize("text", ["", "[]", '{"episodes": 3}', '{"episodes": {"a": 1}}'])
def test_a_driver_file_that_cannot_be_read_is_begun_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "driver.json").write_text(text)
    assert dry_episodes(tmp_path) == frozenset()
    write_driver(tmp_path, Driver("p.onnx", "00", 0.5, dry_run=True), ["b"])
    assert dry_episodes(tmp_path) == {"b"}


# -- episodes while they are recorded ----------------------------------------------------------------------------------


def test_an_episode_is_seen_to_run_and_to_end(tmp_path: Path) -> None:
    """Catches a run that shows nothing but a counter, and a summary without what is not for training."""
    write_bag(tmp_path, "old", drive(3, 0.5))
    episodes = RecordedEpisodes(tmp_path)
    assert (episodes.present, episodes.news(), episodes.summary()) == (1, [], "0 episodes")
    (tmp_path / "a.partial").mkdir()
    (tmp_path / "b.partial").mkdir()
    assert episodes.news() == ["a is being recorded", "b is being recorded"]
    assert episodes.running == "a"
    (tmp_path / "a.partial").rmdir()
    (tmp_path / "b.partial").rmdir()
    record_one("a", "1 tick missing on /camera/image_raw")(tmp_path)
    assert episodes.news() == [
        "a: complete, 0.1 s, 2 messages; not for training: 1 tick missing on /camera/image_raw",
        "b: discarded",
    ]
    record_one("c", outcome="failure")(tmp_path)
    assert episodes.news() == ["c: failure, 0.1 s, 2 messages"]
    assert (episodes.running, episodes.news()) == ("", [])
    assert episodes.summary() == (
        "2 episodes, 2 not for training (1 tick missing on /camera/image_raw; marked a failure)"
    )


def test_the_summary_stands_at_the_end_of_a_run(on_robot: Callable[..., Any], capsys: Output) -> None:
    assert on_robot("record", during=record_one("one", "1 tick missing on /odom"))[0] == 0
    assert "  recording: 1 episode, 1 not for training (1 tick missing on /odom)\n" in capsys.readouterr().out


def test_what_a_killed_recorder_left_is_named(tmp_path: Path, on_robot: Callable[..., Any], capsys: Output) -> None:
    """Catches eight ordinary lines of a log in the place of what to do."""

    def kill(folder: Path) -> None:
        unfinished(folder)
        raise DeploymentError(
            "the recorder node was killed by SIGKILL after 9.1 s", found="ordinary", fix="read the whole log: r.log"
        )

    assert on_robot("record", during=kill)[0] == 7
    words = capsys.readouterr().err
    assert "drive.partial, never finished" in words
    assert "understudy episodes recover " in words
    assert "ordinary" not in words
    other = with_unfinished(DeploymentError("the gate node died", found="why", fix="read"), [tmp_path / "x.partial"])
    assert "why" in str(other)
    assert "x.partial, never finished" in str(other)
    assert unfinished_recordings(tmp_path / "nothing") == []


def test_a_workspace_says_what_was_made_from_what(on_robot: Callable[..., Any]) -> None:
    """Catches a workspace.json that knows of no recordings, and results that are empty."""
    assert on_robot("record", "-w", "runs/rover", during=record_one("one"))[0] == 0
    place = Workspace(Path("runs/rover"))
    state = json.loads((place.path / "workspace.json").read_text())["stages"]["record"]
    assert (state["result"]["contract"], state["result"]["bags"]) == ("rover.yaml", ["one"])
    assert state["outputs"] == []  # a person's demonstrations are never deleted by a stage
    assert place.contract_of("small_car") == Path("rover.yaml")
    assert place.contract_of("another") is None
