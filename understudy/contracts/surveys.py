"""Has a running robot looked at: by a process of its own, for nothing here imports rclpy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from il_nodes.survey.report import SurveyReport, survey_from_json
from models.errors import DeploymentError
from understudy.console import Progress
from understudy.environment.domains import LAST_DOMAIN, domain_ports_in_use
from understudy.environment.ros_environment import node_environment

__all__ = ["elsewhere", "shell_domain", "survey_robot", "where"]

_RANGE = "ROS_AUTOMATIC_DISCOVERY_RANGE"
#: Start of Python and rclpy, discovery, the names of the nodes, and a machine that is busy.
_PATIENCE_S = 45.0
#: Asked to end, it leaves the domain properly; killed, it would leave shared memory behind.
_GOODBYE_S = 3.0


def shell_domain(environment: Mapping[str, str] | None = None) -> int:
    """The domain of this shell, where its robot is expected: ``ROS_DOMAIN_ID``, or 0.

    Raises:
        DeploymentError: the variable holds no domain.
    """
    text = (os.environ if environment is None else environment).get("ROS_DOMAIN_ID", "").strip() or "0"
    if not text.isdecimal() or int(text) > 232:
        raise DeploymentError(
            "ROS_DOMAIN_ID is no ROS domain", found=text, expected="0 to 101", fix="unset it, or give --domain"
        )
    return int(text)


def survey_robot(
    domain: int,
    seconds: float,
    *,
    network: bool = False,
    contract: Path | None = None,
    only: Sequence[str] = (),
    progress: Progress | None = None,
    base: Mapping[str, str] | None = None,
) -> SurveyReport:
    """Listen to a robot for ``seconds``.

    Args:
        domain: the robot's.
        seconds: how long.
        network: look for nodes on other machines too. Without it discovery stays on this machine, unless the shell's
            ``ROS_AUTOMATIC_DISCOVERY_RANGE`` says otherwise.
        contract: listen to its topics only, and read what it takes from them.
        only: listen to these topics only.
        progress: told how far it is.
        base: variables that the process starts from; those of this process by default.

    Raises:
        DeploymentError: it could not be looked at.
    """
    command = [sys.executable, "-m", "il_nodes.survey.robot_survey", "--seconds", str(seconds)]
    if contract is not None:
        command += ["--contract", str(contract.absolute())]
    if only:
        command += ["--only", *only]
    with tempfile.TemporaryDirectory(prefix="understudy-survey-") as folder:
        environment = node_environment(domain, Path(folder), base, on_robot=True)
        if network and environment.get(_RANGE, "").upper() in ("", "OFF", "LOCALHOST"):
            environment[_RANGE] = "SUBNET"
        errors = Path(folder) / "errors.txt"
        with errors.open("wb") as sink:
            lines, code = _run(command, environment, sink.fileno(), seconds, progress or Progress())
        said = errors.read_text(errors="replace").strip()
    try:
        return survey_from_json(lines[-1])
    except (IndexError, ValueError, KeyError, TypeError):
        last = said.splitlines()[-1] if said else f"exit code {code}"
        raise DeploymentError(
            "the robot could not be looked at: the process that listens to ROS 2 failed",
            found=last,
            fix="understudy doctor says whether ROS 2 works on this machine",
        ) from None


def _run(
    command: Sequence[str], environment: Mapping[str, str], errors: int, seconds: float, progress: Progress
) -> tuple[list[str], int]:
    """Its lines of output and its exit code; it is gone afterwards, however this ends."""
    lines: list[str] = []
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True
    )
    watchdog = threading.Timer(seconds + _PATIENCE_S, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith('{"done"'):
                state = json.loads(line)
                progress.update(min(state["done"], seconds), seconds, f"{state['topics']} topics")
            else:
                lines.append(line)
        return lines, process.wait()
    finally:
        watchdog.cancel()
        process.terminate()
        try:
            process.wait(_GOODBYE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def where(report: SurveyReport) -> str:
    """The place that was looked at, in words."""
    reach = "on this machine and its network" if report.network else "on this machine"
    return f"ROS domain {report.domain} {reach}"


def elsewhere(report: SurveyReport) -> str:
    """What to do when nothing, or not the right thing, was found at that place."""
    advice = ["start the robot's nodes, if they do not run"]
    # Every participant of DDS binds ports that are its domain's; the survey's own process has gone.
    others = [one for one in range(LAST_DOMAIN + 1) if one != report.domain and domain_ports_in_use(one)]
    if others:
        numbers = ", ".join(map(str, others[:8]))
        advice.append(f"other domains are in use on this machine: --domain {numbers} (or export ROS_DOMAIN_ID)")
    else:
        advice.append("--domain N, or export ROS_DOMAIN_ID, if it is in another domain")
    if not report.network:
        advice.append(f"--network if it is on another machine (nodes here keep to this one: {_RANGE}=LOCALHOST)")
    return "; ".join(advice)
