"""Callers of the recorder's services who wait for the disk's word: on an episode that they ended, or marked."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from il_nodes.recorder.thread import RecordingEvent

__all__ = ["ANSWER_S", "DiskAnswers"]

#: So long whoever ends an episode waits; a teleoperator gives up after two seconds.
ANSWER_S = 1.5


@dataclass(frozen=True)
class _Ending:
    name: str
    answer: Any
    until_s: float


class DiskAnswers:
    """Futures whose result is whether it went well, and words for the caller.

    Args:
        make_future: of an executor that can wait for it.
    """

    def __init__(self, make_future: Callable[[], Any]) -> None:
        self._make_future = make_future
        self._marking: deque[Any] = deque()
        self._ending: deque[_Ending] = deque()

    def of_mark(self) -> Any:
        """The answer to a mark that the thread was just asked for."""
        self._marking.append(self._make_future())
        return self._marking[-1]

    def of_end(self, name: str, now_s: float) -> Any:
        """The answer to the end of an episode, which the thread was just asked for; ``now_s`` is monotonic."""
        self._ending.append(_Ending(name, self._make_future(), now_s + ANSWER_S))
        return self._ending[-1].answer

    def take(self, event: RecordingEvent) -> None:
        """The thread has something to say."""
        if event.kind in ("marked", "unmarked"):
            self._marking.popleft().set_result((event.kind == "marked", event.message))
        elif event.kind != "opened" and self._ending and event.episode_id == self._ending[0].name:
            self._ending.popleft().answer.set_result((event.kind in ("closed", "discarded"), event.message))

    def poll(self, now_s: float) -> None:
        """Whoever has waited for long enough hears that the disk is slow."""
        while self._ending and now_s >= self._ending[0].until_s:
            late = self._ending.popleft()
            late.answer.set_result((True, f"{late.name} has ended; the disk is still busy with it: see /diagnostics"))

    def abandon(self, why: str) -> None:
        """Nobody will hear of the disk any more."""
        waiting = [*self._marking, *(ending.answer for ending in self._ending)]
        self._marking.clear()
        self._ending.clear()
        for answer in waiting:
            answer.set_result((False, why))
