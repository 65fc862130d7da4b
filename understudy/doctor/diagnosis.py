"""What the doctor's checks are handed, and what they answer with."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["OK", "PROBLEM", "WARNING", "Check", "Diagnosis", "Patient", "Row"]

OK, WARNING, PROBLEM = "ok", "warning", "problem"


@dataclass(frozen=True)
class Row:
    """One finding. ``mend`` says what to do about a warning or a problem; ``level`` is ok, warning or problem."""

    group: str
    check: str
    level: str
    found: str
    mend: str = ""


@dataclass(frozen=True)
class Patient:
    """What is looked at; tests hand in a broken one.

    Attributes:
        environment: the variables that nodes would inherit.
        shared_memory: mount point of the shared memory.
        workspace: the folder that runs will be written to.
        contract: a robot contract to check too.
        fix: delete shared memory that dead processes left.
        timeout_s: patience with each process that is started for a check.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    shared_memory: Path = Path("/dev/shm")
    workspace: Path = Path("runs")
    contract: Path | None = None
    fix: bool = False
    timeout_s: float = 60.0


@dataclass(frozen=True)
class Diagnosis:
    """All rows of an examination."""

    rows: tuple[Row, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing is broken; warnings are allowed."""
        return not any(row.level == PROBLEM for row in self.rows)

    def count(self, level: str) -> int:
        """How many rows have this level."""
        return sum(row.level == level for row in self.rows)


Check = Callable[[Patient], Sequence[Row]]
