"""The terminal, lent to a process of a run: what is typed, what is shown, and how it is left."""

import fcntl
import os
import pty
import re
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from test_supervisor import OBEDIENT, PYTHON, supervisor, wait_until

from models.errors import DeploymentError
from understudy.environment.ros_environment import repository_root
from understudy.stacks.supervisor import ProcessSpec

# Reads single keys as a teleoperator's node does, shows them, and says on stderr what belongs in a log.
KEYS = """
import os, signal, sys, termios, tty
tty.setcbreak(0)
print("log line", file=sys.stderr, flush=True)
print("press", os.isatty(0), os.isatty(1), flush=True)
while True:
    key = os.read(0, 1)
    if key == b"q":
        sys.exit(0)
    print("got", key.decode(), flush=True)
"""


class Shell:
    """A terminal with a supervisor in its foreground, as a person's shell would have it.

    With ``job``, the line of a shell with job control in which ``"$@"`` is the supervisor, there is one in between.
    """

    def __init__(self, folder: Path, program: str, job: str = "") -> None:
        script = f"""
import os, sys
from pathlib import Path
from understudy.stacks.supervisor import ProcessSpec, Supervisor, Terminated
python = ({sys.executable!r}, "-I", "-S", "-c")
specs = [ProcessSpec("gate", (*python, {OBEDIENT!r}), stop_rank=0),
         ProcessSpec("teleop", (*python, {program!r}), ends_run=True, terminal=True)]
try:
    with Supervisor(specs, os.environ, Path({str(folder)!r})) as run:
        print("teleop", run.process_ids["teleop"], flush=True)
        run.run()
    print("ended", run.stop_order, flush=True)
except (KeyboardInterrupt, Terminated) as error:
    print(type(error).__name__, run.stop_order, flush=True)
"""
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        python = [sys.executable, "-c", script]
        self.process = subprocess.Popen(
            ["bash", "-c", f"set -m; {job}; echo shell again $?", "bash", *python] if job else python,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=repository_root(),
            preexec_fn=lambda: (os.setsid(), fcntl.ioctl(0, termios.TIOCSCTTY, 0)),  # type: ignore[func-returns-value]
        )
        self.slave = slave
        self.shown = ""
        os.set_blocking(self.master, False)

    def shows(self, text: str) -> bool:
        with suppress(BlockingIOError, OSError):
            self.shown += os.read(self.master, 65536).decode()
        return text in self.shown

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.slave)
        os.close(self.master)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Callable[[str], Shell]]:
    opened: list[Shell] = []

    def open_shell(program: str) -> Shell:
        opened.append(Shell(tmp_path, program))
        wait_until(lambda: opened[-1].shows("press True True"), f"the keys are read: {opened[-1].shown}")
        return opened[-1]

    yield open_shell
    for one in opened:
        one.close()


def test_keys_reach_the_node_with_the_terminal_and_its_log_stays_a_log(
    shell: Callable[[str], Shell], tmp_path: Path
) -> None:
    """Catches a teleoperator who types at a file, and log lines that tear the status line apart."""
    opened = shell(KEYS)
    os.write(opened.master, b"w")
    wait_until(lambda: opened.shows("got w"), "the key arrives without Enter")
    os.write(opened.master, b"q")
    wait_until(lambda: opened.shows("ended ['teleop', 'gate']"), "q ends the run, and the gate is stopped")
    assert (tmp_path / "teleop.log").read_text() == "log line\n"
    assert "log line" not in opened.shown


def test_ctrl_c_at_the_keyboard_stops_the_gate_first(shell: Callable[[str], Shell]) -> None:
    """Catches a Ctrl-C that the terminal sends to the teleoperator too, so that he is gone before the robot halts."""
    opened = shell(KEYS)
    os.write(opened.master, b"\x03")
    wait_until(lambda: opened.shows("KeyboardInterrupt ['gate', 'teleop']"), "the gate was the first to stop")


def test_a_terminal_whose_node_was_killed_is_put_right(shell: Callable[[str], Shell]) -> None:
    """Catches the person's shell left without an echo, which looks dead."""
    opened = shell(KEYS)
    assert termios.tcgetattr(opened.slave)[3] != opened.before[3]
    os.kill(int(re.findall(r"teleop (\d+)", opened.shown)[0]), signal.SIGKILL)
    opened.process.wait(10)
    assert termios.tcgetattr(opened.slave) == opened.before


def test_ctrl_z_leaves_nobody_with_the_keys_of_the_shell(tmp_path: Path) -> None:
    """Catches a supervisor that is stopped while its teleoperator goes on, and steers by what is typed there."""
    opened = Shell(tmp_path, KEYS, '"$@"')
    try:
        wait_until(lambda: opened.shows("press True True"), f"the keys are read: {opened.shown}")
        os.write(opened.master, b"\x1aq")
        wait_until(lambda: opened.shows("shell again"), "the shell has its terminal again")
        assert "shell again 0" in opened.shown
        assert "ended ['teleop', 'gate']" in opened.shown
    finally:
        opened.close()


def test_a_keyboard_in_the_background_is_refused(tmp_path: Path) -> None:
    """Catches a teleoperator who is started with & and takes every other key from the shell."""
    opened = Shell(tmp_path, KEYS, '"$@" & wait $!')
    try:
        wait_until(lambda: opened.shows("shell again"), "the shell goes on")
        assert "the terminal belongs to another job" in opened.shown
        assert not (tmp_path / "teleop.log").exists()
    finally:
        opened.close()


def test_a_keyboard_without_a_terminal_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "file").open("w+") as file:
        monkeypatch.setattr(sys, "stdin", file)
        run = supervisor(tmp_path, ProcessSpec("teleop", (*PYTHON, KEYS), terminal=True))
        with pytest.raises(DeploymentError, match="needs a terminal"), run:
            pass
