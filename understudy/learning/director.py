"""Has every policy of a live learning put in by a process of its own, for nothing here imports rclpy."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from il_nodes.live.wishes import PutIn, Told, told_from_json
from models.errors import DeploymentError
from understudy.environment.ros_environment import node_environment

__all__ = ["Director", "StandInLimits"]

#: Asked to end, it leaves the domain properly; killed, it would leave shared memory behind.
_GOODBYE_S = 5.0
_POLL_S = 0.2

StandInLimits = tuple[float, float]
"""How far off the robot is, in metres, when the person's stand-in takes over, and when it hands back."""


class Director:
    """Context that holds the process; see :mod:`il_nodes.live.director`.

    Args:
        domain: of the nodes.
        log_directory: where its complaints go, as ``director.log``.
        stand_in: who decides about takeovers where no person does; ``None`` for nobody.
    """

    def __init__(self, domain: int, log_directory: Path, stand_in: StandInLimits | None = None) -> None:
        self._domain, self._folder = domain, log_directory
        self._command = [sys.executable, "-m", "il_nodes.live.director"]
        if stand_in is not None:
            self._command += ["--takes-over", str(stand_in[0]), "--hands-back", str(stand_in[1])]
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def __enter__(self) -> Director:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._log = self._folder / "director.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                env=node_environment(self._domain, self._folder),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # a Ctrl-C is for the learning, which ends the stack in order
            )
        self._reader = threading.Thread(target=self._read, name="director", daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_GOODBYE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def put_in(self, bundle: Path, check: Callable[[], None]) -> Told:
        """Let a policy drive from now on, and wait until it does.

        Args:
            bundle: its file.
            check: called all the while; what it raises ends the wait.

        Raises:
            DeploymentError: it was refused, or the process has ended.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(PutIn(str(bundle.resolve())).to_json() + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        while True:
            check()
            try:
                line = self._lines.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if not line:
                raise self._ended()
            told = told_from_json(line)
            if told.problem:
                raise DeploymentError("the new policy does not drive", found=told.problem)
            return told

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put("")

    def _ended(self) -> DeploymentError:
        said = self._log.read_text(errors="replace").strip()
        return DeploymentError(
            "the process that swaps policies in has ended",
            found=said.splitlines()[-1] if said else f"exit code {self._process.wait()}",
            fix=f"read its log: {self._log}",
        )
