"""Starts the processes of a run, watches them, and ends them in order, whatever happens.

No process outlives the supervisor: the kernel kills each when this process dies (``PR_SET_PDEATHSIG``), but for the
gate, which it asks to end, so that the robot is halted even then. Each leads a session of its own, so that a Ctrl-C in
the terminal reaches them through the supervisor only, the gate first: it brings the robot to a halt before the
processes that it listens to go.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, BinaryIO

from models.errors import BundleError, ContractError, DeploymentError, RecordingError
from understudy.stacks.terminal import Terminal

__all__ = ["ProcessSpec", "Supervisor", "Terminated", "last_lines"]

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
# Exit codes by which a node says why it gave up; they become those of the run.
_REASONS = frozenset({ContractError.exit_code, RecordingError.exit_code, BundleError.exit_code})
# Processes of this rank have nothing to finish.
_LAST_RANK = 2
# Loaded before any fork: between fork and exec a child must not import.
_LIBC = ctypes.CDLL(None, use_errno=True)


class Terminated(BaseException):
    """SIGTERM or SIGHUP reached the supervisor; ``signal_number`` says which.

    Like ``KeyboardInterrupt`` it is no ``Exception``, so that nothing on its way takes it for an error.
    """

    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number
        super().__init__(signal.Signals(signal_number).name)

    @property
    def is_request(self) -> bool:
        """SIGTERM asks a service to end; SIGHUP says that the terminal is gone."""
        return self.signal_number == signal.SIGTERM


@dataclass(frozen=True)
class ProcessSpec:
    """One process of a run.

    Attributes:
        name: what it is called in messages; its log is ``<name>.log``.
        command: the program and its arguments.
        ends_run: True for the one whose exit with code 0 is the normal end of the run.
        required: False when the run goes on without it.
        stop_rank: processes of a lower rank are stopped, and have ended, before the next rank is asked to. Rank 0 halts
            the robot: nobody's impatience cuts it short, and it is asked, not killed, when the supervisor itself dies.
        interrupt_s: seconds from SIGINT to SIGTERM.
        terminate_s: seconds from SIGTERM to SIGKILL.
        terminal: it reads what is typed and draws on the terminal; only what it writes to stderr goes to its log.
            Ctrl-C still reaches the supervisor alone, and Ctrl-Z does nothing: the process would go on reading what is
            then typed into the shell. At most one process of a run.
    """

    name: str
    command: tuple[str, ...]
    ends_run: bool = False
    required: bool = True
    stop_rank: int = _LAST_RANK
    interrupt_s: float = 5.0
    terminate_s: float = 2.0
    terminal: bool = False


@dataclass
class _Child:
    """A started process. ``descriptor`` is its pidfd: readable when it has ended."""

    spec: ProcessSpec
    process: subprocess.Popen[bytes]
    descriptor: int
    log: Path
    started_at: float
    exit_code: int | None = None


def last_lines(path: Path, count: int = 12) -> str:
    """The last lines of a log that say something, at most ``count`` of them."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16384))  # more than enough for a dozen lines
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join([line.rstrip() for line in text.splitlines() if line.strip()][-count:])


