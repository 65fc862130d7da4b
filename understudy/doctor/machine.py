"""Doctor, the machine: Python, processor, disk, shared memory, and the robot contract."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from understudy.doctor.diagnosis import OK, PROBLEM, WARNING, Check, Patient, Row
from understudy.environment.shared_memory import find_leftovers, remove_leftovers

__all__ = ["CHECKS"]

_GROUP = "machine"
_GIB = 2**30
# A demo writes about 0.3 GiB of bags and datasets; an afternoon of recording, some tens.
_DISK_PROBLEM_BYTES = 1 * _GIB
_DISK_WARNING_BYTES = 5 * _GIB
# Each of the five processes of a run maps a segment of 32 MiB and one of half a MiB.
_SHARED_MEMORY_NEEDED_BYTES = 5 * 33 * 2**20


def _row(check: str, level: str, found: str, mend: str = "") -> Row:
    return Row(_GROUP, check, level, found, mend)


def check_python(_patient: Patient) -> Sequence[Row]:
    """3.11 and 3.12 are tested; 3.13 has ROS wheels; others do not."""
    found = platform.python_version()
    if sys.version_info[:2] in ((3, 11), (3, 12)):
        return [_row("Python", OK, found)]
    level = WARNING if sys.version_info[:2] == (3, 13) else PROBLEM
    return [_row("Python", level, found, "use Python 3.11 or 3.12, the versions that are tested")]


def check_processor(_patient: Patient) -> Sequence[Row]:
    """The wheels of ROS 2 exist for x86_64 only; the rest runs anywhere."""
    machine, cores = platform.machine(), len(os.sched_getaffinity(0))
    rows = [_row("architecture", OK, f"{platform.system()} {machine}")]
    if platform.system() != "Linux" or machine != "x86_64":
        mend = "the ROS 2 wheels are for Linux on x86_64: use ROS 2 Jazzy from apt, or the Dockerfile"
        rows = [_row("architecture", WARNING, f"{platform.system()} {machine}", mend)]
    if cores >= 2:
        return [*rows, _row("processor cores", OK, str(cores))]
    mend = "a real-time run wants two cores: expect missed deadlines, or use lock-step"
    return [*rows, _row("processor cores", WARNING, str(cores), mend)]


def check_disk(patient: Patient) -> Sequence[Row]:
    """Room for recordings, and the right to write them."""
    folder = patient.workspace.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    level = PROBLEM if free < _DISK_PROBLEM_BYTES else WARNING if free < _DISK_WARNING_BYTES else OK
    mend = "" if level == OK else "free some space: a recording stops when the disk is full"
    rows = [_row("disk space", level, f"{free / _GIB:.1f} GiB free in {folder}", mend)]
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        mend = f"make {folder} writable, or choose another --workspace"
        return [*rows, _row("write permission", PROBLEM, f"{folder}: {error.strerror}", mend)]
    return [*rows, _row("write permission", OK, str(patient.workspace))]


def check_shared_memory(patient: Patient) -> Sequence[Row]:
    """Its size, and what killed processes left in it."""
    folder = patient.shared_memory
    if not folder.is_dir():
        mend = f"mount a tmpfs at {folder}; without it camera images go through UDP and many are lost"
        return [_row("shared memory", PROBLEM, f"{folder} does not exist", mend)]
    usage = shutil.disk_usage(folder)
    enough = usage.free >= _SHARED_MEMORY_NEEDED_BYTES
    rows = [
        _row(
            "shared memory",
            OK if enough else PROBLEM,
            f"{usage.free / 2**20:.0f} MiB free of {usage.total / 2**20:.0f}",
            ""
            if enough
            else f"{_SHARED_MEMORY_NEEDED_BYTES // 2**20} MiB are needed: in Docker, start with --shm-size=512m; "
            f"otherwise mount -o remount,size=512m {folder}",
        )
    ]
    return [*rows, _leftover_row(patient)]


def _leftover_row(patient: Patient) -> Row:
    leftovers = find_leftovers(patient.shared_memory)
    count, size = len(leftovers.files), f"{leftovers.size_bytes / 2**20:.1f} MiB"
    if not count:
        return _row("leftover segments", OK, "none")
    if patient.fix:
        removed = remove_leftovers(leftovers)
        return _row("leftover segments", OK, f"removed {removed} files of dead processes, {size}")
    mend = "understudy doctor --fix removes them"
    return _row("leftover segments", WARNING, f"{count} files of dead processes, {size}", mend)


def check_contract(patient: Patient) -> Sequence[Row]:
    """The robot contract that was asked for: whether it loads, and whether it may be deployed."""
    if patient.contract is None:
        return []
    from models.contract import load_contract
    from models.errors import UnderstudyError

    try:
        contract = load_contract(Path(patient.contract))
    except UnderstudyError as error:
        return [_row("contract", PROBLEM, str(error), f"mend {patient.contract}; contract check says more")]
    except OSError as error:
        return [_row("contract", PROBLEM, f"{patient.contract}: {error.strerror}", "give the path of a YAML file")]
    try:
        contract.require_limits()
    except UnderstudyError as error:
        return [_row("contract", WARNING, f"{error.problem}: it can be recorded with, not deployed", error.fix)]
    found = f"{contract.robot_type}: {len(contract.observations)} observation streams, "
    return [_row("contract", OK, found + f"{len(contract.action_names)} action dimensions, {contract.fps:g} Hz")]


CHECKS: tuple[Check, ...] = (check_python, check_processor, check_disk, check_shared_memory, check_contract)
