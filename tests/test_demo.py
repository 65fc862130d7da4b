"""The demo: which stages it repeats, when it calls itself a success, and the whole of it in its quick form."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from understudy.console import Console
from understudy.demo import DemoSettings, GraspDemoSettings, _Chain
from understudy.environment.ros_environment import repository_root
from understudy.evaluation.goals import Verdict, read_goals
from understudy.evaluation.scores import Evaluation, Interval, Summary
from understudy.report.inputs import Goals
from understudy.stacks.drives import finished_episodes
from understudy.stages import Stages
from understudy.workspace import Workspace


def test_the_demo_repeats_a_stage_only_when_something_before_it_changed(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    done: list[str] = []

    def go(epochs: int) -> list[str]:
        done.clear()
        chain = _Chain(place, Console(json_mode=True), "start", 3)
        for name, inputs in (("record", 1), ("train", epochs), ("export", 0)):
            output = tmp_path / name

            def work(name: str = name, output: Path = output) -> dict[str, object]:
                done.append(name)
                output.touch()
                return {"made": name}

            assert chain.run(name, name, [output], work, inputs)["made"] == name
        assert set(chain.seconds) == {"record", "train", "export"}
        return list(done)

    assert go(5) == ["record", "train", "export"]
    assert go(5) == []
    assert go(6) == ["train", "export"]
    (tmp_path / "record").unlink()
    assert go(6) == ["record"]


def verdict(**changes: Any) -> Verdict:
    """A deployment that meets every goal by a hair, apart from the changes."""
    numbers: dict[str, Any] = {
        "episodes": 3,
        "laps_total": 3.0,
        "laps_minimum": {"track-1001": 1.0, "track-1002": 1.0, "track-1003": 1.0},
        "off_track": 0,
        "interventions": 0,
        "damage": 0.0,
        "elapsed_s": 60.0,
        "autonomy": 0.98,
        "ticks": {"expert": 5, "policy": 95, "halt": 0},
        "policy_share": 0.95,
        "policy_share_interval": None,
        "clean_share": 1.0,
        "clean_share_interval": Interval(0.4, 1.0),
        "cross_track_m": None,
        "speed_m_s": None,
        "command_age_ms": None,
        "action_error": {},
        "hand_overs": 2,
        "reasons": {},
    }
    return Verdict(Evaluation(Summary(**(numbers | changes)), (), ()), DemoSettings().goals)


def test_goals_that_are_just_met_are_met() -> None:
    assert verdict().all_met
    assert verdict().as_json()["laps"] == 1.0


@pytest.mark.parametrize(
    ("changes", "goal"),
    [
        ({"laps_minimum": {"track-1001": 3.0, "track-1002": 0.0}}, "laps"),
        ({"off_track": 1}, "off_track"),
        ({"policy_share": 0.949}, "policy_share"),
        ({"policy_share": None}, "policy_share"),
        ({"autonomy": 0.979}, "autonomy"),
        ({"autonomy": None}, "autonomy"),
    ],
)
def test_one_missed_goal_is_named_and_misses_all(changes: dict[str, Any], goal: str) -> None:
    """Catches a demo that calls itself a success although the expert drove, or one of three tracks was lost."""
    missed = verdict(**changes)
    assert not missed.all_met
    assert [name for name, met in missed.met.items() if not met] == [goal]
    assert "MISSED" in missed.as_text()
    assert missed.as_json()["ok"] is False


def test_the_quick_demo_still_asks_the_policy_to_drive() -> None:
    quick, full = DemoSettings.quick(), DemoSettings()
    assert quick.goals.policy_share >= 0.5
    for settings in (quick, full):
        assert not set(settings.demonstrations.tracks) & set(settings.deployment.tracks)
        assert settings.demonstrations.lock_step
        assert not settings.deployment.lock_step
    assert full.goals == Goals(laps=1.0, off_track=0, policy_share=0.95, autonomy=0.98)


def test_the_demo_of_the_arm_asks_for_what_the_policy_does_by_itself() -> None:
    """Catches scenes that were shown, a success that is the expert's, and labels that hang on the machine's load."""
    for settings in (quick := GraspDemoSettings.quick(), full := GraspDemoSettings()):
        assert not set(settings.demonstrations.scenes) & set(settings.deployment.scenes)
        assert settings.demonstrations.lock_step
        assert not settings.deployment.lock_step
    assert quick.goals.policy_share > 0.0
    assert min(full.goals.success, full.goals.alone, full.goals.policy_share) >= 0.5


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the code, so that somebody who edits it meanwhile does not make a stage outdated."""
    for folder in ("understudy", "models", "sim", "il_nodes", "launch", "contracts"):
        shutil.copytree(repository_root() / folder, tmp_path / "tree" / folder)
    return tmp_path / "tree"


def demo(tree: Path, workspace: Path) -> tuple[int, dict[str, Any], str]:
    """Exit code, last line of stdout, and the whole stdout of ``understudy demo --quick``."""
    done = subprocess.run(
        [sys.executable, "-m", "understudy", "demo", "--quick", "-w", str(workspace)],
        capture_output=True,
        text=True,
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        timeout=400,
    )
    assert done.stdout.strip(), done.stderr
    return done.returncode, json.loads(done.stdout.strip().splitlines()[-1]), done.stdout


@pytest.mark.ros
@pytest.mark.sim
@pytest.mark.slow
@pytest.mark.timeout(500)
def test_a_policy_learns_to_drive_a_track_it_has_never_seen(tree: Path, tmp_path: Path) -> None:
    """The whole loop over real topics: a stage that breaks another one shows here, whatever their own tests say."""
    workspace = tmp_path / "run"
    code, answer, output = demo(tree, workspace)
    assert code == 0, output
    assert answer["reused"] == []
    assert answer["policy_share"] >= 0.5
    assert answer["off_track"] <= 2
    assert answer["command_age_p50_ms"] < 50.0
    assert Path(answer["report"]).is_absolute()
    assert Path(answer["report"]).stat().st_size > 10_000
    place = Workspace(workspace)
    stages = Stages(place, Console(json_mode=True))
    assert not stages.other_driver()
    assert stages.other_driver(Path(__file__))
    assert read_goals(place.goals) == DemoSettings.quick().goals
    assert len(finished_episodes(place.recordings)) == 4
    assert len(finished_episodes(place.deployment)) == 1

    code, again, _ = demo(tree, workspace)
    assert code == 0
    assert again["reused"] == ["record", "build", "train", "export", "deploy"]
    assert again["policy_share"] == answer["policy_share"]