def _die_with(parent: int, number: int) -> None:
    """In the child, before exec: get a signal when the parent dies, even if it did so just now."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(1)


def _go_on(_number: int, _frame: FrameType | None) -> None:
    """Do not stop at Ctrl-Z."""


class Supervisor:
    """Context that holds the processes of one run; leaving it ends them.

    Use it in the main thread: signals arrive there, and the kernel ties a child's life to the thread that started it.

    Args:
        specs: the processes, in the order they start in.
        environment: their whole environment.
        log_directory: where ``<name>.log`` goes; an older one is overwritten.
        terminal_output: descriptor that the process with the terminal draws on; stdin is what it reads from.
    """

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        environment: Mapping[str, str],
        log_directory: Path,
        terminal_output: int = 1,
    ) -> None:
        self._specs = tuple(specs)
        self._environment = dict(environment)
        self._log_directory = log_directory
        self._terminal = Terminal(terminal_output)
        self._children: list[_Child] = []
        self._poll = select.poll()
        self._old_signals: dict[int, Any] = {}
        # Handlers only take notes and wake the poll: an exception out of one could lose a child half started.
        self._signals: list[int] = []
        self._wake_reader, self._wake_writer = -1, -1
        self.stop_order: list[str] = []
        #: The process whose exit with code 0 was the end of the run; empty before.
        self.ended_run = ""
        #: Logs of the processes before the last rank that ended by SIGKILL only: what they had to finish, they did not.
        self.killed: dict[str, Path] = {}

    def __enter__(self) -> Supervisor:
        self._log_directory.mkdir(parents=True, exist_ok=True)
        lends = any(spec.terminal for spec in self._specs)
        if lends:
            self._terminal.lend()
        self._wake_reader, self._wake_writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._poll.register(self._wake_reader, select.POLLIN)
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                self._old_signals[number] = signal.signal(number, self._on_signal)
            if lends:
                # A handler, for SIG_IGN would be the children's, too.
                self._old_signals[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, _go_on)
        try:
            for spec in self._specs:
                self._children.append(self._start(spec))
                self._raise_signal()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self._terminal.take_back()
            for number, handler in self._old_signals.items():
                signal.signal(number, handler)
            self._old_signals.clear()
            os.close(self._wake_reader)
            os.close(self._wake_writer)

    @property
    def logs(self) -> dict[str, Path]:
        """Name to log file, of every process that was started."""
        return {child.spec.name: child.log for child in self._children}

    @property
    def process_ids(self) -> dict[str, int]:
        """Name to process id, of every process that still runs."""
        return {child.spec.name: child.process.pid for child in self._children if child.exit_code is None}

    def run(
        self,
        timeout_s: float | None = None,
        on_poll: Callable[[], bool | None] | None = None,
        poll_s: float = 0.5,
        on_lost: Callable[[DeploymentError], None] | None = None,
    ) -> None:
        """Watch until the process that ends the run has exited with code 0.

        Args:
            timeout_s: wall-clock limit; None waits as long as it takes.
            on_poll: called about every ``poll_s`` seconds, to show progress; True, and what it raises, ends the run.
            poll_s: seconds between two calls.
            on_lost: called with what happened when a process ended without which the run goes on.

        Raises:
            DeploymentError: a required process died, or the limit ran out. The message ends with its last words.
            KeyboardInterrupt: Ctrl-C.
            Terminated: SIGTERM or SIGHUP.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left = poll_s if deadline is None else min(poll_s, deadline - time.monotonic())
            ended = self._wait(max(0.0, left))
            self._raise_signal()
            # The normal end first: whatever dies in the same moment no longer matters.
            enders = [child.spec.name for child in ended if child.spec.ends_run and child.exit_code == 0]
            if enders:
                self.ended_run = enders[0]
                return
            for child in ended:
                if child.spec.required or child.spec.ends_run:
                    raise self._died(child)
                if on_lost is not None:
                    on_lost(self._died(child))
            if on_poll is not None and on_poll():
                return
            if deadline is not None and time.monotonic() >= deadline:
                raise self._overdue(timeout_s or 0.0)

    def stop(self) -> None:
        """End every process, rank by rank: SIGINT, then SIGTERM, then SIGKILL.

        A further Ctrl-C skips to SIGKILL, but not for rank 0, nor on account of what was pressed while the robot was
        brought to a halt: that is a reflex.
        """
        self._signals.clear()
        for rank in sorted({child.spec.stop_rank for child in self._children}):
            group = [child for child in self._children if child.spec.stop_rank == rank and child.exit_code is None]
            self._signal_and_wait(group, signal.SIGINT, max((c.spec.interrupt_s for c in group), default=0.0))
            self._signal_and_wait(group, signal.SIGTERM, max((c.spec.terminate_s for c in group), default=0.0))
            if rank < _LAST_RANK:
                self.killed |= {child.spec.name: child.log for child in group if child.exit_code is None}
            # A killed process is gone within moments; one in an uninterruptible wait (a dead disk) may take longer.
            self._signal_and_wait(group, signal.SIGKILL, 5.0)
            if rank == 0:
                self._signals.clear()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)
        with suppress(BlockingIOError):  # the pipe is full of wake-ups already
            os.write(self._wake_writer, b"!")

    def _raise_signal(self) -> None:
        """Raise for a signal that came in, at a point where every child is accounted for."""
        if self._signals:
            number = self._signals[0]
            raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)

    def _start(self, spec: ProcessSpec) -> _Child:
        log = self._log_directory / f"{spec.name}.log"
        parent = os.getpid()
        with _open_log(log) as output:
            try:
                process = subprocess.Popen(
                    spec.command,
                    stdin=None if spec.terminal else subprocess.DEVNULL,
                    stdout=self._terminal.output if spec.terminal else output,
                    stderr=output,
                    env=self._environment,
                    start_new_session=True,
                    preexec_fn=lambda: _die_with(parent, signal.SIGKILL if spec.stop_rank else signal.SIGTERM),
                )
            except OSError as error:
                raise DeploymentError(
                    f"the {spec.name} process could not be started", found=f"{spec.command[0]}: {error.strerror}"
                ) from error
        descriptor = os.pidfd_open(process.pid)
        self._poll.register(descriptor, select.POLLIN)
        return _Child(spec, process, descriptor, log, time.monotonic())

    def _wait(self, seconds: float) -> list[_Child]:
        """Sleep until a process ends or the time is over; the ones that ended, failures before clean exits."""
        ready = {descriptor for descriptor, _ in self._poll.poll(seconds * 1000)}
        if self._wake_reader in ready:
            os.read(self._wake_reader, 4096)
        ended = [child for child in self._children if child.descriptor in ready]
        for child in ended:
            self._poll.unregister(child.descriptor)
            # Its id stays taken until it is reaped, so this hits its own descendants and nobody else's.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.process.pid, signal.SIGKILL)
            child.exit_code = child.process.wait()
            os.close(child.descriptor)
            self.stop_order.append(child.spec.name)
        return sorted(ended, key=lambda child: child.exit_code == 0)

    def _signal_and_wait(self, group: Sequence[_Child], number: signal.Signals, seconds: float) -> None:
        for child in group:
            if child.exit_code is None:
                child.process.send_signal(number)
        deadline = time.monotonic() + seconds
        while any(child.exit_code is None for child in group):
            left = deadline - time.monotonic()
            impatient = bool(self._signals) and number != signal.SIGKILL and group[0].spec.stop_rank > 0
            if left <= 0 or impatient:
                return
            self._wait(left)

    def _died(self, child: _Child) -> DeploymentError:
        code = child.exit_code or 0
        after = f"after {time.monotonic() - child.started_at:.1f} s"
        if code < 0:
            how = f"was killed by {signal.Signals(-code).name} {after}"
        elif code == 0:
            how = f"ended early {after}, with exit code 0"
        else:
            how = f"died with exit code {code} {after}"
        words = last_lines(child.log) or "(it printed nothing)"
        error = DeploymentError(
            f"the {child.spec.name} node {how}",
            found=words.replace("\n", "\n            "),
            fix=f"read the whole log: {child.log}",
        )
        if code in _REASONS:
            error.exit_code = code
        return error

    def _overdue(self, timeout_s: float) -> DeploymentError:
        tails = [f"{child.spec.name}: {last_lines(child.log, 2) or '(nothing)'}" for child in self._children]
        return DeploymentError(
            f"the run did not end within {timeout_s:.0f} s",
            found="last words of its nodes\n    " + "\n".join(tails).replace("\n", "\n    "),
            fix=f"read the logs in {self._log_directory}; is the machine busy with something else?",
        )


def _open_log(path: Path) -> BinaryIO:
    try:
        return path.open("wb")
    except OSError as error:
        raise DeploymentError(f"the log {path} cannot be written", found=error.strerror) from error
