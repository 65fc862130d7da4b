"""The commands one after the other in a workspace: what each takes over from the one before, and what it says next."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from recorded_drives import drive, write_bag

from models.errors import RecordingError
from understudy.__main__ import run
from understudy.console import Console, _LineProgress, counted
from understudy.evaluation.goals import Verdict, read_goals, write_goals
from understudy.report.headlines import headlines
from understudy.report.inputs import Goals
from understudy.stages import Stages
from understudy.workspace import Workspace


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Default workspaces are relative paths: no test may meet, or leave, one in the tree."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)


@pytest.fixture
def place() -> Workspace:
    """A workspace in which a policy has driven."""
    place = Workspace(Path("runs/mine"))
    write_bag(place.deployment, "first", drive(3, 2.0))
    return place


def record(place: Workspace, name: str) -> None:
    """One demonstration with pictures."""
    write_bag(place.recordings, name, drive(3, 0.5, images=True))


# -- goals -------------------------------------------------------------------------------------------------------------


def test_the_goals_of_an_evaluation_are_those_of_its_report(
    place: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a report that holds a run against other goals than the person asked for."""
    given = ["--goal-laps", "0", "--goal-off-track", "5", "--goal-policy-share", "0.25", "--goal-autonomy", "0.5"]
    assert run(["evaluate", "--no-drive", "--json", "-w", str(place.path), *given]) == 0
    capsys.readouterr()
    kept = read_goals(place.goals)
    assert kept == Goals(laps=0.0, off_track=5, policy_share=0.25, autonomy=0.5)
    assert Stages(place, Console(json_mode=True)).evaluate().goals == kept
    assert run(["evaluate", "--no-drive", "--json", "-w", str(place.path)]) == 1  # not a lap in two seconds
    assert json.loads(capsys.readouterr().out)["goals_met"]["laps"] is False
    assert read_goals(place.goals) == Goals(laps=1.0, off_track=0, policy_share=0.95, autonomy=0.98)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"laps": "many", "off_track": 0}'])
def test_goals_that_cannot_be_read_are_the_usual_ones(tmp_path: Path, text: str) -> None:
    path = tmp_path / "goals.json"
    path.write_text(text)
    assert read_goals(path) == read_goals(tmp_path / "nothing") == Goals()
    write_goals(path, Goals(laps=3))
    assert read_goals(path) == Goals(laps=3)


def test_page_and_console_judge_the_same_figures(place: Workspace) -> None:
    """Catches a page with 5 of 5 goals met beside a console that knows of 4."""
    verdict: Verdict = Stages(place, Console(json_mode=True)).evaluate(Goals())
    judged = [one for one in headlines(verdict.evaluation, verdict.goals) if one.judged]
    assert [bool(one.met) for one in judged] == list(verdict.met.values())
    age = verdict.as_text().splitlines()[-1]
    assert "command age" in age
    assert age.endswith("(one tick is 50 ms)")
    assert "met" not in age


# -- a drive and its policy --------------------------------------------------------------------------------------------


def drove(place: Workspace, policy: bytes) -> None:
    """Note that a policy made the drives, as ``Stages.deploy`` does, and put it in the workspace."""
    place.bundle.write_bytes(policy)
    from understudy.files import sha256

    (place.deployment / "driver.json").write_text(json.dumps({"sha256": sha256(place.bundle)}))


