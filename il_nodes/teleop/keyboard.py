"""A terminal that gives key by key, and is what it was before whatever happens. No ROS.

In ``cbreak`` mode keys come without Enter and without an echo; Ctrl-C and Ctrl-Z still work. The settings are put back
on close, at the end of the process after an exception, on Ctrl-Z (and cbreak again on ``fg``). When the parent process
dies (``kill -9`` of a shell or a script), the kernel sends this one SIGTERM, so that it can put them back too. Only
SIGKILL of this process itself leaves a terminal behind that needs ``stty sane``.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import select
import shutil
import signal
import sys
import termios
import tty
from contextlib import suppress
from types import FrameType
from typing import Any, TextIO

from models.errors import DeploymentError

__all__ = ["Terminal"]

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
#: Bytes read at a time; a person types far less between two looks.
_CHUNK = 4096
_CLEAR_LINE = "\r\x1b[K"


class Terminal:
    """Keys in, a status line and messages out.

    Args:
        source: what is read; must be a terminal in whose foreground this process runs.
        target: where the status line goes; none is shown where it is no terminal.

    Raises:
        DeploymentError: ``source`` is no terminal, or belongs to another job.
    """

    def __init__(self, source: TextIO | None = None, target: TextIO | None = None) -> None:
        self._descriptor = _descriptor(source if source is not None else sys.stdin)
        self._target = target if target is not None else sys.stdout
        self._shows = self._target.isatty()
        self._line = ""
        self.closed = False
        self.hung_up = False
        self._before = termios.tcgetattr(self._descriptor)
        self._old_signals: dict[int, Any] = {}
        atexit.register(self.close)
        for number, handler in (
            (signal.SIGHUP, self._on_hang_up),
            (signal.SIGTSTP, self._on_suspend),
            (signal.SIGCONT, self._on_continue),
        ):
            self._old_signals[number] = signal.signal(number, handler)
        _end_with_parent()
        tty.setcbreak(self._descriptor, termios.TCSANOW)

    def read(self) -> bytes:
        """What was typed since the last call, at once; sets :attr:`hung_up` when the terminal is gone."""
        data = b""
        while not (self.closed or self.hung_up) and select.select([self._descriptor], [], [], 0.0)[0]:
            try:
                chunk = os.read(self._descriptor, _CHUNK)
            except OSError:
                chunk = b""
            if not chunk:
                self.hung_up = True
            data += chunk
            if len(chunk) < _CHUNK:
                break
        return data

    def status(self, line: str) -> None:
        """Show ``line`` in place of the last one, cut to the terminal's width."""
        width = shutil.get_terminal_size().columns
        shown = line[: max(0, width - 1)]
        if shown != self._line:
            self._line = shown
            self._write(_CLEAR_LINE + shown)

    def note(self, text: str) -> None:
        """Print ``text`` above the status line."""
        line, self._line = self._line, ""
        self._write(f"{_CLEAR_LINE}{text}\n{line}")
        self._line = line

    def make_room(self) -> None:
        """Wipe the status line, because something else is about to write, a log message for instance."""
        if self._line:
            self._line = ""
            self._write(_CLEAR_LINE)

    def close(self) -> None:
        """Put everything back; may be called more than once."""
        if self.closed:
            return
        self.closed = True
        self._restore()
        if self._line:
            self._write("\n")
        for number, handler in self._old_signals.items():
            with suppress(ValueError):  # not in the main thread, at the interpreter's end
                signal.signal(number, handler)
        atexit.unregister(self.close)

    def _write(self, text: str) -> None:
        if not self._shows or self.hung_up:
            return
        with suppress(OSError, ValueError):
            self._target.write(text)
            self._target.flush()

    def _restore(self) -> None:
        # TCSADRAIN would wait for output that a stopped or a dead terminal never takes.
        with suppress(termios.error, OSError):
            termios.tcsetattr(self._descriptor, termios.TCSANOW, self._before)

    def _on_hang_up(self, _number: int, _frame: FrameType | None) -> None:
        self.hung_up = True

    def _on_suspend(self, _number: int, _frame: FrameType | None) -> None:
        """Ctrl-Z: hand the terminal back to the shell, then stop as if nobody had caught it."""
        self._restore()
        os.kill(os.getpid(), signal.SIGSTOP)

    def _on_continue(self, _number: int, _frame: FrameType | None) -> None:
        if not self.closed and _is_foreground(self._descriptor):
            with suppress(termios.error, OSError):
                tty.setcbreak(self._descriptor, termios.TCSANOW)
        self._line = ""


def _descriptor(source: TextIO) -> int:
    try:
        descriptor = source.fileno()
        is_terminal = os.isatty(descriptor)
    except (OSError, ValueError):
        is_terminal, descriptor = False, -1
    if not is_terminal:
        raise DeploymentError(
            "the keyboard needs a terminal, and the standard input is none",
            fix="start the teleop node by itself in a terminal: python -m il_nodes.nodes.teleop --ros-args "
            "-p device:=keyboard; or use device: joy",
        )
    if not _is_foreground(descriptor):
        raise DeploymentError(
            "the keyboard belongs to another job of this terminal", fix="start the teleop node without '&', or use fg"
        )
    return descriptor


def _is_foreground(descriptor: int) -> bool:
    """Whether reading would not stop this process (SIGTTIN)."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        # Not this session's terminal: there is no job control on it.
        return True


def _end_with_parent() -> None:
    """Have the kernel send SIGTERM when the parent dies; nothing where there is no such call."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
