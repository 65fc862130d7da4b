"""``understudy relabel`` as a process, and what a dataset makes of its labels."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from recorded_drives import PERIOD_NS, drive, write_bag

from models.errors import DatasetError
from models.label_file import read_labels
from understudy.__main__ import run
from understudy.environment.ros_environment import repository_root
from understudy.relabel.episode import ShownEpisode, open_episode
from understudy.relabel.session import LabelSession

TICKS = 20


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second of driving with pictures; the recording is only read."""
    place = tmp_path_factory.mktemp("relabel") / "run"
    write_bag(place / "recordings", "first", drive(3, TICKS * PERIOD_NS / 1e9, images=True))
    return place


@pytest.fixture
def shown(workspace: Path) -> Iterator[ShownEpisode]:
    episode = open_episode(workspace / "recordings" / "first")
    yield episode
    episode.frames.close()


def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """The command as a process, and the address that it prints."""
    command = [sys.executable, "-m", "understudy", "relabel", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(repository_root())}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("open http"):
            return process, line.split()[1]
    raise AssertionError(process.wait())


def post(url: str, place: str, body: object) -> None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port or 0, timeout=10)
    connection.request("POST", f"{parts.path}{place}", json.dumps(body))
    assert connection.getresponse().status == 200


def test_ctrl_c_says_what_is_not_saved_and_the_next_run_has_it(workspace: Path, tmp_path: Path) -> None:
    """Catches labels lost without a word, and a recording that was touched."""
    bag = workspace / "recordings" / "first"
    before = {file.name: file.read_bytes() for file in bag.iterdir()}
    process, url = start(str(bag))
    post(url, "api/labels", {"labels": [[0, [1, 0]], [1, [1, 0]]], "speed": 0.25})
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=20)[0]
    assert process.returncode == 1
    assert "2 labels not saved; kept in" in output
    assert "Traceback" not in output
    process, url = start(str(workspace), "--episode", "first", "--who", "ann")
    post(url, "api/finish", None)
    output = process.communicate(timeout=20)[0]
    assert process.returncode == 0
    path = workspace / "labels" / "first.json"
    assert f"2 labels in {path}" in output
    assert read_labels(path).labeller == "ann"
    assert {file.name: file.read_bytes() for file in bag.iterdir()} == before
    assert os.listdir(workspace / "labels") == ["first.json"]


def test_a_full_disk_ends_neither_the_command_nor_the_page(tmp_path: Path) -> None:
    """Catches labels that could have been saved once there was room again."""
    bag = write_bag(tmp_path / "recordings", "first", drive(3, 0.3, images=True))
    process, url = start(str(bag))
    (tmp_path / "labels" / "first.json.draft").mkdir()
    with pytest.raises(AssertionError):
        post(url, "api/labels", {"labels": [[0, [1, 0]]], "speed": 0.25})
    assert process.stdout is not None
    assert any("cannot be written" in line for line in process.stdout), "the command ended without a word"
    (tmp_path / "labels" / "first.json.draft").rmdir()
    post(url, "api/finish", None)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert len(read_labels(tmp_path / "labels" / "first.json").stamps_ns) == 1


def test_what_cannot_be_kept_is_said_at_the_end(tmp_path: Path) -> None:
    """Catches a last word that names a draft which was never written."""
    bag = write_bag(tmp_path / "recordings", "first", drive(3, 0.3, images=True))
    process, url = start(str(bag))
    (tmp_path / "labels" / "first.json.draft").mkdir()
    with pytest.raises(AssertionError):
        post(url, "api/labels", {"labels": [[0, [1, 0]]], "speed": 0.25})
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=20)[0]
    assert process.returncode == 1
    assert "1 label not saved" in output
    assert "kept in" not in output
    assert "Traceback" not in output


def test_one_episode_is_labelled_in_one_session_at_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches two sessions that overwrite each other's labels, and a lock that outlives a session that was killed."""
    bag = write_bag(tmp_path / "recordings", "first", drive(3, 0.3, images=True))
    process, url = start(str(bag))
    try:
        assert run(["relabel", str(tmp_path)]) == 5
        assert "is being labelled in another session" in capsys.readouterr().err
        post(url, "api/labels", {"labels": [[0, [1, 0]]], "speed": 0.25})
    finally:
        process.kill()
        process.communicate()
    process, url = start(str(bag))
    post(url, "api/finish", None)
    assert "1 label in" in process.communicate(timeout=20)[0]
    assert os.listdir(tmp_path / "labels") == ["first.json"]


def test_a_session_that_labelled_nothing_leaves_nothing(tmp_path: Path) -> None:
    """Catches folders and locks that pile up in a workspace."""
    bag = write_bag(tmp_path / "recordings", "first", drive(3, 0.3, images=True))
    process, _ = start(str(bag))
    process.send_signal(signal.SIGINT)
    assert "nothing was labelled" in process.communicate(timeout=20)[0]
    assert sorted(os.listdir(tmp_path)) == ["recordings"]


def test_mistakes_have_their_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["relabel", str(tmp_path / "nowhere")]) == 4
    assert "there is nothing to label" in capsys.readouterr().err
    assert run(["relabel", str(tmp_path), "--speed", "0"]) == 2
    assert run(["relabel"]) == 2


def test_a_dataset_takes_these_labels_on_these_ticks_alone(
    workspace: Path, shown: ShownEpisode, tmp_path: Path
) -> None:
    """Catches labels that nobody trains on, and labels of another recording that somebody does."""
    from il_nodes.dataset.builder import build_dataset
    from models.episodes import open_dataset
    from models.label_file import write_labels

    bag, labels = workspace / "recordings" / "first", tmp_path / "labels"
    session = LabelSession(shown, labels)
    session.give({tick: [1.5, -0.5] for tick in (4, 5)}, 0.25)
    session.save()
    report = build_dataset([bag], tmp_path / "set", labels=labels)
    dataset = open_dataset(tmp_path / "set")
    assert report.used[0].relabelled == 2
    expected = shown.expert.copy()
    expected[[4, 5]] = [1.5, -0.5]
    np.testing.assert_array_equal(dataset.actions, expected[np.isin(shown.stamps_ns, dataset.stamps_ns)])

    saved = read_labels(session.path)
    write_labels(session.path, type(saved)(**{**vars(saved), "recording_sha256": "0" * 64}))
    with pytest.raises(DatasetError, match="another recording"):
        build_dataset([bag], tmp_path / "other", labels=labels)


def test_labels_make_a_dataset_outdated(workspace: Path, shown: ShownEpisode) -> None:
    """Catches a training that goes on with the labels from before."""
    from understudy.dataset_stage import _digests

    labels = workspace / "labels-of-this-test"
    bags = [workspace / "recordings" / "first"]
    before = _digests(bags, labels)
    session = LabelSession(shown, labels)
    session.give({0: [1.0, 0.0]}, 1.0)
    session.save()
    assert _digests(bags, labels) != before
