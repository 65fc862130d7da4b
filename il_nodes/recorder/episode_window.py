"""Which messages belong to an episode, when it is over, and under which name it is recorded: plain logic."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass
from pathlib import Path

from il_nodes.bags.files import PARTIAL_SUFFIX

__all__ = ["EpisodeNames", "EpisodeWindow"]


@dataclass
class EpisodeWindow:
    """The episode that is being recorded.

    Attributes:
        name: of the recording.
        announced_id: what ``/episode`` called it.
        since_ns: stamp of its start; messages stamped before it are not its own.
        until_ns: stamp of its end, once that was announced.
        over_at_s: monotonic time until which its last messages may arrive.
        mark: what a person made of it, ``success`` or ``failure``; empty without.
        failed: why nothing of it is recorded any more; empty while it is.
    """

    name: str
    announced_id: str
    since_ns: int
    until_ns: int | None = None
    over_at_s: float | None = None
    mark: str = ""
    failed: str = ""

    def holds(self, stamp_ns: int) -> bool:
        """Whether a message with this stamp is its own."""
        return stamp_ns >= self.since_ns and (self.until_ns is None or stamp_ns <= self.until_ns)

    def end(self, stamp_ns: int, over_at_s: float) -> None:
        """Its end was announced; a second announcement changes nothing."""
        if self.until_ns is None:
            self.until_ns, self.over_at_s = stamp_ns, over_at_s

    def is_over(self, now_s: float) -> bool:
        """Whether nothing more of it is waited for."""
        return self.over_at_s is not None and now_s >= self.over_at_s


class EpisodeNames:
    """Which announcements begin an episode, and names that are free.

    Args:
        directory: where recordings go.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._used: set[str] = set()
        self._stopped: set[str] = set()

    def is_new(self, announced_id: str, window: EpisodeWindow | None) -> bool:
        """Whether an announcement begins an episode, and not merely goes on with the one that runs.

        One of the same id behind an announced end is a new one, even while the old one's last messages are waited for.
        One that a person stopped by hand is not taken up again.
        """
        if announced_id in self._stopped:
            return False
        return window is None or window.until_ns is not None or announced_id != window.announced_id

    def choose(self, announced_id: str, *, by_hand: bool = False) -> str:
        """A name for a new recording: the id, or with a number behind it when this recorder has used it already.

        A recording of an earlier run is not made way for: the same name then is most likely a mistake, and refused.

        Args:
            announced_id: of the episode that begins.
            by_hand: a person starts it: what was stopped before goes on out there, and stays stopped here.
        """
        name = announced_id
        for number in itertools.count(2):
            if name not in self._used:
                break
            name = f"{announced_id}-{number}"
            with contextlib.suppress(OSError):  # longer than any file's name: the writer refuses it
                if any((self._directory / (name + suffix)).exists() for suffix in ("", PARTIAL_SUFFIX)):
                    self._used.add(name)
        self._used.add(name)
        if not by_hand:
            self._stopped.clear()
        return name

    def stop(self, window: EpisodeWindow) -> None:
        """A person stopped it; it may still go on, but not here."""
        self._stopped.add(window.announced_id)

    def forget_stopped(self) -> None:
        """The episode that was stopped by hand has ended."""
        self._stopped.clear()
