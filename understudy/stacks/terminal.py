"""The terminal, lent to one process of a run and put right again afterwards."""

from __future__ import annotations

import os
import sys
import termios
from contextlib import suppress
from typing import Any

from models.errors import DeploymentError

__all__ = ["Terminal"]


class Terminal:
    """What a person types at and looks at.

    A process that reads single keys switches off the echo and the waiting for Enter. Killed, it cannot switch them on
    again, and the person's shell would seem dead; so whoever lends the terminal restores it.

    Attributes:
        output: descriptor of what the borrower draws on.
    """

    def __init__(self, output: int = 1) -> None:
        self.output = output
        self._descriptor: int | None = None
        self._settings: list[Any] = []

    @staticmethod
    def is_there() -> bool:
        """Whether stdin is a terminal."""
        return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()

    def lend(self) -> None:
        """Remember how the terminal is set.

        Raises:
            DeploymentError: stdin is none, or another job is in its foreground.
        """
        if not self.is_there():
            raise DeploymentError(
                "the keyboard needs a terminal",
                found="stdin is a file or a pipe",
                fix="start it in a terminal, or use a gamepad (joy)",
            )
        descriptor = sys.stdin.fileno()
        if not _is_foreground(descriptor):
            # The borrower has no job control of its own: it would take the keys meant for the shell, and drive by them.
            raise DeploymentError(
                "the terminal belongs to another job",
                found="started in the background, or in a session of its own",
                fix="start it in the foreground, without &, or use a gamepad (joy)",
            )
        self._descriptor = descriptor
        self._settings = termios.tcgetattr(self._descriptor)

    def take_back(self) -> None:
        """Set it as it was; does nothing when it was not lent."""
        if self._descriptor is not None:
            with suppress(termios.error):  # it is gone: its window was closed
                # After what is still being drawn, and without the keys that nobody read.
                termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, self._settings)
            self._descriptor = None


def _is_foreground(descriptor: int) -> bool:
    """Whether the terminal is this process' own, and what is typed there is meant for it."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:  # not its controlling terminal: Ctrl-C would not reach it
        return False
