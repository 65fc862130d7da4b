"""What the commands advise when something is not as it should be: named plainly, and with something to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from recorded_drives import drive, write_bag
from test_bag import record
from test_bag_crash import unfinished
from test_dataset_builder import drive as short_drive

from il_nodes.bags.files import mark_recording
from models.episodes import open_dataset
from models.errors import DatasetError
from understudy.__main__ import run
from understudy.console import Console
from understudy.stages import Stages
from understudy.workspace import Workspace

Output = pytest.CaptureFixture[str]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace below an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Workspace(Path("runs/mine"))


def test_recordings_that_cannot_be_used_come_with_something_to_do(place: Workspace, capsys: Output) -> None:
    unfinished(place.recordings)
    assert run(["episodes", "build", "-w", "runs/mine"]) == 5
    words = capsys.readouterr().err
    assert "none of the recordings can be used" in words
    assert "to do:    record one while all sensors and the expert publish" in words


def test_one_episode_cannot_be_split(place: Workspace) -> None:
    """Catches `1 episodes` without a word of what to do."""
    write_bag(place.recordings, "one", drive(3, 0.5, images=True))
    Stages(place, Console(json_mode=True)).dataset.build()
    with pytest.raises(DatasetError) as caught:
        open_dataset(place.dataset).split(0.2, 0)
    assert caught.value.found == "1 episode, fraction 0.2"
    assert caught.value.fix.startswith("record at least two episodes")


def test_a_list_says_how_long_each_is_and_what_keeps_it_from_training(place: Workspace, capsys: Output) -> None:
    """Catches `is damaged` of a recording that was never finished, and a failure that nobody sees."""
    unfinished(place.recordings)
    bag = record(place.recordings, short_drive(), "bad")
    mark_recording(bag, "failure")
    assert run(["episodes", "list", "-w", "runs/mine"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert "seconds" in lines["episode"]
    assert "never finished; save it with `episodes recover`" in lines["drive.partial"]
    assert "marked a failure" in lines["bad"]
    assert run(["episodes", "list", "--json", "-w", "runs/mine"]) == 0
    rows: Any = {row["name"]: row for row in json.loads(capsys.readouterr().out)["episodes"]}
    assert rows["bad"]["seconds"] > 0


def test_a_missed_goal_after_few_demonstrations_says_so(place: Workspace, capsys: Output) -> None:
    """Catches MISSED without the usual reason."""
    for name in ("one", "two"):
        write_bag(place.recordings, name, drive(3, 0.5, images=True))
    stages = Stages(place, Console(json_mode=True))
    assert stages.dataset.few_demonstrations() == ""
    stages.dataset.build()
    write_bag(place.deployment, "first", drive(3, 1.0))
    capsys.readouterr()
    assert run(["evaluate", "--no-drive", "-w", "runs/mine"]) == 1
    assert "2 demonstrations are few: 10 are usual" in capsys.readouterr().out
    goals = ["--goal-laps", "0", "--goal-policy-share", "0", "--goal-autonomy", "0", "--goal-off-track", "99"]
    assert run(["evaluate", "--no-drive", "-w", "runs/mine", *goals]) == 0
    assert "are few" not in capsys.readouterr().out


def test_a_draft_over_a_file_is_a_mistake_of_the_command_line(place: Workspace, capsys: Output) -> None:
    Path("rover.yaml").write_text("mine")
    assert run(["contract", "draft", "--out", "rover.yaml"]) == 2
    assert "rover.yaml is there already" in capsys.readouterr().err
    assert Path("rover.yaml").read_text() == "mine"


def test_the_worst_episode_is_called_that(place: Workspace, capsys: Output) -> None:
    """Catches `laps 0 or more in every episode`."""
    write_bag(place.deployment, "first", drive(3, 1.0))
    run(["evaluate", "--no-drive", "-w", "runs/mine"])
    assert "0 in the worst episode  (goal: at least 1)" in capsys.readouterr().out
