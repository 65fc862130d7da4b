"""One run of a stack: its nodes are started, watched, and cleaned up after."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from il_nodes.ros.last_words import who_told
from models.errors import DeploymentError
from understudy.environment.domains import reserve_domain
from understudy.environment.ros_environment import node_environment, shared_folder
from understudy.environment.ros_security import is_security_on, require_usable_security
from understudy.environment.shared_memory import find_leftovers, remove_leftovers
from understudy.stacks.nodes import STACKS, StackNode, stack_nodes
from understudy.stacks.supervisor import ProcessSpec, Supervisor, Terminated, last_lines

__all__ = [
    "STACKS",
    "EndedBySignalError",
    "Overrides",
    "StackNode",
    "StackRun",
    "default_params_file",
    "node_command",
    "require_orderly_end",
    "require_params_file",
    "robot_domain",
    "run_stack",
    "stack_nodes",
]

Overrides = Mapping[str, Mapping[str, object]]


class EndedBySignalError(DeploymentError):
    """Somebody sent a signal to the node that decides when a run is over."""


@dataclass(frozen=True)
class StackRun:
    """One run of a stack.

    Attributes:
        stack: which of ``STACKS``.
        log_directory: where each node's output goes.
        params_file: parameters of all nodes, shared with the launch files.
        overrides: node name to parameters that differ from the file in this run.
        domain: ROS domain; None takes a free one, or, on a robot, the one that the environment names.
        timeout_s: wall-clock limit of the whole run; None waits for as long as it takes.
        nodes: of the stack, with other options than the defaults.
        on_robot: no simulation: the run shares a domain with the robot's own nodes, goes on without its dispensable
            nodes, and is ended by Ctrl-C or SIGTERM, which is no error then.
        terminal_output: descriptor on which a node that draws on the terminal does so.
    """

    stack: str
    log_directory: Path
    params_file: Path
    overrides: Overrides = field(default_factory=dict)
    domain: int | None = None
    timeout_s: float | None = None
    nodes: tuple[StackNode, ...] | None = None
    on_robot: bool = False
    terminal_output: int = 1

    def wanted_domain(self) -> int | None:
        """The domain to join; None for any free one."""
        return robot_domain(self.domain) if self.on_robot else self.domain


def robot_domain(given: int | None) -> int:
    """The domain of a robot: the one that was given, else that of the environment, else 0.

    Raises:
        DeploymentError: ``ROS_DOMAIN_ID`` is no number.
    """
    if given is not None:
        return given
    text = os.environ.get("ROS_DOMAIN_ID") or "0"
    if not text.isdecimal():
        raise DeploymentError("ROS_DOMAIN_ID is no number", found=text, expected="0 to 101")
    return int(text)


def default_params_file(robot: str = "driving") -> Path:
    """The parameters of the simulated car's nodes (``driving``), or a start for one's own (``robot``)."""
    return shared_folder() / "launch" / "params" / f"{robot}.yaml"


def require_params_file(path: Path) -> None:
    """Refuse a file of parameters that is not there."""
    if not path.is_file():
        raise DeploymentError(
            f"the parameter file {path} is missing",
            fix="name another with --params-file, or run understudy from a checkout of the repository",
        )


def node_command(
    node: str,
    params_file: Path,
    parameters: Mapping[str, object],
    remappings: Sequence[tuple[str, str]] = (),
    enclave: str = "",
) -> tuple[str, ...]:
    """The command line that starts a node.

    Values are written as JSON, which is YAML, so that a text stays a text and ``1.0`` stays a float.
    """
    command = [sys.executable, "-m", f"il_nodes.nodes.{node}", "--ros-args", "--params-file", str(params_file)]
    for name, value in parameters.items():
        text = json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)
        command += ["-p", f"{name}:={text}"]
    for name, other in remappings:
        command += ["-r", f"{name}:={other}"]
    if enclave:
        command += ["--enclave", enclave]
    return tuple(command)


def _process(node: StackNode, run: StackRun, secure: bool) -> ProcessSpec:
    own = run.overrides.get(node.name, {})
    parameters = {**own, **{name: value for name, value in node.parameters.items() if name not in own}}
    enclave = node.enclave if secure else ""
    return ProcessSpec(
        name=node.name,
        command=node_command(node.name, run.params_file, parameters, node.remappings, enclave),
        ends_run=node.ends_run,
        # A simulated run is scored, and one that lost a node on the way says nothing.
        required=node.required or not run.on_robot,
        stop_rank=node.stop_rank,
        interrupt_s=node.interrupt_s,
        terminal=node.terminal,
    )


def run_stack(
    run: StackRun,
    on_poll: Callable[[], bool | None] | None = None,
    on_lost: Callable[[DeploymentError], None] | None = None,
    on_domain: Callable[[int], None] | None = None,
) -> None:
    """Start a stack's nodes, and wait until the simulation, or the person, has ended the run; all are gone afterwards.

    Args:
        run: what to start.
        on_poll: called twice a second while it runs; ends the run in order by returning True.
        on_lost: called with what happened when a node died without which the run goes on.
        on_domain: told the run's ROS domain once the nodes have been started.

    Raises:
        DeploymentError: a node died, the time ran out, no ROS domain is free, or the gate or the recorder had to be
            killed.
        EndedBySignalError: somebody ended the node whose end is the run's.
        KeyboardInterrupt: Ctrl-C, in a simulated run.
        Terminated: SIGHUP; and SIGTERM in a simulated run.
    """
    nodes = stack_nodes(run.stack) if run.nodes is None else run.nodes
    names = [node.name for node in nodes]
    unknown = set(run.overrides) - set(names)
    if unknown:
        raise DeploymentError(
            f"the {run.stack} stack has no such node", found=sorted(unknown), expected=", ".join(names)
        )
    require_params_file(run.params_file)
    with reserve_domain(run.wanted_domain(), on_robot=run.on_robot) as domain:
        environment = node_environment(domain, run.log_directory, on_robot=run.on_robot)
        require_usable_security(environment)
        specs = [_process(node, run, is_security_on(environment)) for node in nodes]
        supervisor = Supervisor(specs, environment, run.log_directory, run.terminal_output)
        try:
            with supervisor:
                try:
                    if on_domain is not None:
                        on_domain(domain)
                    supervisor.run(timeout_s=run.timeout_s, on_poll=on_poll, on_lost=on_lost)
                except (KeyboardInterrupt, Terminated) as told:
                    if not run.on_robot or (isinstance(told, Terminated) and not told.is_request):
                        raise
        except DeploymentError as error:
            require_orderly_end(supervisor.killed, str(error))
            raise
        finally:
            remove_leftovers(find_leftovers(domain=domain))
        require_orderly_end(supervisor.killed)
        _require_own_end(supervisor)


def _require_own_end(supervisor: Supervisor) -> None:
    """Refuse to call a run done whose simulator was ended in the middle: it exits with 0 then too."""
    name = supervisor.ended_run
    if not name:
        return
    log = supervisor.logs[name]
    told = who_told(last_lines(log))
    if told:
        raise EndedBySignalError(
            f"{'the simulator' if name == 'sim' else f'the {name} node'} was ended by {told}, in the middle of the run",
            fix=f"somebody, or the system, sent it that signal; the whole log: {log}",
        )


def require_orderly_end(killed: Mapping[str, Path], before: str = "") -> None:
    """Refuse to call a run ended whose gate has not halted the robot, or whose recorder has not closed its file.

    Args:
        killed: name to log of what had to be killed.
        before: what had ended the run.

    Raises:
        DeploymentError: the gate or the recorder is among them; the gate comes first.
    """
    text, fix = "", ""
    if "gate" in killed:
        text = "the gate had to be killed and has not halted the robot"
        fix = "make sure that the robot stands, by its emergency stop if need be; then read the log"
    elif "recorder" in killed:
        text = "the recorder had to be killed, and the episode that it wrote is not closed"
        fix = "keep what is whole of it with `understudy episodes recover`; then read the log"
    if text:
        name = text.split()[1]
        found = f"the {name} ended neither by SIGINT nor by SIGTERM" + (f"; before that, {before}" if before else "")
        raise DeploymentError(text, found=found, fix=f"{fix}: {killed[name]}")
