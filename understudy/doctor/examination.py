"""Looks a machine over and says, row by row, what works, what does not, and how to mend it.

Each check answers with rows and never raises: a machine in a bad state is what it is for. Whatever imports rclpy,
pybullet or torch does so in a process of its own, which may crash without taking the doctor with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from understudy.doctor import machine, packages, ros
from understudy.doctor.diagnosis import PROBLEM, Check, Diagnosis, Patient, Row

__all__ = ["CHECKS", "GROUPS", "examine"]

CHECKS: Mapping[str, tuple[Check, ...]] = MappingProxyType(
    {"machine": machine.CHECKS, "packages": packages.CHECKS, "ROS 2": ros.CHECKS}
)
#: The names of the groups, in the order they are shown in.
GROUPS = tuple(CHECKS)


def examine(
    patient: Patient, groups: Sequence[str] = GROUPS, on_check: Callable[[int, int, str], None] | None = None
) -> Diagnosis:
    """Run the checks of the groups, in order.

    Args:
        patient: what to look at.
        groups: which of ``GROUPS``.
        on_check: called with (done, total, group) before each check.
    """
    checks = [(group, check) for group in groups for check in CHECKS[group]]
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
