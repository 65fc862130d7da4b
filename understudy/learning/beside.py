"""Work beside a running stack: the stack is watched, and ended, from the main thread; the work has one of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from understudy.stacks.running import StackRun, run_stack

__all__ = ["Stop", "StoppedError", "work_beside"]

Result = TypeVar("Result")

#: The work is at the back of the queue: a robot that drives has deadlines, a training has none.
_NICE = 10
#: How long work that was told to stop may take to notice: a training does behind each epoch. What it has not finished
#: then is lost with the process, and only that.
_NOTICE_S = 60.0


class StoppedError(Exception):
    """The stack ended, or the person ended it, and the work was told to stop."""


class Stop:
    """Told to stop from one thread, asked from another."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def now(self) -> None:
        """Tell."""
        self._event.set()

    def check(self) -> None:
        """Raise ``StoppedError`` once told."""
        if self._event.is_set():
            raise StoppedError


class _Work(Generic[Result]):
    """A callable in a thread, and what came of it."""

    def __init__(self, work: Callable[[int, Stop], Result]) -> None:
        self._work = work
        self.stop = Stop()
        self._thread: threading.Thread | None = None
        self._result: list[Result] = []
        self._error: BaseException | None = None

    def start(self, domain: int) -> None:
        self._thread = threading.Thread(target=self._run, args=(domain,), name="learning", daemon=True)
        self._thread.start()

    def is_over(self) -> bool:
        return self._thread is not None and not self._thread.is_alive()

    def end(self) -> None:
        self.stop.now()
        if self._thread is not None:
            self._thread.join(_NOTICE_S)

    def result(self) -> Result:
        if self._error is not None:
            raise self._error
        if not self._result:
            raise StoppedError
        return self._result[0]

    def _run(self, domain: int) -> None:
        os.nice(_NICE)  # of this thread, and of the processes and threads that it starts
        try:
            self._result.append(self._work(domain, self.stop))
        except BaseException as error:  # raised again in the main thread
            self._error = error


def work_beside(run: StackRun, work: Callable[[int, Stop], Result]) -> Result:
    """Run a stack for as long as some work takes; what the work returns.

    Args:
        run: the stack.
        work: called, in a thread, with the stack's ROS domain and with what tells it to stop; it has to ask often.

    Raises:
        StoppedError: the stack came to its normal end before the work did.
        Exception: what the work raised; or what :func:`understudy.stacks.running.run_stack` does, the work stopped.
    """
    working = _Work(work)
    try:
        run_stack(run, working.is_over, on_domain=working.start)
    finally:
        working.end()
    return working.result()
