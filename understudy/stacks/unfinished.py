"""What a run that was cut off has left, whole and in parts: found, and named in the error that ended it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from models.errors import DeploymentError, UnderstudyError
from understudy.console import counted

__all__ = ["unfinished_recordings", "with_kept", "with_unfinished"]


def unfinished_recordings(folder: Path) -> list[Path]:
    """The recordings in a folder that are not finished: still running, or never to be, by name."""
    from il_nodes.bags.files import PARTIAL_SUFFIX

    return sorted(path for path in folder.glob(f"*{PARTIAL_SUFFIX}") if path.is_dir())


def with_unfinished(error: DeploymentError, unfinished: Sequence[Path]) -> DeploymentError:
    """The error that ended a run, with what to do about the recordings that it cut off; itself when there are none."""
    if not unfinished:
        return error
    names = ", ".join(path.name for path in unfinished[:3]) + (", …" if len(unfinished) > 3 else "")
    # A recorder that was killed says nothing about it: its last words are those of an ordinary day.
    killed = error.problem.startswith("the recorder node was killed")
    left = f"{names}, never finished"
    path = unfinished[0] if len(unfinished) == 1 else unfinished[0].parent
    better = DeploymentError(
        error.problem,
        found=left if killed else f"{error.found}\n            {left}",
        expected=error.expected,
        fix=f"save what is whole of it: understudy episodes recover {shlex.quote(str(path))}; {error.fix}",
    )
    better.exit_code = error.exit_code
    return better


def with_kept(error: DeploymentError, made: Sequence[Path], seeds: Mapping[str, str], noun: str) -> DeploymentError:
    """The error that ended a run, with what is kept of it and what is still to be driven.

    Args:
        error: that ended it.
        made: finished recordings of this run, those that were cut off among them.
        seeds: name of each episode that was to be driven to its seed.
        noun: what a seed draws.
    """
    outcomes = {path.name: _outcome(path) for path in made}
    cut_off = [name for name, outcome in outcomes.items() if outcome == "aborted"]
    whole = len(outcomes) - len(cut_off)
    found = f"{whole} of {counted(len(seeds), 'episode')} whole, and kept"
    found += f"; {', '.join(cut_off)} kept as aborted" if cut_off else ""
    left = [seed for name, seed in seeds.items() if outcomes.get(name, "aborted") == "aborted"]
    rest = f"still to be driven: --{noun}s {','.join(left)}; " if left else ""
    better = DeploymentError(error.problem, found=found, expected=error.expected, fix=rest + error.fix)
    better.exit_code = error.exit_code
    return better


def _outcome(path: Path) -> str:
    from il_nodes.bags.files import MANIFEST, Manifest

    try:
        return Manifest.read(path / MANIFEST).outcome
    except UnderstudyError:
        return "aborted"
