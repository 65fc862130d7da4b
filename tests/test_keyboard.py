"""The terminal, a real one: a child process on a pseudo-terminal, and its settings before, during and after."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from terminal_process import OnTerminal

from il_nodes.teleop.keyboard import Terminal
from models.errors import DeploymentError

CHILD = """
import sys, time
from il_nodes.teleop.keyboard import Terminal
terminal = Terminal()
terminal.note("ready")
while not terminal.hung_up:
    data = terminal.read()
    if data == b"e":
        raise RuntimeError("an error in the middle")
    if data == b"q":
        terminal.close()
        terminal.close()
        sys.exit(0)
    if data:
        terminal.status("typed " + repr(data))
        terminal.note("got " + repr(data))
    time.sleep(0.005)
open(sys.argv[1], "w").write("hung up")
"""
BACKGROUND = """
import subprocess, sys
job = [sys.executable, "-c", sys.argv[1], ""]
print(subprocess.run(job, process_group=0, capture_output=True, text=True).stderr)
"""
#: Starts the rest of its arguments as a child, as a script or a shell would.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", *sys.argv[1:]])
print(f"started {child.pid}.", flush=True)
time.sleep(60)
"""


@pytest.fixture
def on_terminal(tmp_path: Path) -> Iterator[Callable[..., OnTerminal]]:
    started: list[OnTerminal] = []

    def start(*arguments: str) -> OnTerminal:
        code, *rest = arguments or (CHILD, str(tmp_path / "said"))
        started.append(OnTerminal("-c", code, *rest))
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_keys_come_one_by_one_and_unechoed(on_terminal: Callable[..., OnTerminal]) -> None:
    """Would catch a terminal that waits for Enter, or one that prints what is typed across the status line."""
    one = on_terminal()
    one.until_said("ready")
    assert not one.echoes
    one.type(b"w")
    one.until_said("got b'w'")
    assert "typed b'w'" in one.output
    one.type(b"q")
    one.until(lambda: one.process.poll() is not None, "the end")
    assert one.process.returncode == 0
    assert one.restored


@pytest.mark.parametrize("number", [signal.SIGINT, None])
def test_an_exception_restores_the_terminal(
    on_terminal: Callable[..., OnTerminal], number: signal.Signals | None
) -> None:
    """Would catch a shell that seems dead after Ctrl-C (KeyboardInterrupt) or after a crash."""
    one = on_terminal()
    one.until_said("ready")
    one.type(b"e" if number is None else b"\x03")
    one.until(lambda: one.process.poll() is not None, "the end")
    assert one.process.returncode != 0
    assert one.restored


def test_ctrl_z_gives_the_terminal_back_until_fg(on_terminal: Callable[..., OnTerminal]) -> None:
    """Would catch a shell without an echo after Ctrl-Z, or keys that need Enter after fg."""
    one = on_terminal()
    one.until_said("ready")
    one.process.send_signal(signal.SIGTSTP)
    one.until(lambda: one.restored, "the shell's terminal")
    one.process.send_signal(signal.SIGCONT)
    one.until(lambda: not one.echoes, "key by key again")
    one.type(b"w")
    one.until_said("got b'w'")


def test_the_death_of_the_parent_restores_the_terminal(on_terminal: Callable[..., OnTerminal], tmp_path: Path) -> None:
    """Would catch ``kill -9`` of a script that leaves a robot's keyboard running on a dead terminal."""
    ends_at_sigterm = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n" + CHILD
    # The death of the first one would close the terminal; it is the one in the middle that dies.
    one = on_terminal(PARENT, PARENT, ends_at_sigterm, str(tmp_path / "said"))
    one.until_said("ready")
    assert not one.echoes
    script = int(one.read().split("started ")[1].split(".")[0])
    os.kill(script, signal.SIGKILL)
    one.until(lambda: one.restored, "the settings of before", 10.0)


def test_a_closed_window_ends_the_reading(on_terminal: Callable[..., OnTerminal], tmp_path: Path) -> None:
    """Would catch a process that spins on a dead terminal, with a robot at its hands."""
    one = on_terminal()
    one.until_said("ready")
    os.close(one.slave)
    os.close(one.master)
    one.slave = one.master = -1
    deadline = time.monotonic() + 10.0
    while one.process.poll() is None:
        assert time.monotonic() < deadline, "it goes on without a terminal"
        time.sleep(0.005)
    assert (tmp_path / "said").read_text() == "hung up"


def test_no_terminal_is_refused_in_words() -> None:
    """Would catch a termios traceback under a supervisor."""
    with open(os.devnull) as nothing, pytest.raises(DeploymentError, match="needs a terminal") as caught:
        Terminal(nothing)
    assert "device: joy" in caught.value.fix
    closed = open(os.devnull)  # noqa: SIM115
    closed.close()
    with pytest.raises(DeploymentError, match="needs a terminal"):
        Terminal(closed)


def test_a_background_job_is_refused(on_terminal: Callable[..., OnTerminal]) -> None:
    """Would catch ``… &``, where the first look at the keyboard stops the whole process."""
    one = on_terminal(BACKGROUND, CHILD)
    one.until_said("belongs to another job")
    assert one.restored
