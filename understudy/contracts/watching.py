"""Has a running robot watched, by a process of its own, for nothing here imports rclpy; and puts it into words."""

from __future__ import annotations

import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from il_nodes.survey.sighting import RobotSighting, sighting_from_json
from understudy.environment.ros_environment import node_environment
from understudy.report.reasons import in_words

__all__ = ["Narrator", "RobotWatch", "status_line"]

#: Asked to end, it leaves the domain properly; killed, it would leave shared memory behind.
_GOODBYE_S = 3.0
_JOY = "/joy"


class RobotWatch:
    """Context that holds the process which listens to a robot.

    Args:
        domain: the robot's.
        contract: the robot's; what it needs is then said to be missing.
        needed: further topics that are needed.
        network: look for nodes on other machines too, as ``understudy.contracts.surveys.survey_robot`` does.
        base: variables that the process starts from; those of this process by default.

    Attributes:
        problem: why nothing more will come; empty while the process runs.
    """

    def __init__(
        self,
        domain: int,
        *,
        contract: Path | None = None,
        needed: Sequence[str] = (),
        network: bool = False,
        base: Mapping[str, str] | None = None,
    ) -> None:
        self._domain, self._network, self._base = domain, network, base
        self._command = [sys.executable, "-m", "il_nodes.survey.robot_watch"]
        if contract is not None:
            self._command += ["--contract", str(contract.absolute())]
        if needed:
            self._command += ["--need", *needed]
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.problem = ""

    def __enter__(self) -> RobotWatch:
        self._folder = tempfile.TemporaryDirectory(prefix="understudy-watch-")
        self._errors = Path(self._folder.name) / "errors.txt"
        environment = node_environment(self._domain, Path(self._folder.name), self._base, on_robot=True)
        range_name = "ROS_AUTOMATIC_DISCOVERY_RANGE"
        if self._network and environment.get(range_name, "").upper() in ("", "OFF", "LOCALHOST"):
            environment[range_name] = "SUBNET"
        with self._errors.open("wb") as sink:
            self._process = subprocess.Popen(
                self._command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=sink,
                text=True,
                start_new_session=True,  # a Ctrl-C is for whoever watches
            )
        self._reader = threading.Thread(target=self._read, name="watching", daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(_GOODBYE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._folder.cleanup()

    def sightings(self, wait_s: float = 0.0) -> list[RobotSighting]:
        """What has come since the last call.

        Args:
            wait_s: how long to wait for a first one.
        """
        found: list[RobotSighting] = []
        try:
            while not self.problem:
                line = self._lines.get(timeout=wait_s) if wait_s and not found else self._lines.get_nowait()
                if line is None:
                    self._explain()
                else:
                    found.append(sighting_from_json(line))
        except queue.Empty:
            pass
        return found

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put(None)

    def _explain(self) -> None:
        said = self._errors.read_text(errors="replace").strip()
        self.problem = said.splitlines()[-1] if said else f"exit code {self._process.wait()}"


class Narrator:
    """Says what is new, a line each: the driver, what is missing, what is wrong.

    Args:
        after_gate: nodes are just being started: what is missing is said once the gate decides.
    """

    def __init__(self, *, after_gate: bool = False) -> None:
        self._patient = after_gate
        self._driver = ("", "")
        self._missing: frozenset[str] = frozenset()
        self._problems: set[tuple[str, str]] = set()
        self._commands = False

    def news(self, sighting: RobotSighting) -> list[str]:
        """What this sighting changes."""
        return [*self._new_missing(sighting), *self._new_driver(sighting), *self._new_problems(sighting)]

    def _new_missing(self, sighting: RobotSighting) -> list[str]:
        self._patient = self._patient and not sighting.driver
        if sighting.missing is None or self._patient:
            return []
        missing, before = frozenset(sighting.missing), self._missing
        self._missing = missing
        lines = [_missing_words(topic) for topic in sighting.missing if topic not in before]
        return lines + [f"{topic} is there now" for topic in sorted(before - missing)]

    def _new_driver(self, sighting: RobotSighting) -> list[str]:
        lines = []
        # Why a robot stands still is what its owner looks for; why the expert has it changes all the time.
        driver = (sighting.driver, sighting.reason if sighting.driver == "halt" else "")
        if driver != self._driver or sighting.changes:
            more = f", after {sighting.changes} changes" if sighting.changes > 1 else ""
            lines.append(f"{_driver_words(sighting)}{more}")
        self._driver = driver
        if sighting.dry_run is False and sighting.driver in ("policy", "expert") and not self._commands:
            self._commands = True
            lines.append("the gate commands the robot")
        return lines

    def _new_problems(self, sighting: RobotSighting) -> list[str]:
        new = [one for one in sighting.problems.items() if one not in self._problems]
        self._problems.update(new)
        return [f"{name}: {message}" for name, message in new]


def status_line(sighting: RobotSighting) -> str:
    """The robot on one line."""
    parts = [_driver_words(sighting) + (f" at {sighting.rate_hz:.0f} Hz" if sighting.driver else "")]
    if sighting.dry_run is not None:
        parts.append("dry run" if sighting.dry_run else "commands the robot")
    if sighting.episode is not None:
        parts.append(f"recording {sighting.episode}" if sighting.episode else "no episode runs")
        parts.append(f"{sighting.finished} recorded")
    if sighting.missing:
        parts.append(f"missing: {', '.join(sighting.missing)}")
    return " · ".join(parts)


def _driver_words(sighting: RobotSighting) -> str:
    if not sighting.driver:
        return "no gate decides"
    who = "halt" if sighting.driver == "halt" else f"{sighting.driver} drives"
    return f"{who}: {in_words(sighting.reason)} ({sighting.reason})" if sighting.reason else who


def _missing_words(topic: str) -> str:
    return f"no joystick on {_JOY}: start joy_node" if topic == _JOY else f"nobody publishes {topic}"
