"""What a human can press, whatever the device, and when a button counts as pressed."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

__all__ = ["ButtonEdges", "Press"]


class Press(StrEnum):
    """A wish that is no motion."""

    TAKEOVER = "takeover"
    HAND_BACK = "hand_back"
    RECORD = "record"
    DISCARD = "discard"
    SUCCESS = "success"
    FAILURE = "failure"
    SLOW_MOTION = "slow_motion"


class ButtonEdges:
    """Finds presses: from released to pressed, at least ``debounce_s`` after the last change.

    A button that is down when it is first seen was not pressed now: it must be seen released before it counts.

    Args:
        debounce_s: a worn contact opens and closes again for some milliseconds.
    """

    def __init__(self, debounce_s: float) -> None:
        self._debounce_s = debounce_s
        self._down: dict[Press, bool] = {}
        self._changed_s: dict[Press, float] = {}

    def forget(self) -> None:
        """The device was away: what is down when it comes back does not count."""
        self._down.clear()
        self._changed_s.clear()

    def update(self, down: Mapping[Press, bool], now_s: float) -> list[Press]:
        """Take in which buttons are down; those that were pressed just now, in the order given.

        A change within ``debounce_s`` of the last is believed once that time is over and it still stands.
        """
        pressed = []
        for press, is_down in down.items():
            before = self._down.setdefault(press, is_down)
            if is_down == before or now_s - self._changed_s.get(press, -1e9) < self._debounce_s:
                continue
            self._down[press], self._changed_s[press] = is_down, now_s
            if is_down:
                pressed.append(press)
        return pressed
