"""Faults of memory and of simulated time, under a policy with a recurrent state (rows 15 and 28 of the table).

The policy's answer says how many ticks it remembers, so that a state that was not zeroed, or that drives before it has
seen its warm-up, shows in the very first command.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.faults.bundle_swaps import SPEEDS, swap
from bench.faults.bundles import COUNT_STEP, TRIGGER_SPEED, WARM_UP_TICKS, Bundles
from bench.faults.rows import RECORDING, Row
from bench.faults.scene import Answered, Scene
from bench.faults.tally import Tally

__all__ = ["MEMORY_FAULTS", "MemoryFault", "swap_recurrent", "time_faults"]

#: More than ``reset_gap`` of half a second.
GAP_TICKS = 13
PAUSE_S = 1.0


@dataclass(frozen=True)
class MemoryFault:
    """What is done to a stack on one tick, or on some.

    Attributes:
        row: in the table of faults.
        name: for the table.
        expected: for the table.
        reset: what the policy node's diagnostics count.
        breaks: the chain of ticks, and ticks the rig through it.
    """

    row: int
    name: str
    expected: str
    reset: str
    breaks: Callable[[Scene], None]

    def inject(self, rig: Scene, tally: Tally, *, explain: bool) -> None:
        """Whatever breaks the chain of ticks, the state starts anew."""
        rig.settle(tally.mode)
        rig.ticks(3)
        rig.settle(tally.mode)
        begin, said, first = len(rig.log), len(rig.said), len(rig.sent)
        begin_s, before = time.monotonic(), _resets_told(rig, self.reset)
        self.breaks(rig)
        rig.tick_until(lambda: _is_warm(rig, said), 20.0, "the policy to be warm again")
        _starts_anew(rig, tally, begin, said, first, begin_s)
        if self.reset and explain:
            rig.tick_until(lambda: _resets_told(rig, self.reset) > before, 10.0, "the reset to be told")
            tally.seen[f"counted as {self.reset}"] += 1


def _poison(rig: Scene) -> None:
    def fast(message: Any) -> Any:
        message.twist.twist.linear.x = TRIGGER_SPEED + 1.0
        return message

    plain, rig.odometry = rig.odometry, fast
    rig.tick()
    rig.odometry = plain


def _blind(rig: Scene, ticks: int) -> None:
    state, image = rig.odometry, rig.image
    rig.odometry = rig.image = lambda message: None
    rig.ticks(ticks)
    rig.odometry, rig.image = state, image


def _jump(rig: Scene, seconds: float) -> None:
    assert rig.sim_ns is not None
    rig.sim_ns += round(seconds * 1e9)


E_WARM = "E; state zeroed, warmed up before the policy drives"
MEMORY_FAULTS = (
    MemoryFault(15, "recurrent state poisoned", E_WARM, "poisoned", _poison),
    MemoryFault(15, "a tick dropped", E_WARM, "dropped", lambda rig: _blind(rig, 1)),
    MemoryFault(15, "reset missed: sensors away for 13 ticks", E_WARM, "episode", lambda rig: _blind(rig, GAP_TICKS)),
    MemoryFault(15, "reset missed: stamps go back 1 s", E_WARM, "", lambda rig: _jump(rig, -1.0)),
    MemoryFault(28, "simulated time jumps 10 s ahead", E_WARM, "", lambda rig: _jump(rig, 10.0)),
)


def _remembered(answer: Answered, base: float) -> int:
    """How many ticks the policy says it remembers."""
    return round((answer.speed - base) / COUNT_STEP)


def _resets_told(rig: Scene, reason: str) -> int:
    """How many resets of a kind the diagnostics tell of."""
    return int(rig.status("policy: policy").get(f"state reset {reason}", "0"))


def _abstained(rig: Scene, said: int) -> int | None:
    """Number of the first abstention since ``said``."""
    return next((said + n for n, answer in enumerate(rig.said[said:]) if math.isnan(answer.speed)), None)


def _is_warm(rig: Scene, said: int) -> bool:
    """Whether, behind an abstention, an answer came again."""
    begun = _abstained(rig, said)
    return begun is not None and any(not math.isnan(answer.speed) for answer in rig.said[begun:])


def _starts_anew(rig: Scene, tally: Tally, begin: int, said: int, first: int, begin_s: float) -> None:
    """The first answer behind the fault remembers as much as the warm-up gave it, and nobody drove before by it."""
    begun = _abstained(rig, said)
    assert begun is not None
    warm = next(answer for answer in rig.said[begun:] if not math.isnan(answer.speed))
    count = _remembered(warm, SPEEDS["first"])
    tally.require(count == WARM_UP_TICKS + 1, f"it drove with {count} ticks in its memory")
    log = [decided for decided in rig.log[begin:] if decided.at_s < warm.at_s]
    effect = rig.sent[first]
    # Ticks before the fault have been answered by now; a stamp that went back must not pass for one of them.
    log = [decided for decided in log if decided.at_s >= effect.at_s]
    tally.hand_over(log, min(effect.stamp_ns, *(sent.stamp_ns for sent in rig.sent[first:])), begin_s)
    tally.seen[f"zeroed, and warm after {WARM_UP_TICKS} ticks"] += 1


def time_faults(rig: Scene, mode: str, injections: int) -> list[Row]:
    """Row 28: simulated time stands still, or begins anew with an episode."""
    return [_pauses(rig, mode, injections), _resets(rig, mode, injections)]


def _pauses(rig: Scene, mode: str, injections: int) -> Row:
    tally = Tally(28, "simulated time pauses for 1 s", mode, "H, on the monotonic clock; goes on afterwards")
    for _ in range(injections):
        with tally.injection():
            rig.settle(mode)
            begin, clock_ns = len(rig.log), rig.sim_ns
            rig.spin(PAUSE_S)
            log = rig.log[begin:]
            tally.require(rig.sim_ns == clock_ns, "the clock did not stand still")
            tally.require(log and log[-1].source == "halt", "the gate did not halt")
            tally.require(rig.published[-1].values == (0.0, 0.0), "the robot was not told to stop")
            tally.reasons.update(decided.reason for decided in log if decided.source == "halt")
            tally.seen["halted while /clock stood still, and drove on afterwards"] += 1
            rig.settle(mode)
    return tally.to_row()


def _resets(rig: Scene, mode: str, injections: int) -> Row:
    tally = Tally(
        28, "simulation reset: time begins anew, new episode", mode, "new episode; state zeroed and warmed up"
    )
    for number in range(injections):
        with tally.injection():
            rig.settle(mode)
            rig.ticks(12)
            names = (f"reset-{mode}-{number}-before", f"reset-{mode}-{number}-after")
            if mode == RECORDING:
                rig.begin_recording(names[0])
                rig.tick_until(lambda: rig.drives("policy", 2), 20.0, "the policy to be warm")
                rig.ticks(10)
            else:
                rig.start_episode(names[0])
                rig.settle(mode)
            begin, said, first, begin_s = len(rig.log), len(rig.said), len(rig.sent), time.monotonic()
            _jump(rig, -100.0)
            rig.tick()
            rig.start_episode(names[1])
            rig.tick_until(partial(_is_warm, rig, said), 20.0, "the policy to be warm again")
            _starts_anew(rig, tally, begin, said, first, begin_s)
            if mode == RECORDING:
                rig.ticks(5)
                _two_bags(rig, tally, names)
            else:
                rig.start_episode("")
    return tally.to_row()


def _two_bags(rig: Scene, tally: Tally, names: tuple[str, str]) -> None:
    after = rig.end_recording(names[1])
    before = rig.recordings / names[0]
    tally.require(before.exists() and (before / "manifest.json").exists(), "the first episode was not closed")
    tally.require(after.outcome == "complete", f"the second one ended as {after.outcome}")
    tally.seen["two recordings, both closed"] += 1


def swap_recurrent(rig: Scene, mode: str, bundles: Bundles, injections: int) -> Row:
    """Row 21: the new policy warms up beside the old one, which drives on; its state begins at zero."""
    tally = Tally(21, "hot swap to a valid recurrent bundle", mode, "0 missed ticks, memory reset")
    for _ in range(injections):
        with tally.injection():
            if rig.status("policy: bundle").get("file") != str(bundles.first):
                swap(rig, bundles.first)
            rig.settle(mode)
            begin, said = len(rig.log), len(rig.said)
            swap(rig, bundles.second)
            rig.ticks(3)
            tally.drove_on(rig, rig.log[begin:])
            newer = [a for a in rig.said[said:] if a.speed >= SPEEDS["second"]]
            count = _remembered(newer[0], SPEEDS["second"]) if newer else -1
            tally.require(count == WARM_UP_TICKS + 1, f"the new policy began to drive with {count} ticks in its memory")
            swap(rig, bundles.first)
    return tally.to_row()
