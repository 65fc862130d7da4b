"""The expert's answer to every state that the robot visits, whoever drives it there (DAgger): plain logic.

A tick is due an answer at its *target*: its own stamp for an expert that is a program and stamps a command with the
state it answers, and the reaction time later for a human, whose hand moves when the picture is past. The answer is the
newest command stamped at or before the target. It is known once a command at or behind the target is here, which stamps
alone decide; in real time a deadline on the monotonic clock ends the wait for an expert that has fallen silent.

A command from the future, further ahead than the gate would let one be old, says nothing about any tick: taken for an
answer it would settle every tick from then on before its own command is here. In real time it is refused; in lock-step,
where the ticks may only be late, it waits for them.

Source: Ross, Gordon, Bagnell 2011, "A Reduction of Imitation Learning and Structured Prediction to No-Regret Online
Learning" (arXiv:1011.0686), algorithm 3.1.
"""

from __future__ import annotations

import bisect
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass

import numpy as np

from il_nodes.observation.trigger_ticks import TriggerTicks
from models.contract import Contract
from models.data import Action, FloatArray

__all__ = ["Label", "Labeller", "Unlabelled"]

#: Commands are kept this much longer than any tick may reach back, for ticks that arrive late.
HISTORY_NS = 2_000_000_000
#: Ticks whose label or whose decision is still to come; the other one arrives within a few.
DRIVERS_KEPT = 256
#: Commands that wait for late ticks in lock-step, where an expert is a tick or two ahead.
AHEAD_KEPT = 256
_BEGINNING_OF_TIME_NS = -(2**63)


class Unlabelled:
    """Why a tick has no label; the words are part of the interface (``/diagnostics``)."""

    NO_COMMAND = "no_command"
    TOO_OLD = "command_too_old"
    NOT_FINITE = "command_not_finite"
    EPISODE_OVER = "episode_over"


@dataclass(frozen=True, slots=True)
class Label:
    """The expert's answer to one tick.

    Attributes:
        stamp_ns: of the tick.
        values: ``(dims,)`` float32, SI units.
        waited_s: from the tick's arrival to its label, on the clock of ``now_s``.
    """

    stamp_ns: int
    values: FloatArray
    waited_s: float


@dataclass(frozen=True, slots=True)
class _Waiting:
    stamp_ns: int
    target_ns: int
    arrived_s: float


