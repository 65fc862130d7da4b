"""Processes of a bench in a ROS domain of their own: started, waited for, and gone afterwards, whatever happens."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from understudy.environment.domains import reserve_domain
from understudy.environment.ros_environment import node_environment, repository_root
from understudy.environment.shared_memory import find_leftovers, remove_leftovers

__all__ = ["Processes", "processes"]


class Processes:
    """Starts modules with ``python -m``.

    Attributes:
        domain: the ROS domain.
        folder: logs and results.
        environment: what each process inherits.
    """

    def __init__(self, domain: int, folder: Path) -> None:
        self.domain, self.folder = domain, folder
        self.environment = node_environment(domain, folder)
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: list[IO[bytes]] = []

    def start(self, name: str, module: str, arguments: Sequence[str] = (), *, nice: int = 0) -> None:
        """Start ``python -m module arguments...`` under ``name``; its output goes to ``<name>.log``, behind what
        an earlier process of that name has said.
        """
        log = (self.folder / f"{name}.log").open("ab")
        self._logs.append(log)
        command = ["nice", "-n", str(nice), sys.executable] if nice else [sys.executable]
        self.running[name] = subprocess.Popen(
            [*command, "-m", module, *arguments],
            cwd=repository_root(),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def start_node(self, node: str, parameters: Mapping[str, object], arguments: Sequence[str] = ()) -> None:
        """Start one of the project's nodes under its own name; of a parameter that a file in ``arguments`` gives too,
        the one in ``parameters`` holds, for ROS takes the last.
        """
        given = [word for name, value in parameters.items() for word in ("-p", f"{name}:={json.dumps(value)}")]
        self.start(node, f"il_nodes.nodes.{node}", ["--ros-args", *arguments, *given])

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to one of them."""
        self.running[name].send_signal(number)

    def log(self, name: str) -> str:
        """What it said so far."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def wait(self, name: str, timeout_s: float) -> int:
        """Wait until it ends by itself; its exit code.

        Raises:
            RuntimeError: it did not end, or another one died meanwhile; the message holds its last words.
        """
        deadline_s = time.monotonic() + timeout_s
        while (code := self.running[name].poll()) is None:
            for other, process in self.running.items():
                if other != name and process.poll() not in (None, 0, -signal.SIGTERM):
                    raise RuntimeError(f"{other} ended with {process.returncode}:\n{self.log(other)[-2000:]}")
            if time.monotonic() > deadline_s:
                raise RuntimeError(f"{name} did not end within {timeout_s} s:\n{self.log(name)[-2000:]}")
            time.sleep(0.02)
        if code:
            raise RuntimeError(f"{name} ended with {code}:\n{self.log(name)[-2000:]}")
        return code

    def stop(self) -> None:
        """End all of them: SIGTERM, and SIGKILL after five seconds."""
        for process in self.running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.send_signal(signal.SIGCONT)
        deadline_s = time.monotonic() + 5.0
        for process in self.running.values():
            try:
                process.wait(max(0.0, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.running.clear()
        for log in self._logs:
            log.close()
        self._logs.clear()


@contextmanager
def processes(folder: Path) -> Iterator[Processes]:
    """A private domain with nothing in it yet; nothing of it is left afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    with reserve_domain() as domain:
        group = Processes(domain, folder)
        try:
            yield group
        finally:
            group.stop()
            remove_leftovers(find_leftovers(domain=domain))