def test_drives_of_another_policy_are_not_scored_as_this_ones(
    place: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches the old policy's drives shown as those of the policy that was exported since."""
    stages = Stages(place, Console(json_mode=True))
    assert not stages.other_driver()  # not known
    drove(place, b"old")
    assert not stages.other_driver()
    old = place.path / "old.onnx"
    old.write_bytes(b"old")
    place.bundle.write_bytes(b"new")
    assert "another policy" in stages.other_driver()
    assert run(["evaluate", "--no-drive", "-w", str(place.path)]) == 4
    assert "understudy evaluate --workspace runs/mine" in capsys.readouterr().err
    assert not place.evaluation.exists()
    assert run(["evaluate", "--no-drive", "-w", str(place.path), "--bundle", str(old)]) == 1
    place.bundle.unlink()
    assert not stages.other_driver()


def test_a_report_of_another_policys_drives_says_so(
    place: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drove(place, b"old")
    place.bundle.write_bytes(b"new")
    shown: dict[str, Any] = {}

    def page(_stages: Stages, verdict: Verdict, title: str, command: str) -> Path:
        shown.update(goals=verdict.goals, title=title, command=command)
        return place.report

    monkeypatch.setattr(Stages, "report", page)  # drawing takes seconds, and test_report.py has it
    assert run(["report", "--json", "-w", str(place.path)]) == 0
    output = capsys.readouterr()
    answer = json.loads(output.out)
    assert "another policy" in answer["warnings"][0]
    assert Path(answer["report"]).is_absolute()
    assert "warning: these drives were made by another policy" in output.err
    assert shown["command"] == "understudy report --workspace runs/mine"


# -- recordings and their dataset --------------------------------------------------------------------------------------


def test_training_sees_recordings_that_came_after_the_dataset(capsys: pytest.CaptureFixture[str]) -> None:
    """Catches `record --append; train` that trains on the old dataset without a word."""
    place = Workspace(Path("runs/mine"))
    record(place, "one")
    stages = Stages(place, Console())
    stages.dataset.build()
    before = (place.dataset / "dataset.json").read_bytes()
    capsys.readouterr()
    stages.dataset.refresh()
    assert "anew" not in capsys.readouterr().out
    record(place, "two")
    stages.dataset.refresh()
    assert "(1 new): building it anew" in capsys.readouterr().out
    assert (place.dataset / "dataset.json").read_bytes() != before
    stages.dataset.refresh()
    assert "anew" not in capsys.readouterr().out


def test_a_dataset_of_recordings_elsewhere_stays(capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a person's own selection of recordings replaced by whatever lies in the workspace."""
    place, other = Workspace(Path("runs/mine")), Workspace(Path("runs/other"))
    record(other, "one")
    stages = Stages(place, Console())
    stages.dataset.build(other.recordings)
    record(place, "two")
    stages.dataset.refresh()
    assert "anew" not in capsys.readouterr().out


# -- words -------------------------------------------------------------------------------------------------------------


def test_a_build_says_what_comes_next_but_not_to_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    place = Workspace(Path("runs/my run"))
    record(place, "one")
    assert run(["episodes", "build", "-w", str(place.path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "next: understudy train --workspace 'runs/my run'"
    assert run(["episodes", "build", "--json", "-w", str(place.path)]) == 0
    output = capsys.readouterr()
    assert "next:" not in output.out + output.err
    assert Workspace(Path("runs/default"), create=False).option() == ""


def test_a_workspace_that_is_not_there_names_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a newcomer who made the demo and is told that nothing was ever recorded."""
    record(Workspace(Path("runs/demo")), "one")
    assert run(["episodes", "list"]) == 4
    assert "add --workspace runs/demo" in capsys.readouterr().err
    assert run(["episodes", "list", "-w", "mine"]) == 4
    assert "add --workspace runs/demo" in capsys.readouterr().err
    assert run(["record", "-w", "runs/demo"]) == 4
    words = capsys.readouterr().err
    assert "holds 1 episode already" in words
    for way in ("--tracks", "--append", "--workspace"):
        assert way in words
    assert sorted(path.name for path in Path("runs").iterdir()) == ["demo"]


def test_an_export_without_a_checkpoint_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    Workspace(Path("runs/mine"))
    assert run(["export", "-w", "runs/mine"]) == 5
    words = capsys.readouterr().err
    assert "there is no checkpoint in runs/mine" in words
    assert "Error:" not in words
    assert not list(Path("runs/mine").iterdir())


def test_recordings_that_are_empty_are_no_recordings() -> None:
    place = Workspace(Path("runs/mine"))
    place.recordings.mkdir()
    with pytest.raises(RecordingError, match="there are no recordings"):
        Stages(place, Console()).dataset.build()


@pytest.mark.parametrize(("number", "words"), [(0, "0 episodes"), (1, "1 episode"), (2, "2 episodes")])
def test_one_is_no_plural(number: int, words: str) -> None:
    assert counted(number, "episode") == words


def test_a_log_shows_progress_only_when_there_is_some(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a CI log full of `0 of 12 episodes`."""
    monkeypatch.setattr(_LineProgress, "every_s", 0.0)
    stream = io.StringIO()
    progress = _LineProgress(stream, "recording")
    for done in (0, 0, 1, 1, 1):
        progress.update(done, 12, f"{done} of 12 episodes")
    assert stream.getvalue().splitlines() == [
        "  recording: 0 of 12 episodes (0 %)",
        "  recording: 1 of 12 episodes (8 %)",
    ]
