"""When the simulator may go on, and with which command: plain logic that is told the time."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence

__all__ = ["CommandInput", "LatencyMeter", "LockStep", "TickClock"]

#: A recorder may be this many ticks behind before a lock-step simulator waits for it.
RECORDER_SLACK_TICKS = 4


class TickClock:
    """Simulated time: starts at 1 s (a stamp of zero means "unset" to many tools) and never goes back.

    Stamps are computed from the tick's index, so that rates like 30 Hz do not drift.

    Args:
        fps: ticks per second of simulated time.
    """

    def __init__(self, fps: float, start_ns: int = 1_000_000_000) -> None:
        self._start_ns = start_ns
        self._fps = fps
        self.index = -1
        self.stamp_ns = start_ns

    def at(self, index: int) -> int:
        """Stamp of a tick, in nanoseconds."""
        return self._start_ns + round(index * 1e9 / self._fps)

    def advance(self, ticks: int = 1) -> int:
        """Go on by ``ticks``; the new stamp."""
        self.index += ticks
        self.stamp_ns = self.at(self.index)
        return self.stamp_ns

    @property
    def before_next_ns(self) -> int:
        """Half-way to the next tick: the stamp of an episode's start, which sorts before all of its ticks."""
        return (self.stamp_ns + self.at(self.index + 1)) // 2 if self.index >= 0 else self._start_ns - 1_000_000


class CommandInput:
    """The newest command, and a watchdog that replaces it by the stop command (FAULTS 18).

    Args:
        stop: the command that is always safe, SI units.
        timeout_s: on the monotonic clock; ``None`` for no watchdog (lock-step, where wall time must change nothing).
    """

    def __init__(self, stop: tuple[float, ...], timeout_s: float | None) -> None:
        self._stop = stop
        self._timeout_s = timeout_s
        self._command = stop
        self._heard_s: float | None = None
        self.timeouts = 0
        self.rejected = 0

    def reset(self) -> None:
        """Stand still until the next command: a new episode."""
        self._command, self._heard_s = self._stop, None

    def receive(self, command: tuple[float, ...], now_s: float) -> None:
        """Take a command of the stop command's size; one that is not finite is as good as none."""
        if len(command) != len(self._stop) or not all(map(math.isfinite, command)):
            self.rejected += 1
            return
        self._command, self._heard_s = command, now_s

    def current(self, now_s: float) -> tuple[float, ...]:
        """What the robot does now: the newest command, or the stop command once it is too old."""
        if self._timeout_s is not None and self._heard_s is not None and now_s - self._heard_s > self._timeout_s:
            self.timeouts += 1
            self.reset()
        return self._command


class LatencyMeter:
    """Milliseconds from the publication of an observation to the arrival of the command that answers it."""

    def __init__(self) -> None:
        self._published_s: OrderedDict[int, float] = OrderedDict()
        self._age_ms: float | None = None

    def published(self, stamp_ns: int, now_s: float) -> None:
        """The image of this stamp, which starts a tick, left now."""
        self._published_s[stamp_ns] = now_s
        while len(self._published_s) > 64:  # a few seconds: an answer later than that is no answer
            self._published_s.popitem(last=False)

    def answered(self, stamp_ns: int, now_s: float) -> None:
        """A command with this stamp arrived now; a repeated or unknown stamp counts for nothing."""
        published_s = self._published_s.pop(stamp_ns, None)
        if published_s is not None:
            self._age_ms = (now_s - published_s) * 1e3

    def take_age_ms(self) -> float | None:
        """Age of the last answer since the last call; ``None`` when none came: a missed tick."""
        age_ms, self._age_ms = self._age_ms, None
        return age_ms


class LockStep:
    """Whether everybody has answered the current tick, and who has not.

    Args:
        period_s: of a tick.
        recorder: whether a recorder takes part, which must not fall more than four ticks behind.
        timeout_s: wall-clock seconds without progress after which the run has failed.
        answer: the topics that a tick is answered on, for messages.
    """

    def __init__(self, period_s: float, recorder: bool, timeout_s: float = 10.0, answer: str = "/cmd_vel") -> None:
        self._answer = answer
        self._slack_ns = round((RECORDER_SLACK_TICKS + 0.5) * period_s * 1e9)
        self._recorder = recorder
        self._timeout_s = timeout_s
        self._tick_ns = 0
        self._first_ns = 0
        self._since_s = 0.0
        self._answered = True
        self._recorded_ns = 0

    def start_episode(self, first_tick_ns: int) -> None:
        """Ticks before this one need no acknowledgement."""
        self._first_ns = first_tick_ns

    def published(self, stamp_ns: int, now_s: float) -> None:
        """A tick went out; it wants a command of the same stamp."""
        self._tick_ns, self._since_s, self._answered = stamp_ns, now_s, False

    def command(self, stamp_ns: int) -> bool:
        """A command arrived; whether it answers the current tick for the first time."""
        first = stamp_ns == self._tick_ns and not self._answered
        self._answered = self._answered or first
        return first

    def recorded(self, stamp_ns: int) -> None:
        """The recorder has everything up to this stamp."""
        self._recorded_ns = max(self._recorded_ns, stamp_ns)

    def may_advance(self, *, last: bool = False) -> bool:
        """Whether the next tick may come; ``last``: whether the episode may end, for which all must be recorded."""
        if not self._answered:
            return False
        return not self._recorder or self._is_recorded(0 if last else self._slack_ns)

    def _is_recorded(self, slack_ns: int) -> bool:
        return self._recorded_ns + slack_ns >= self._tick_ns or self._tick_ns - slack_ns < self._first_ns

    def overdue(self, now_s: float) -> Sequence[str]:
        """Who has kept everybody waiting for longer than the timeout; empty when all is well."""
        if now_s - self._since_s <= self._timeout_s:
            return []
        blamed = [] if self._answered else [f"no {self._answer} for this tick (expert, policy or gate)"]
        if self._recorder and not self._is_recorded(self._slack_ns):
            behind_s = (self._tick_ns - self._recorded_ns) * 1e-9 if self._recorded_ns else None
            blamed.append("no /recorder/ack" + ("" if behind_s is None else f" for {behind_s:.2f} s of simulated time"))
        return blamed or (["no /recorder/ack of the last tick"] if self._recorder else [])
