"""What the machine itself did to a stack meanwhile: how long its processes had to wait for a core."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

__all__ = ["WaitForCore"]


class WaitForCore:
    """How long the threads of some processes were ready to run and had no core (``/proc/PID/task/TID/schedstat``).

    Of all of them together: a tick passes from one to the next, and each may have to wait.
    """

    def __init__(self) -> None:
        self._last: dict[int, int] = {}
        self._samples: list[tuple[float, float]] = []

    def sample(self, pids: Sequence[int]) -> None:
        """Look now; call it once a tick."""
        waited_s = 0.0
        for pid in pids:
            try:
                tasks = [(task, (task / "schedstat").read_text()) for task in Path("/proc", str(pid), "task").iterdir()]
            except OSError:
                continue  # it ended, or this kernel does not count
            for task, text in tasks:
                waited_ns, tid = int(text.split()[1]), int(task.name)
                waited_s += (waited_ns - self._last.get(tid, waited_ns)) * 1e-9
                self._last[tid] = waited_ns
        self._samples.append((time.monotonic(), waited_s))

    def longest_s(self, since_s: float, until_s: float) -> float:
        """Longest wait within one tick between these times."""
        return max((waited for at_s, waited in self._samples if since_s <= at_s <= until_s), default=0.0)
