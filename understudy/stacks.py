"""Which nodes a run consists of, and how one is started, watched and cleaned up after.

The launch files under ``launch/`` start the same nodes with the same parameter files; a test holds the two lists equal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from models.errors import DeploymentError
from understudy.domains import reserve_domain
from understudy.ros_environment import node_environment, repository_root
from understudy.shared_memory import find_leftovers, remove_leftovers
from understudy.supervisor import ProcessSpec, Supervisor

__all__ = ["STACKS", "Overrides", "StackRun", "default_params_file", "node_command", "require_params_file", "run_stack"]

#: Stack name to its nodes; each is the module ``il_nodes.nodes.<node>``.
STACKS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "sim": ("sim",),
        "collect": ("sim", "expert", "gate", "recorder"),
        "deploy": ("sim", "expert", "policy", "gate", "recorder"),
    }
)

Overrides = Mapping[str, Mapping[str, object]]

# The gate halts the robot before what it listens to goes; the recorder then closes a file that holds the halt too.
_STOP_RANKS = {"gate": 0, "recorder": 1}
# Seconds from SIGINT to SIGTERM. The halt profile takes 1 s; closing and hashing a bag takes up to 2 s (FAULTS 29).
_INTERRUPT_S = {"gate": 4.0, "recorder": 10.0}


@dataclass(frozen=True)
class StackRun:
    """One run of a stack.

    Attributes:
        stack: which of ``STACKS``.
        log_directory: where each node's output goes.
        params_file: parameters of all nodes, shared with the launch files.
        overrides: node name to parameters that differ from the file in this run.
        domain: ROS domain; None takes a free one.
        timeout_s: wall-clock limit of the whole run; None waits for as long as it takes.
    """

    stack: str
    log_directory: Path
    params_file: Path
    overrides: Overrides = field(default_factory=dict)
    domain: int | None = None
    timeout_s: float | None = None


def default_params_file(robot: str = "driving") -> Path:
    """The parameters of the simulated car's nodes."""
    return repository_root() / "launch" / "params" / f"{robot}.yaml"


def require_params_file(path: Path) -> None:
    """Refuse a file of parameters that is not there."""
    if not path.is_file():
        raise DeploymentError(
            f"the parameter file {path} is missing", fix="run understudy from a checkout of the repository"
        )


def node_command(node: str, params_file: Path, parameters: Mapping[str, object]) -> tuple[str, ...]:
    """The command line that starts a node.

    Values are written as JSON, which is YAML, so that a text stays a text and ``1.0`` stays a float.
    """
    command = [sys.executable, "-m", f"il_nodes.nodes.{node}", "--ros-args", "--params-file", str(params_file)]
    for name, value in parameters.items():
        text = json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)
        command += ["-p", f"{name}:={text}"]
    return tuple(command)


def _process(node: str, run: StackRun) -> ProcessSpec:
    return ProcessSpec(
        name=node,
        command=node_command(node, run.params_file, run.overrides.get(node, {})),
        ends_run=node == "sim",
        stop_rank=_STOP_RANKS.get(node, 2),
        interrupt_s=_INTERRUPT_S.get(node, 5.0),
    )


def run_stack(run: StackRun, on_poll: Callable[[], None] | None = None) -> None:
    """Start a stack's nodes, and wait until the simulation has ended; all of them are gone afterwards.

    Args:
        run: what to start.
        on_poll: called twice a second while it runs.

    Raises:
        DeploymentError: a node died, the time ran out, or no ROS domain is free.
        KeyboardInterrupt: Ctrl-C.
        Terminated: SIGTERM or SIGHUP.
    """
    nodes = STACKS[run.stack]
    unknown = set(run.overrides) - set(nodes)
    if unknown:
        raise DeploymentError(
            f"the {run.stack} stack has no such node", found=sorted(unknown), expected=", ".join(nodes)
        )
    require_params_file(run.params_file)
    with reserve_domain(run.domain) as domain:
        environment = node_environment(domain, run.log_directory)
        try:
            with Supervisor([_process(node, run) for node in nodes], environment, run.log_directory) as supervisor:
                supervisor.run(timeout_s=run.timeout_s, on_poll=on_poll)
        finally:
            remove_leftovers(find_leftovers(domain=domain))
