"""Faults of the policy's process: hung and killed (rows 1 and 2 of the table)."""

from __future__ import annotations

import math
import signal
import time
from pathlib import Path

from bench.faults.bundles import Bundles
from bench.faults.rows import EXPERT, RECORDING, Row
from bench.faults.scene import Answered, Scene, scene
from bench.faults.tally import Tally

__all__ = ["hang_policy", "kill_policy", "killed_policies"]

#: A second of silence makes a policy a hung one (``policy_silence_s`` of the gate); this is longer.
HANG_S = 1.4
#: Ticks for which a policy that is back must not be back at the wheel.
WATCHED_TICKS = 8
#: The gate knows two proposers until the middleware lets go of the dead one: after its lease of 20 s.
LEASE_S = 40.0


def _last_answer(rig: Scene, before_s: float) -> Answered:
    """The last proposal that arrived before that, or shortly after: it was under way."""
    return max((said for said in rig.said if not math.isnan(said.speed)), key=lambda said: said.stamp_ns)


def _judge(rig: Scene, tally: Tally, begin: int, begin_s: float) -> None:
    last = _last_answer(rig, begin_s)
    tally.hand_over(rig.log[begin:], last.stamp_ns + 1, begin_s)
    silent = rig.log[-1].values["latched"]
    if tally.mode != EXPERT:
        tally.require(silent, "the policy was not kept away")


def _stays_away(rig: Scene, tally: Tally, since_ns: int) -> None:
    """A policy that answers again must not drive before somebody enables it."""
    rig.tick_until(lambda: any(said.stamp_ns > since_ns for said in rig.said), 40.0, "the policy to answer again")
    begin = len(rig.log)
    rig.ticks(WATCHED_TICKS)
    log = rig.log[begin:]
    tally.require(all(decided.source == "expert" for decided in log), "the policy took over again by itself")
    latched = {decided.values["latched"] for decided in log}
    tally.reasons.update(latched - {""})
    tally.seen["stayed away when it answered again"] += 1


def hang_policy(rig: Scene, mode: str, injections: int) -> Row:
    """Row 1: SIGSTOP, and after a while SIGCONT."""
    tally = Tally(1, "policy process hangs (SIGSTOP)", mode, "E; does not take over again by itself")
    for _ in range(injections):
        with tally.injection():
            rig.settle(mode)
            begin, begin_s = len(rig.log), time.monotonic()
            rig.group.signal("policy", signal.SIGSTOP)
            try:
                rig.ticks(math.ceil(HANG_S / rig.period_s))
                _judge(rig, tally, begin, begin_s)
            finally:
                rig.group.signal("policy", signal.SIGCONT)
            _stays_away(rig, tally, rig.sent[-1].stamp_ns)
            rig.settle(mode)
            if mode != EXPERT:
                tally.seen["drove again when it was enabled"] += 1
    return tally.to_row()


def kill_policy(rig: Scene, tally: Tally, bundles: Bundles, *, restart: bool, come_back: bool) -> None:
    """Row 2, once: the stack has no policy afterwards, or a new one that was watched.

    Args:
        rig: the stack.
        tally: of the row.
        bundles: for the new one.
        restart: start a new one, which must not drive by itself.
        come_back: wait until the gate has forgotten the dead one, and enable the new one.
    """
    with tally.injection():
        rig.settle(tally.mode)
        begin, begin_s = len(rig.log), time.monotonic()
        rig.kill("policy")
        rig.ticks(math.ceil(HANG_S / rig.period_s))
        _judge(rig, tally, begin, begin_s)
        if not restart:
            return
        rig.start_again("policy", {"bundle": str(bundles.second), "provider": "cpu"})
        _stays_away(rig, tally, rig.sent[-1].stamp_ns)
        if come_back:
            rig.settle(tally.mode, LEASE_S)
            tally.seen["a restarted one drove when it was enabled, after the dead one's lease"] += 1


def killed_policies(folder: Path, mode: str, injections: int) -> Row:
    """Row 2 many times: a stack of its own for each, since the middleware remembers the dead for 20 s."""
    tally = Tally(2, "policy process killed (SIGKILL)", mode, "E; does not take over again by itself")
    for number in range(injections):
        first = number == 0
        with scene(folder / f"{mode}-{number}", recorder=mode == RECORDING) as (rig, bundles):
            rig.enter(mode)
            if mode == RECORDING:
                rig.begin_recording("killed")
            kill_policy(rig, tally, bundles, restart=first, come_back=first and mode != EXPERT)
            if mode == RECORDING:
                bag = rig.end_recording("killed")
                tally.require(bag.outcome == "complete", f"the recording ended as {bag.outcome}")
    return tally.to_row()
