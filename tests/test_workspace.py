"""The workspace: what counts as up to date, what may be deleted, and that two runs never share one."""

import json
import os
from pathlib import Path

import pytest

from models.errors import UnderstudyError
from understudy.console import jsonable
from understudy.files import remove, replace
from understudy.workspace import Workspace, fingerprint


def test_a_stage_is_current_only_with_the_same_inputs_and_all_outputs(tmp_path: Path) -> None:
    place = Workspace(tmp_path / "run")
    assert not place.is_current("train", "a")
    place.begin("train", [place.checkpoint])
    assert not place.is_current("train", "")  # begun is not finished
    place.checkpoint.mkdir()
    place.finish("train", "a", [place.checkpoint], {"epochs": 3})
    assert place.is_current("train", "a")
    assert not place.is_current("train", "b")
    assert Workspace(tmp_path / "run").stage_result("train") == {"epochs": 3}
    place.checkpoint.rmdir()
    assert not place.is_current("train", "a")


def test_a_damaged_memory_means_that_nothing_is_current(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    place.finish("train", "a", [], {})
    (tmp_path / "workspace.json").write_text('{"format": 1, "sta')
    assert not place.is_current("train", "a")


@pytest.mark.parametrize("stages", ["[]", "5", '{"train": 5}', '{"train": ["a"]}'])
def test_a_memory_of_another_shape_counts_as_empty(tmp_path: Path, stages: str) -> None:
    """Catches a crash on a file that somebody edited."""
    (tmp_path / "workspace.json").write_text(f'{{"format": 1, "stages": {stages}}}')
    place = Workspace(tmp_path)
    assert not place.is_current("train", "a")
    place.claim("train", [place.checkpoint])
    place.start_over()


def test_what_lies_in_the_way_of_a_new_folder_goes_but_not_what_a_link_leads_to(tmp_path: Path) -> None:
    """Catches a crash on a file called dataset.new, and the loss of data that somebody keeps on another disk."""
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "data").write_text("years")
    link, file = tmp_path / "link", tmp_path / "file"
    link.symlink_to(disk)
    file.touch()
    for path in (link, file, tmp_path / "nothing"):
        remove(path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk"]
    assert (disk / "data").read_text() == "years"


def test_nothing_is_deleted_that_the_workspace_did_not_make(tmp_path: Path) -> None:
    """Catches `demo --workspace ~/data` wiping recordings of a robot that happen to lie there."""
    precious = tmp_path / "recordings" / "episode" / "data.mcap"
    precious.parent.mkdir(parents=True)
    precious.touch()
    place = Workspace(tmp_path)
    place.start_over()
    with pytest.raises(UnderstudyError, match="will not be replaced"):
        place.begin("record", [place.recordings])
    assert precious.exists()


def test_starting_over_removes_what_stages_made_and_only_that(tmp_path: Path) -> None:
    place = Workspace(tmp_path / "run")
    place.begin("export", [place.bundle])
    place.bundle.touch()
    (place.path / "notes.txt").touch()
    place.start_over()
    assert sorted(path.name for path in place.path.iterdir()) == ["notes.txt"]


@pytest.mark.parametrize("name", ["../precious", "..", ".", "", "link/precious", "recordings/../../precious"])
def test_a_workspace_of_somebody_else_deletes_nothing_outside_itself(tmp_path: Path, name: str) -> None:
    """``workspace.json`` may have been written by anybody."""
    precious = tmp_path / "precious"
    precious.touch()
    place = Workspace(tmp_path / "run")
    (place.path / "notes.txt").touch()
    (place.path / "link").symlink_to(tmp_path)
    for listed in (name, str(precious)):
        stages = {"record": {"inputs": "", "outputs": [listed], "result": {}}}
        (place.path / "workspace.json").write_text(json.dumps({"format": Workspace.FORMAT, "stages": stages}))
        place.start_over()
    assert precious.exists()
    assert (place.path / "notes.txt").exists()


def test_what_a_new_folder_replaces_is_deleted_only_after_it_stands(tmp_path: Path) -> None:
    """Catches an earlier deployment that is gone although the new one could not be put in its place."""
    old, new = tmp_path / "old", tmp_path / "new"
    (old / "kept").mkdir(parents=True)
    with pytest.raises(UnderstudyError, match="could not be moved"):
        replace(old, new)
    assert (old / "kept").exists()
    new.mkdir()
    replace(old, new)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert list(old.iterdir()) == []


def test_two_runs_never_share_a_workspace(tmp_path: Path) -> None:
    with (
        Workspace(tmp_path).locked(),
        pytest.raises(UnderstudyError, match="another understudy run") as caught,
        Workspace(tmp_path).locked(),
    ):
        pass
    assert str(os.getpid()) in str(caught.value)
    with Workspace(tmp_path).locked():
        pass


def test_a_fingerprint_sees_every_change_and_no_order() -> None:
    assert fingerprint({"a": 1, "b": (2,)}) == fingerprint({"b": [2], "a": 1})
    assert len({fingerprint(x) for x in ({"a": 1}, {"a": 2}, {"b": 1}, ["a", 1])}) == 4


def test_what_json_cannot_say_becomes_what_it_can() -> None:
    values = {1: Path("a"), "b": (float("nan"), float("inf"), 0.5), "c": {"d"}, "e": None, "f": True}
    assert jsonable(values) == {"1": "a", "b": [None, None, 0.5], "c": ["d"], "e": None, "f": True}


def test_a_command_that_replaces_a_stage_makes_it_outdated(tmp_path: Path) -> None:
    """Catches a demo that goes on with a policy which somebody trained otherwise in its workspace meanwhile."""
    place = Workspace(tmp_path)
    place.begin("train", [place.checkpoint])
    place.checkpoint.mkdir()
    place.finish("train", "a", [place.checkpoint], {})
    place.claim("train", [place.checkpoint])
    assert place.checkpoint.exists()
    assert not place.is_current("train", "a")
