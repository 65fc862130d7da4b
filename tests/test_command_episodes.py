"""`understudy episodes`: what becomes of unfinished, damaged and foreign bags on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ros_messages import CAMERA, TOPIC_TYPES, make_contract
from test_bag import flip_bit, record
from test_bag_crash import unfinished
from test_bag_foreign import write_with_mcap
from test_dataset_builder import drive

from il_nodes.bags.files import ORIGINALS
from understudy.__main__ import run as understudy
from understudy.workspace import Workspace


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, dict[str, Any]]:
    code = understudy(["episodes", *map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_recover_saves_what_is_whole_and_names_what_is_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Would catch a damaged bag that is repaired, a second run that does more, and a recovered one that looks whole."""
    recordings = tmp_path / "recordings"
    unfinished(recordings)
    record(recordings, drive(), "good")
    damaged = record(recordings, drive(), "damaged")
    flip_bit(next(damaged.glob("*.mcap")))
    before = next(damaged.glob("*.mcap")).read_bytes()
    code, answer = run(capsys, "recover", "-w", tmp_path)
    assert code == 1
    (item,) = answer["partial"]
    assert (item["name"], item["result"], item["bag"]) == ("drive.partial", "recovered", "drive.recovered")
    assert item["messages"] == 200
    assert list(answer["damaged"]) == ["damaged"]
    assert next(damaged.glob("*.mcap")).read_bytes() == before
    code, answer = run(capsys, "recover", recordings)
    assert (code, answer["partial"]) == (1, [])
    code, answer = run(capsys, "check", "-w", tmp_path)
    assert (code, answer["bags"], list(answer["problems"])) == (1, 3, ["damaged"])
    assert "never finished" in answer["quarantined"]["drive.recovered"]
    code, answer = run(capsys, "list", "-w", tmp_path)
    outcomes = {row["name"]: row["outcome"] for row in answer["episodes"]}
    assert outcomes == {"damaged": "damaged", "drive.recovered": "partial", "good": "success"}
    assert (recordings / ORIGINALS / "drive.partial").is_dir()


def test_one_partial_folder_can_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    partial = unfinished(tmp_path)
    code, answer = run(capsys, "recover", partial)
    assert (code, [item["result"] for item in answer["partial"]]) == (0, ["recovered"])


def test_an_imported_bag_is_built_like_any_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch an import that lands beside the workspace, or that building leaves out."""
    source = write_with_mcap(tmp_path / "theirs.mcap", drive())
    contract = tmp_path / "robot.yaml"
    contract.write_text(make_contract().text)
    code, answer = run(capsys, "import", source, "--contract", contract, "-w", tmp_path / "run", "--name", "mine")
    assert (code, answer["messages"]) == (0, len(drive()))
    assert set(answer["counts"]) == set(TOPIC_TYPES)
    code, answer = run(capsys, "info", tmp_path / "run" / "recordings" / "mine")
    assert (code, answer["outcome"], answer["origin"]) == (0, "imported", "imported from theirs.mcap")
    code, answer = run(capsys, "build", "-w", tmp_path / "run")
    assert (code, answer["frames"]) == (0, 10)
    code, answer = run(capsys, "import", source, "--contract", contract, "-w", tmp_path / "run", "--name", "mine")
    assert (code, "never overwritten" in answer["error"]["problem"]) == (4, True)


def test_an_import_that_fails_leaves_nothing_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch a workspace under a mistyped name, and one of which nobody knows what made it."""
    unstamped = [(t, ns, cdr[:4] + bytes(8) + cdr[12:] if t == CAMERA else cdr) for t, ns, cdr in drive()]
    source = write_with_mcap(tmp_path / "theirs.mcap", unstamped)
    contract = tmp_path / "robot.yaml"
    contract.write_text(make_contract().text)
    workspace = tmp_path / "runs" / "mistyped"
    code, answer = run(capsys, "import", source, "--contract", contract, "-w", workspace)
    assert (code, "carry no stamps" in answer["error"]["problem"]) == (4, True)
    assert not (tmp_path / "runs").exists()
    garbled = write_with_mcap(tmp_path / "garbled.mcap", drive())
    garbled.write_bytes(garbled.read_bytes()[:100])
    code, _ = run(capsys, "import", garbled, "--contract", contract, "-w", workspace)
    assert (code, (tmp_path / "runs").exists()) == (4, False)
    workspace.mkdir(parents=True)
    code, _ = run(capsys, "import", garbled, "--contract", contract, "-w", workspace)
    assert (code, workspace.exists()) == (4, True), "a folder that was there before"


def test_an_import_waits_for_nobody_and_disturbs_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch a bag that lands in a folder while another run builds a dataset of it."""
    source = write_with_mcap(tmp_path / "theirs.mcap", drive())
    contract = tmp_path / "robot.yaml"
    contract.write_text(make_contract().text)
    place = Workspace(tmp_path / "run")
    with place.locked():
        code = understudy(["episodes", "import", str(source), "--contract", str(contract), "-w", str(place.path)])
    assert (code, "another understudy run works in" in capsys.readouterr().err) == (1, True)
    assert not place.recordings.exists()