class Labeller:
    """Pairs ticks with the expert's commands: one label a tick, or a reason why there is none.

    Args:
        contract: rate, and how old an expert's command may be.
        reaction_s: how long the expert takes to react; 0 for a program.
        wait_s: seconds after the target's time for which an answer is awaited; ``None`` for as long as it takes
            (lock-step, where nothing but stamps may decide).

    Attributes:
        counts: ``ticks``, ``labelled``, ``late_commands``, ``repeated_commands``, ``refused_commands``.
        unlabelled: reason to ticks.
        visited_by: driver to labelled ticks, for those whose decision was heard.
    """

    def __init__(self, contract: Contract, reaction_s: float = 0.0, wait_s: float | None = None) -> None:
        self.grid = TriggerTicks(contract.fps)
        self._reaction_ns = round(reaction_s * 1e9)
        self._max_age_ns = round(contract.gate.expert_max_age_s * 1e9)
        self._wait_s = None if wait_s is None else wait_s + reaction_s
        self._begin_ns = _BEGINNING_OF_TIME_NS
        self._end_ns = _BEGINNING_OF_TIME_NS
        self._stamps: list[int] = []
        self._values: list[FloatArray] = []
        self._ahead: deque[Action] = deque()
        self._waiting: deque[_Waiting] = deque()
        self._last_ns: int | None = None
        self._settled_ns: int | None = None
        self.counts: Counter[str] = Counter()
        self.unlabelled: Counter[str] = Counter()
        self.visited_by: Counter[str] = Counter()
        self._drivers: OrderedDict[int, str] = OrderedDict()
        self._labels_open: OrderedDict[int, None] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Ticks that have no answer yet."""
        return len(self._waiting)

    @property
    def future_commands(self) -> int:
        """Commands from the future: those that were refused, and those that wait for their ticks."""
        return self.counts["refused_commands"] + len(self._ahead)

    # -- what comes in; each returns the labels that it completed, in the order of their ticks ---------------------

    def start_episode(self, stamp_ns: int, now_s: float, *, goes_on: bool = False) -> list[Label]:
        """An episode begins, or with ``goes_on`` the same one after a recovery; no command counts across that stamp.

        What waits from before may still be answered: messages of different topics overtake each other. So do the
        ticks of an episode that goes on: those from before the recovery may come behind the word of it.
        A word that is heard twice, as a latched topic may deliver it, changes nothing.
        """
        if goes_on and stamp_ns == self._begin_ns:
            return self.poll(now_s)
        if stamp_ns < self._begin_ns:
            self._set_back(stamp_ns)
        overtaking = [tick.stamp_ns for tick in self._waiting if tick.stamp_ns >= stamp_ns]
        self._begin_ns = stamp_ns
        self.grid.restart(stamp_ns, goes_on=goes_on)
        for tick_ns in overtaking:  # they arrived before the word of their episode, and now start its grid
            self.grid.is_tick(tick_ns)
        self._cut_off(stamp_ns)
        return self.poll(now_s)

    def end_episode(self, stamp_ns: int) -> None:
        """The episode is over: what a human would have answered after ``stamp_ns`` is no answer."""
        self._end_ns = stamp_ns
        self._cut_off(stamp_ns)

    def abandon(self) -> None:
        """No tick that waits will be answered any more."""
        self._keep([])

    def tick(self, stamp_ns: int, now_s: float) -> list[Label]:
        """A sample of the trigger arrived, stamped ``stamp_ns``."""
        if not self.grid.is_tick(stamp_ns):
            return []
        if self._last_ns is not None and stamp_ns < self._last_ns:
            self._set_back(stamp_ns)
        self._last_ns = stamp_ns
        self._take_ahead()
        self.counts["ticks"] += 1
        self._waiting.append(_Waiting(stamp_ns, stamp_ns + self._reaction_ns, now_s))
        for bound_ns in (self._begin_ns, self._end_ns):
            if stamp_ns < bound_ns:  # it came behind the word of a recovery, or of the end
                self._cut_off(bound_ns)
        return self.poll(now_s)

    def command(self, command: Action, now_s: float, clock_ns: int | None = None) -> list[Label]:
        """A command of the expert arrived. One that is not finite is no answer, and no older one stands in for it.

        Args:
            command: with its stamp.
            now_s: as everywhere.
            clock_ns: the robot's clock, which shows a stamp from the future; ``None`` where the ticks alone do.
        """
        if self._is_ahead(command.stamp_ns, clock_ns):
            self._set_aside(command)
        else:
            self._insert(command)
            self._forget()
        return self.poll(now_s)

    def _is_ahead(self, stamp_ns: int, clock_ns: int | None) -> bool:
        # The word of an episode tells the time, too: behind a pause it may be here before the clock and the tick.
        begin_ns = self._begin_ns if self._begin_ns > _BEGINNING_OF_TIME_NS else None
        known = [time_ns for time_ns in (clock_ns, self._last_ns, begin_ns) if time_ns is not None]
        if not known:
            return self._wait_s is None
        return stamp_ns - max(known) > self._max_age_ns

    def _set_aside(self, command: Action) -> None:
        if self._wait_s is not None:
            self.counts["refused_commands"] += 1
            return
        self._ahead.append(command)
        if len(self._ahead) > AHEAD_KEPT:
            self._ahead.popleft()
            self.counts["refused_commands"] += 1

    def _take_ahead(self) -> None:
        """In lock-step, the commands that the newest tick has come up with."""
        if not self._ahead:
            return
        ahead, self._ahead = self._ahead, deque()
        for command in ahead:
            if self._is_ahead(command.stamp_ns, None):
                self._ahead.append(command)
            else:
                self._insert(command)

    def _insert(self, command: Action) -> None:
        stamp_ns = command.stamp_ns
        position = bisect.bisect_left(self._stamps, stamp_ns)
        if position < len(self._stamps) and self._stamps[position] == stamp_ns:
            self.counts["repeated_commands"] += 1
            self._values[position] = command.values  # of two with one stamp the later counts, as on the robot
        else:
            # It would have been the answer to a tick that is answered already.
            self.counts["late_commands"] += self._settled_ns is not None and stamp_ns <= self._settled_ns
            self._stamps.insert(position, stamp_ns)
            self._values.insert(position, command.values)

    def poll(self, now_s: float) -> list[Label]:
        """Answer every tick whose answer is known by now."""
        labels: list[Label] = []
        while self._waiting and self._is_known(self._waiting[0], now_s):
            labels += self._answer(self._waiting.popleft(), now_s)
        return labels

    def decided(self, stamp_ns: int, driver: str) -> None:
        """The gate said who drives the tick of this stamp."""
        if stamp_ns in self._labels_open:
            del self._labels_open[stamp_ns]
            self.visited_by[driver] += 1
            return
        self._drivers[stamp_ns] = driver
        if len(self._drivers) > DRIVERS_KEPT:
            self._drivers.popitem(last=False)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _is_known(self, tick: _Waiting, now_s: float) -> bool:
        if self._stamps and self._stamps[-1] >= tick.target_ns:
            return True
        return self._wait_s is not None and now_s - tick.arrived_s >= self._wait_s

    def _answer(self, tick: _Waiting, now_s: float) -> list[Label]:
        """The label of a tick, or none and its reason."""
        self._settled_ns = tick.target_ns
        position = bisect.bisect_right(self._stamps, tick.target_ns) - 1
        # Commands from before an episode answer nothing in it.
        first_ns = self._begin_ns if tick.stamp_ns >= self._begin_ns else _BEGINNING_OF_TIME_NS
        reason = ""
        if position < 0 or self._stamps[position] < first_ns:
            reason = Unlabelled.NO_COMMAND
        elif tick.target_ns - self._stamps[position] > self._max_age_ns:
            reason = Unlabelled.TOO_OLD
        elif not np.isfinite(self._values[position]).all():
            reason = Unlabelled.NOT_FINITE
        if reason:
            self.unlabelled[reason] += 1
            return []
        self.counts["labelled"] += 1
        self._note_labelled(tick.stamp_ns)
        return [Label(tick.stamp_ns, self._values[position], now_s - tick.arrived_s)]

    def _cut_off(self, stamp_ns: int) -> None:
        """Ticks from before ``stamp_ns`` whose answer would lie behind it stay without one."""
        self._keep([tick for tick in self._waiting if tick.stamp_ns >= stamp_ns or tick.target_ns <= stamp_ns])

    def _keep(self, kept: list[_Waiting]) -> None:
        if len(kept) < len(self._waiting):
            self.unlabelled[Unlabelled.EPISODE_OVER] += len(self._waiting) - len(kept)
        self._waiting = deque(kept)

    def _set_back(self, stamp_ns: int) -> None:
        """The clock was set back to ``stamp_ns``: nothing of the old time counts; an answer may have been faster."""
        self.abandon()
        pairs = [
            pair for pair in zip(self._stamps, self._values, strict=True) if pair[0] <= stamp_ns + self._max_age_ns
        ]
        self._stamps, self._values = [stamp for stamp, _ in pairs], [values for _, values in pairs]
        self._last_ns = self._settled_ns = None
        self._end_ns = _BEGINNING_OF_TIME_NS
        self._ahead.clear()

    def _note_labelled(self, stamp_ns: int) -> None:
        driver = self._drivers.pop(stamp_ns, "")
        if driver:
            self.visited_by[driver] += 1
            return
        self._labels_open[stamp_ns] = None
        if len(self._labels_open) > DRIVERS_KEPT:
            self._labels_open.popitem(last=False)

    def _forget(self) -> None:
        """Drop commands that no tick can reach any more, but for the newest of them: it says that the expert spoke."""
        oldest_ns = self._waiting[0].target_ns if self._waiting else self._stamps[-1]
        horizon_ns = min(oldest_ns, self._stamps[-1]) - self._max_age_ns - HISTORY_NS
        first = max(0, bisect.bisect_left(self._stamps, horizon_ns) - 1)
        del self._stamps[:first], self._values[:first]
