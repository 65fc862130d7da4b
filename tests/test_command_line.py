"""The command line as a person and as a program meet it: exit codes, messages, JSON, help, and its workspace."""

import errno
import inspect
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main

import models.errors
from models.errors import UnderstudyError
from understudy.__main__ import run
from understudy.commands import build_app
from understudy.console import Console
from understudy.doctor import examination as doctor
from understudy.environment.ros_environment import repository_root
from understudy.stacks.drives import parse_seeds
from understudy.stacks.running import STACKS, StackRun, node_command, run_stack

DOCUMENTATION = repository_root() / "docs" / "command-line.md"
DRIVING = str(repository_root() / "contracts" / "driving.yaml")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Default workspaces are relative paths: no test may meet, or leave, one in the tree."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)


def commands() -> dict[str, Any]:
    """Full name to command, of every command that does something."""
    found: dict[str, Any] = {}

    def visit(name: str, command: Any) -> None:
        for child_name, child in getattr(command, "commands", {}).items():
            visit(f"{name} {child_name}".strip(), child)
        if not hasattr(command, "commands"):
            found[name] = command

    visit("", typer.main.get_command(build_app(Console())))  # type: ignore[arg-type]
    return found


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["contract", "check", "nowhere.yaml"], 3, "nowhere.yaml"),
        (["record", "--contract", "nowhere.yaml"], 3, "nowhere.yaml"),
        (["record", "--tracks", "one"], 2, "such as 1-4,9"),
        (["record", "--tracks", "5-"], 2, "such as 1-4,9"),
        (["record", "--domain", "500"], 2, "101"),
        (["demo", "--domain", "500"], 2, "101"),
        (["deploy", "--tracks", "abc"], 2, "such as 1-4,9"),
        (["evaluate", "--tracks", "abc"], 2, "such as 1-4,9"),
        (["evaluate", "--no-drive", "--tracks", "1-3", "--domain", "3"], 2, "--tracks, --domain"),
        (["evaluate", "--goal-policy-share", "95"], 2, "--goal-policy-share"),
        (["evaluate", "--goal-autonomy", "-0.1"], 2, "--goal-autonomy"),
        (["record", "--params-file", "nowhere.yaml"], 7, "nowhere.yaml"),
        (["episodes", "list"], 4, "understudy record"),
        (["episodes", "check"], 4, "understudy record"),
        (["episodes", "build", "--recordings", "."], 4, "understudy record"),
        (["episodes", "info", "nowhere"], 4, "nowhere"),
        (["train"], 4, "understudy record"),
        (["export"], 5, "understudy train"),
        (["deploy"], 6, "understudy export"),
        (["evaluate"], 6, "understudy export"),
        (["evaluate", "--no-drive"], 4, "understudy evaluate"),
        (["report"], 4, "understudy evaluate"),
        (["trian"], 2, "Did you mean 'train'"),
        (["train", "--epochs", "many"], 2, "--epochs"),
        (["train", "--epochs", "0"], 2, "--epochs"),
        (["contract", "check"], 2, "FILE"),
        ([], 2, "Usage"),
    ],
)
def test_a_mistake_ends_with_its_exit_code_and_says_what_to_do(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, says: str
) -> None:
    """Catches a traceback, a message that helps nobody, a code that the documentation does not promise."""
    assert run(arguments) == code
    output = capsys.readouterr()
    assert says.lower() in output.err.lower()
    assert "Traceback" not in output.err
    assert "Traceback" not in output.out
    assert not list(Path().iterdir())  # a mistyped workspace is not made


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [(["train", "--head", "mixtur"], "mixture"), (["train", "--augment", "alvin"], "alvinn")],
    ids=["typer", "ours"],
)
def test_a_mistyped_choice_is_answered_in_plain_words(
    capsys: pytest.CaptureFixture[str], arguments: list[str], meant: str
) -> None:
    """Catches the prefix of the library that checks values, and a list of choices without the one that was meant."""
    assert run(arguments) == 2
    said = capsys.readouterr().err
    assert "Value error" not in said
    assert said.strip().endswith(f"Did you mean {meant!r}?")


def test_help_says_whose_contract_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a help that promises the simulated car's contract where that of the recordings counts."""
    for command in (["episodes", "build"], ["report"]):
        assert run([*command, "--help"]) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert "that of the recordings" in said
        assert "driving.yaml" not in said


@pytest.mark.parametrize("place", [0, 1, 3], ids=["first", "second", "last"])
def test_json_mode_prints_one_object_for_an_error_wherever_the_flag_stands(
    capsys: pytest.CaptureFixture[str], place: int
) -> None:
    arguments = ["contract", "check", "nowhere.yaml"]
    arguments.insert(place, "--json")
    assert run(arguments) == 3
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], answer["exit_code"], answer["error"]["kind"]) == (False, 3, "ContractError")
    assert "nowhere.yaml" in answer["error"]["problem"]


