"""Looks a machine over and says, row by row, what works, what does not, and how to mend it.

Each check answers with rows and never raises: a machine in a bad state is what it is for. Whatever imports rclpy,
pybullet or torch does so in a process of its own, which may crash without taking the doctor with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["GROUPS", "Diagnosis", "Patient", "Row", "examine"]

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


def _groups() -> dict[str, tuple[Check, ...]]:
    from understudy import doctor_machine, doctor_packages, doctor_ros

    return {
        "machine": doctor_machine.CHECKS,
        "packages": doctor_packages.CHECKS,
        "ROS 2": doctor_ros.CHECKS,
    }


#: The names of the groups, in the order they are shown in.
GROUPS = ("machine", "packages", "ROS 2")


def examine(
    patient: Patient, groups: Sequence[str] = GROUPS, on_check: Callable[[int, int, str], None] | None = None
) -> Diagnosis:
    """Run the checks of the groups, in order.

    Args:
        patient: what to look at.
        groups: which of ``GROUPS``.
        on_check: called with (done, total, group) before each check.
    """
    checks = [(group, check) for group in groups for check in _groups()[group]]
    rows: list[Row] = []
    for done, (group, check) in enumerate(checks):
        if on_check is not None:
            on_check(done, len(checks), group)
        try:
            rows.extend(check(patient))
        except Exception as error:  # the next checks may still say something useful
            name = check.__name__.removeprefix("check_").replace("_", " ")
            rows.append(Row(group, name, PROBLEM, f"could not be checked: {type(error).__name__}: {error}"))
    return Diagnosis(tuple(rows))
