"""``understudy record`` as a process: what is on disk, and who still runs, however it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from models.errors import RecordingError, UnderstudyError
from understudy.__main__ import run
from understudy.console import Progress
from understudy.environment.ros_environment import repository_root
from understudy.stacks.drives import DriveSettings, drive, finished_episodes
from understudy.stacks.running import STACKS

DOCUMENTATION = repository_root() / "docs" / "command-line.md"
DRIVING = str(repository_root() / "contracts" / "driving.yaml")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Default workspaces are relative paths: no test may meet, or leave, one in the tree."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)


@pytest.fixture
def understudy() -> Iterator[Callable[[Sequence[str]], "subprocess.Popen[str]"]]:
    """Starts the command as a process; ended, with all that it started, when the test is over."""
    started: list[subprocess.Popen[str]] = []

    def start(arguments: Sequence[str]) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "understudy", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(repository_root())}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()  # its nodes go with it: that is the supervisor's promise
        process.communicate()


def nodes_of(process_id: int) -> dict[str, int]:
    """Name to process id of the nodes that a process started."""
    found = {}
    for task in Path(f"/proc/{process_id}/task").iterdir():
        for child in (task / "children").read_text().split():
            words = Path(f"/proc/{child}/cmdline").read_text().split("\0")
            names = [word.removeprefix("il_nodes.nodes.") for word in words if word.startswith("il_nodes.nodes.")]
            found.update(dict.fromkeys(names, int(child)))
    return found


def wait_until(condition: Callable[[], object], process: "subprocess.Popen[str]", what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        if process.poll() is not None:
            raise AssertionError(f"it ended before {what}: {process.communicate()}")
        assert time.monotonic() < deadline, f"not within 60 s: {what}"
        time.sleep(0.02)  # between two looks at what other processes do


@pytest.mark.ros
@pytest.mark.sim
def test_two_recorded_episodes_are_listed_and_intact(
    understudy: Callable[[Sequence[str]], "subprocess.Popen[str]"], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = str(tmp_path / "run")
    output, errors = understudy(
        ["record", "--json", "-w", workspace, "--tracks", "1-2", "--max-episode-s", "2"]
    ).communicate(timeout=120)
    answer = json.loads(output)
    assert (answer["ok"], answer["episodes"]) == (True, 2), errors

    assert run(["episodes", "list", "--json", "-w", workspace]) == 0
    rows = json.loads(capsys.readouterr().out)["episodes"]
    assert [row["outcome"] for row in rows] == ["complete", "complete"]
    assert run(["episodes", "check", "-w", workspace]) == 0
    capsys.readouterr()

    assert run(["record", "-w", workspace]) == 4  # never mixed with new ones by accident
    assert "--append" in capsys.readouterr().err
    output, errors = understudy(
        ["record", "-w", workspace, "--append", "--tracks", "9", "--max-episode-s", "1"]
    ).communicate(timeout=120)
    assert f"1 episode added; 3 in {workspace}/recordings" in output, errors
    assert output.splitlines()[-1] == f"next: understudy episodes build --workspace {workspace}"

    bag = finished_episodes(tmp_path / "run" / "recordings")[0]
    file = next(bag.glob("*.mcap"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert run(["episodes", "check", "--json", "-w", workspace]) == 1
    assert list(json.loads(capsys.readouterr().out)["problems"]) == [bag.name]


@pytest.mark.ros
@pytest.mark.sim
def test_ctrl_c_in_mid_episode_ends_every_node_and_keeps_the_episode(
    understudy: Callable[[Sequence[str]], "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    process = understudy(
        ["record", "--json", "-w", str(tmp_path), "--tracks", "1", "--laps", "0", "--real-time-factor", "1"]
    )
    wait_until(lambda: list(tmp_path.glob("recordings/*.partial/*.mcap")), process, "an episode is being recorded")
    nodes = nodes_of(process.pid)
    assert set(nodes) == set(STACKS["collect"])
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert json.loads(output)["exit_code"] == 130
    assert not any(Path(f"/proc/{node}").exists() for node in nodes.values())
    assert len(finished_episodes(tmp_path / "recordings")) == 1


@pytest.mark.ros
@pytest.mark.sim
def test_a_node_that_is_killed_ends_the_run_and_is_named(
    understudy: Callable[[Sequence[str]], "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    process = understudy(["record", "-w", str(tmp_path), "--tracks", "1", "--laps", "0", "--real-time-factor", "1"])
    wait_until(lambda: list(tmp_path.glob("recordings/*.partial/*.mcap")), process, "an episode is being recorded")
    nodes = nodes_of(process.pid)
    os.kill(nodes["expert"], signal.SIGKILL)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 7
    assert "the expert node was killed by SIGKILL" in errors
    assert not any(Path(f"/proc/{node}").exists() for node in nodes.values())


@pytest.mark.ros
@pytest.mark.sim
@pytest.mark.parametrize(
    ("tracks", "finished", "kept", "left"),
    [
        ("5-7", 1, "1 of 3 episodes whole, and kept; demonstration-0-001-track-6 kept as aborted", "--tracks 6,7; "),
        ("5", 0, "0 of 1 episode whole, and kept; demonstration-0-000-track-5 kept as aborted", "--tracks 5; "),
    ],
)
def test_a_simulator_that_is_ended_in_mid_run_is_named_with_what_is_kept(
    understudy: Callable[[Sequence[str]], "subprocess.Popen[str]"],
    tmp_path: Path,
    tracks: str,
    finished: int,
    kept: str,
    left: str,
) -> None:
    """Catches "fewer episodes were recorded than driven", and a last episode that is cut off and passes for whole."""
    given = ["--tracks", tracks, "--laps", "0", "--max-episode-s", "4", "--real-time-factor", "1"]
    process = understudy(["record", "-w", str(tmp_path), *given])

    def in_mid_episode() -> bool:
        partial = list(tmp_path.glob("recordings/*.partial/*.mcap"))
        return len(finished_episodes(tmp_path / "recordings")) == finished and bool(partial)

    wait_until(in_mid_episode, process, "the episode is being recorded")
    nodes = nodes_of(process.pid)
    os.kill(nodes["sim"], signal.SIGTERM)
    _, errors = process.communicate(timeout=40)
    assert process.returncode == 7, errors
    assert "the simulator was ended by SIGTERM, in the middle of the run" in errors
    assert f"found:    {kept}\n" in errors
    assert f"still to be driven: {left}somebody, or the system, sent it that signal" in errors
    assert "fewer episodes" not in errors
    assert len(finished_episodes(tmp_path / "recordings")) == finished + 1
    assert not any(Path(f"/proc/{node}").exists() for node in nodes.values())


def test_names_that_are_taken_are_refused_before_anything_moves(tmp_path: Path) -> None:
    """Catches minutes of driving that the recorder then refuses, episode by episode."""
    settings = DriveSettings(tracks=(4, 7), prefix="drive")
    (tmp_path / "drive-001-track-7").mkdir()
    with pytest.raises(RecordingError, match="already") as caught:
        drive(settings, tmp_path, tmp_path / "logs", Progress(), contract=Path(DRIVING))
    assert caught.value.found == "drive-001-track-7"
    assert not (tmp_path / "logs").exists()


@pytest.mark.ros
@pytest.mark.sim
def test_what_a_killed_recorder_left_is_kept_and_in_nobodys_way(tmp_path: Path) -> None:
    """Catches a run that cannot be repeated after a power cut, or that repeats it over what was saved."""
    for rest in ("drive-000-track-1.partial", "drive-000-track-1.interrupted-1.partial"):
        (tmp_path / rest).mkdir()
        (tmp_path / rest / "saved").write_text(rest)
    settings = DriveSettings(tracks=(1,), prefix="drive", max_episode_s=1.0, lock_step=True)
    made = drive(settings, tmp_path, tmp_path / "logs", Progress(), contract=Path(DRIVING))
    assert [bag.name for bag in made] == ["drive-000-track-1"]
    kept = {path.parent.name: path.read_text() for path in tmp_path.glob("*/saved")}
    assert kept == {
        "drive-000-track-1.interrupted-1.partial": "drive-000-track-1.interrupted-1.partial",
        "drive-000-track-1.interrupted-2.partial": "drive-000-track-1.partial",
    }


def test_a_drive_without_tracks_is_refused() -> None:
    with pytest.raises(UnderstudyError, match="track seeds"):
        DriveSettings(tracks=())