@pytest.mark.parametrize("arguments", [["trian"], [], ["train", "--epochs", "many"]])
def test_json_mode_prints_one_object_for_a_wrong_command_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(["--json", *arguments]) == 2
    assert json.loads(capsys.readouterr().out)["exit_code"] == 2


def test_json_mode_prints_one_object_for_a_success(capsys: pytest.CaptureFixture[str]) -> None:
    contract = repository_root() / "contracts" / "driving.yaml"
    assert run(["contract", "check", str(contract), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], answer["robot_type"], answer["fps"]) == (True, "understudy_car", 20.0)
    assert answer["deployable"] is True


def test_a_contract_is_shown_to_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    contract = repository_root() / "contracts" / "driving.yaml"
    assert run(["contract", "check", str(contract)]) == 0
    text = capsys.readouterr().out
    for word in ("observation.images.front", "/cmd_vel", "twist.angular.z", "20 Hz", "starts a tick", "sound"):
        assert word in text


def test_a_contract_without_limits_is_sound_but_not_deployable(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = (repository_root() / "contracts" / "driving.yaml").read_text()
    path = tmp_path / "contract.yaml"
    path.write_text(re.sub(r"(?ms)^limits:.*?(?=^\S)", "", text))
    assert run(["contract", "check", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["deployable"] is False
    assert run(["record", "--contract", str(path)]) == 3
    assert "limits" in capsys.readouterr().err


def _raise(error: BaseException) -> Callable[..., Any]:
    def fail(*_arguments: object, **_options: object) -> None:
        raise error

    return fail


def test_a_defect_of_ours_is_saved_and_not_thrown_at_the_person(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "examine", _raise(ZeroDivisionError("a defect")))
    assert run(["doctor", "--json"]) == 70
    output = capsys.readouterr()
    answer = json.loads(output.out)
    saved = Path(answer["error"]["fix"].rpartition(" ")[2])
    try:
        assert "ZeroDivisionError: a defect" in saved.read_text()
    finally:
        saved.unlink()
    assert "Traceback" not in output.err
    assert str(saved) in output.err


def test_an_interrupt_is_no_defect(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "examine", _raise(KeyboardInterrupt()))
    assert run(["doctor", "--json"]) == 130
    assert json.loads(capsys.readouterr().out)["exit_code"] == 130


def test_a_damaged_file_is_no_interrupt(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an EOFError that typer takes for Ctrl-D: the person is told that he interrupted it."""
    monkeypatch.setattr(doctor, "examine", _raise(EOFError("no data left in file")))
    assert run(["doctor", "--json"]) == 70
    error = json.loads(capsys.readouterr().out)["error"]
    Path(error["fix"].rpartition(" ")[2]).unlink()
    assert "EOFError: no data left in file" in error["problem"]


@pytest.mark.parametrize(
    ("number", "code", "says"),
    [(errno.ENOSPC, 4, "the disk is full"), (errno.EROFS, 1, "scores.json"), (errno.ENOTDIR, 1, "scores.json")],
)
def test_what_the_machine_refuses_is_no_defect(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: int, code: int, says: str
) -> None:
    """Catches a full disk or a read-only folder that is called a defect of ours, with nothing to do about it."""
    monkeypatch.setattr(doctor, "examine", _raise(OSError(number, os.strerror(number), "scores.json")))
    assert run(["doctor", "--json"]) == code
    error = json.loads(capsys.readouterr().out)["error"]
    assert says in error["problem"]
    assert error["found"] == os.strerror(number)
    assert error["fix"]


@pytest.mark.parametrize(
    ("words", "redirection", "code"),
    [
        (["contract", "check", "nowhere.yaml", "--json"], ">&-", 3),
        (["contract", "check", "nowhere.yaml"], "2>&-", 3),
        (["contract", "check", DRIVING], ">&-", 0),
        (["contract", "check", DRIVING, "--json"], "| true; exit ${PIPESTATUS[0]}", 1),
        (["contract", "check", DRIVING], "> /dev/full", 4),
    ],
)
def test_a_stream_that_is_closed_or_full_leaves_no_traceback(words: list[str], redirection: str, code: int) -> None:
    command = shlex.join([sys.executable, "-m", "understudy", *words])
    environment = {**os.environ, "PYTHONPATH": str(repository_root()), "PYTHONUNBUFFERED": "1"}
    script = f"{command} {redirection}"
    # Without the sleep "true" may live until the object is written; a closed pipe is what is tested.
    if "true" in redirection:
        script = f"{{ sleep 0.5; {command}; }} {redirection}"
    ended = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_without_nodes_ends_in_order_too(tmp_path: Path, number: signal.Signals) -> None:
    """Catches a training that is ended without its JSON and without removing what it was writing."""
    bag = tmp_path / "recordings" / "drive"
    bag.mkdir(parents=True)
    (bag / "drive_0.mcap").touch()
    manifest = bag / "manifest.json"
    os.mkfifo(manifest)  # whoever reads it waits
    command = [sys.executable, "-m", "understudy", "--json", "episodes", "list", "-w", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(repository_root())}
    with (
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process,
        manifest.open("wb"),  # returns once the other end is open
    ):
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert json.loads(output)["exit_code"] == 128 + number
    assert b"Traceback" not in errors


def test_a_locale_without_unicode_escapes_what_it_cannot_write(tmp_path: Path) -> None:
    contract = tmp_path / "contract.yaml"
    contract.write_text(re.sub("robot_type: .*", 'robot_type: "Roböter"', Path(DRIVING).read_text("utf-8")), "utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": str(repository_root()),
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }
    command = [sys.executable, "-m", "understudy", "contract", "check", str(contract)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert "Rob\\xf6ter" in ended.stdout


# -- help and documentation --------------------------------------------------------------------------------------------


def test_help_needs_neither_torch_nor_ros() -> None:
    """Catches an import at the top of a command module that makes every command, and every Tab, slow."""
    script = """
import sys
from understudy.__main__ import run
assert run(["--help"]) == 0 and run(["train", "--help"]) == 0
heavy = {"torch", "rclpy", "numpy", "cv2", "pybullet", "onnxruntime", "onnx", "matplotlib", "rosbags", "yaml"}
sys.exit(", ".join(sorted(heavy & set(sys.modules))) or 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=repository_root(), timeout=60
    )
    assert done.returncode == 0, f"imported for --help: {done.stderr}"
    assert "train" in done.stdout


def test_every_command_and_every_option_explains_itself() -> None:
    missing = []
    for name, command in commands().items():
        if not command.help:
            missing.append(name)
        missing += [f"{name}: {option.name}" for option in command.params if not getattr(option, "help", None)]
    assert not missing


def test_every_command_is_in_the_documentation() -> None:
    text = DOCUMENTATION.read_text()
    groups = {"episodes": "`understudy episodes list / info / check / recover / import / build`"}
    for name in commands():
        expected = groups.get(name.split()[0], f"`understudy {name}")
        assert expected in text, f"docs/command-line.md does not name: understudy {name}"
        if name.split()[0] in groups:
            assert name.split()[1] in expected


def test_every_exit_code_is_in_the_documentation() -> None:
    """Catches a new kind of error whose code a script's author has to find out by experiment."""
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", DOCUMENTATION.read_text(), re.MULTILINE)}
    errors = [value for _, value in inspect.getmembers(models.errors, inspect.isclass)]
    used = {error.exit_code for error in errors if issubclass(error, UnderstudyError)}
    assert used | {0, 2, 70, 130} <= documented


# -- small things ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seeds"), [("1", (1,)), ("1-4,9", (1, 2, 3, 4, 9)), (" 7 , 3 ", (7, 3)), ("5-5", (5,))]
)
def test_seeds_are_read(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "4-1", "1-", "1-2-3", "-3", "1,,2", "1-99999999999"])
def test_seeds_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UnderstudyError, match="cannot be read"):
        parse_seeds(text)


def test_parameters_reach_a_node_with_their_type(tmp_path: Path) -> None:
    """An integer for a float parameter, or a text that reads as a number, would be refused by the node."""
    command = node_command("sim", tmp_path, {"laps": 1, "factor": 1.0, "name": "7", "path": tmp_path, "seeds": [1, 2]})
    values = [word for word in command if ":=" in word]
    assert values == ["laps:=1", "factor:=1.0", 'name:="7"', f'path:="{tmp_path}"', "seeds:=[1, 2]"]
    assert command[:3] == (sys.executable, "-m", "il_nodes.nodes.sim")


def test_a_parameter_for_a_node_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Catches a misspelt node silently running with its defaults."""
    with pytest.raises(UnderstudyError, match="no such node"):
        run_stack(StackRun("collect", tmp_path, tmp_path / "p.yaml", {"polcy": {"bundle": "x"}}))


def test_everybody_who_drives_stops_behind_the_gate() -> None:
    for name, nodes in STACKS.items():
        assert ("gate" in nodes) == (name != "sim")
        assert nodes[0] == "sim"


def test_ctrl_c_before_the_commands_are_imported_is_no_traceback() -> None:
    """Catches a reflex right after Enter that fills the terminal with Python."""
    script = """import importlib.abc, os, signal, sys
class Interrupting(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "understudy.commands":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from understudy.__main__ import main
main()
"""
    environment = {**os.environ, "PYTHONPATH": str(repository_root())}
    command = [sys.executable, "-c", script, "doctor"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
