"""Holds up the one thread of a process that writes to the disk, as a disk does that takes seconds for a write.

The kernel keeps a thread in such a write from running and lets all others run; so does ``ptrace`` (Linux), which its
parent may use without being root. A signal would stop the whole process.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["frozen_thread", "writing_thread"]

#: Requests of ptrace, and an option of waitpid for threads that are no children (``linux/ptrace.h``, ``linux/wait.h``).
_SEIZE, _INTERRUPT, _DETACH, _WALL = 0x4206, 0x4207, 17, 0x40000000


def writing_thread(pid: int, wait: Callable[[float], object] = time.sleep, seconds: float = 1.5) -> int:
    """The thread of a process that has written most to files within some time.

    Args:
        pid: of the process.
        wait: called with seconds; whatever else has to go on does so in there.
        seconds: how long to look.

    Raises:
        RuntimeError: none wrote anything.
    """
    before = _written(pid)
    wait(seconds)
    growth = {tid: count - before.get(tid, 0) for tid, count in _written(pid).items()}
    tid = max(growth, key=lambda tid: growth[tid], default=0)
    if not growth.get(tid):
        raise RuntimeError(f"no thread of process {pid} wrote anything within {seconds} s")
    return tid


def _written(pid: int) -> dict[int, int]:
    found = {}
    for task in Path("/proc", str(pid), "task").iterdir():
        lines = dict(line.split(": ") for line in (task / "io").read_text().splitlines())
        found[int(task.name)] = int(lines["wchar"])
    return found


@contextmanager
def frozen_thread(tid: int) -> Iterator[None]:
    """Let a thread of a child process stand still meanwhile; to be left in the thread that entered it.

    Raises:
        OSError: the system does not allow it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long

    def trace(request: int) -> None:
        if libc.ptrace(request, tid, None, None) == -1:
            raise OSError(ctypes.get_errno(), f"ptrace {request:#x} of thread {tid}")

    trace(_SEIZE)
    trace(_INTERRUPT)
    os.waitpid(tid, _WALL)
    try:
        yield
    finally:
        trace(_DETACH)
