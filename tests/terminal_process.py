"""A process on a real terminal, for tests: a pseudo-terminal is its controlling one, as a shell would have it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping

import pytest
from gated_robot import REPOSITORY

__all__ = ["OnTerminal"]

#: A shell would hand the terminal to its jobs in the same way: a session of its own, with it as controlling terminal.
LEAD_SESSION = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


class OnTerminal:
    """``python <arguments>`` on a pseudo-terminal of its own; its output is kept in ``output``."""

    def __init__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        if not os.path.ismount("/dev/pts"):  # a bare chroot: nobody can sit at a keyboard there
            pytest.skip("this machine has no pseudo-terminals: /dev/pts is not mounted")
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.output = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", LEAD_SESSION, *arguments],
            env=None if environment is None else dict(environment),
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            cwd=REPOSITORY,
        )

    def read(self) -> str:
        """Everything written so far."""
        while select.select([self.master], [], [], 0.0)[0]:
            self.output += os.read(self.master, 4096).decode(errors="replace")
        return self.output

    def until(self, condition: Callable[[], object], what: str, timeout_s: float = 20.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}; it wrote:\n{self.read()}"
            self.read()
            time.sleep(0.005)

    def until_said(self, words: str) -> None:
        self.until(lambda: words in self.read(), words)

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    @property
    def echoes(self) -> bool:
        """Whether it is a person's terminal: echo, and whole lines."""
        flags = int(termios.tcgetattr(self.slave)[3])
        return flags & (termios.ECHO | termios.ICANON) == termios.ECHO | termios.ICANON

    @property
    def restored(self) -> bool:
        return termios.tcgetattr(self.slave) == self.before

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for descriptor in (self.master, self.slave):
            if descriptor >= 0:
                os.close(descriptor)
