"""Recordings that a run has cut off: found, and named in the error that ended it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from models.errors import DeploymentError

__all__ = ["unfinished_recordings", "with_unfinished"]


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
