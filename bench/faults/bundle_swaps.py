"""Faults of bundles: for another robot, swapped in while driving, damaged, failing as they run (rows 6, 9, 21, 22)."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.faults.bundles import TRIGGER_SPEED, Bundles
from bench.faults.rows import Row
from bench.faults.scene import Scene
from bench.faults.tally import Tally

__all__ = ["foreign_bundles", "hot_swaps", "raising_classifier", "refused_swaps", "swap"]

#: Two bundles of the same robot are told apart by the speed that they answer.
SPEEDS = {"first": 2.0, "second": 3.0}
SWAP_S = 60.0


def swap(rig: Scene, bundle: Path) -> None:
    """Hot swap, and tick until it is done."""
    swaps = int(rig.status("policy: bundle").get("swaps", "0"))
    taken, reason = rig.wish_for(bundle)
    if not taken:
        raise RuntimeError(f"the parameter was refused: {reason}")
    rig.tick_until(
        lambda: (
            int(rig.status("policy: bundle").get("swaps", "0")) > swaps
            and rig.status("policy: bundle")["file"] == str(bundle)
        ),
        SWAP_S,
        f"{bundle.name} to run",
    )


def _answers(rig: Scene, since_s: float) -> list[float]:
    return [said.speed for said in rig.said if said.at_s >= since_s]


def hot_swaps(rig: Scene, mode: str, bundles: Bundles, injections: int) -> Row:
    """Row 21: from one bundle to the other and back; every tick is answered, by one of the two."""
    tally = Tally(21, "hot swap to a valid bundle", mode, "0 missed ticks, memory reset")
    for number in range(injections):
        with tally.injection():
            old, new = (bundles.first, bundles.second) if number % 2 == 0 else (bundles.second, bundles.first)
            if rig.status("policy: bundle").get("file", str(bundles.first)) != str(old):
                swap(rig, old)
            rig.settle(mode)
            begin, begin_s, first = len(rig.log), time.monotonic(), len(rig.sent)
            swap(rig, new)
            rig.ticks(3)
            tally.drove_on(rig, rig.log[begin:])
            speeds = _answers(rig, begin_s)
            whole = [round(speed) for speed in speeds if not math.isnan(speed)]
            expected = [SPEEDS[old.stem], SPEEDS[new.stem]]
            order = [speed for speed, before in zip(whole, [None, *whole], strict=False) if speed != before]
            tally.require(order == expected, f"the answers were {order} instead of {expected}")
            answered = {said.stamp_ns for said in rig.said if not math.isnan(said.speed)}
            missed = [sent for sent in rig.sent[first:-1] if sent.stamp_ns not in answered]
            mine = [s for s in missed if rig.starved_s(s.at_s - rig.period_s, s.at_s + rig.period_s) < rig.period_s / 4]
            tally.require(not mine, f"{len(mine)} ticks without an answer of the policy")
            tally.seen["ticks without an answer while the machine had no core for a node"] += len(missed) - len(mine)
    return tally.to_row()


def refused_swaps(rig: Scene, mode: str, bundles: Bundles, injections: int, only: Sequence[str] = ()) -> list[Row]:
    """Row 22: damaged, missing and foreign files are refused, and the policy drives on; ``only`` some of them."""
    cases = {
        "a flipped bit": (bundles.corrupt, "is not the one that was exported"),
        "half a file": (bundles.cut, "is not an ONNX file, or it is corrupt or truncated"),
        "another contract": (bundles.foreign["wrong rate"], "was made for another contract"),
        "no such file": (rig.folder / "nowhere.onnx", "No such file"),
    }
    rows = []
    for words, (bundle, reason) in cases.items():
        if only and words not in only:
            continue
        tally = Tally(22, f"hot swap to {words}", mode, "R")
        for _ in range(injections):
            with tally.injection():
                _refuse(rig, tally, bundle, reason)
        rows.append(tally.to_row())
    return rows


def _refuse(rig: Scene, tally: Tally, bundle: Path, reason: str) -> None:
    rig.settle(tally.mode)
    status = rig.status("policy: bundle")
    refusals, kept = int(status.get("refusals", "0")), status.get("sha256")
    begin = len(rig.log)
    taken, said = rig.wish_for(bundle)
    if taken:
        rig.tick_until(
            lambda: int(rig.status("policy: bundle").get("refusals", "0")) > refusals,
            SWAP_S,
            "the bundle to be refused",
        )
        said = rig.status("policy: bundle")["last_refusal"]
    rig.ticks(3)
    tally.require(reason in said, f"the reason was {said!r}")
    tally.require(kept is None or rig.status("policy: bundle")["sha256"] == kept, "another bundle runs")
    tally.seen["refused at once" if not taken else "refused by the child that verifies"] += 1
    tally.drove_on(rig, rig.log[begin:])


def foreign_bundles(rig: Scene, mode: str, bundles: Bundles, injections: int, only: Sequence[str] = ()) -> list[Row]:
    """Row 6: a policy node that is given a bundle of another robot does not even configure; the stack goes on."""
    rows = []
    for words, bundle in bundles.foreign.items():
        if only and words not in only:
            continue
        tally = Tally(6, f"bundle of a contract with the {words}", mode, "R at configure")
        for number in range(injections):
            with tally.injection():
                rig.settle(mode)
                begin, name = len(rig.log), f"foreign_{words.replace(' ', '_')}_{number}"
                rig.start_node_as(name, "policy", {"bundle": str(bundle), "provider": "cpu"})
                code = rig.tick_until_ended(name)
                said = rig.group.log(name)
                tally.require(code not in (0, 1), f"it ended with {code}")
                tally.require("was made for another contract" in said, f"it said {said[-300:]!r}")
                tally.require("Traceback" not in said, "a traceback for a person's mistake")
                tally.seen["refused with the difference"] += "found:" in said
                tally.drove_on(rig, rig.log[begin:], "the policy that ran drove on")
        rows.append(tally.to_row())
    return rows


def raising_classifier(rig: Scene, mode: str, injections: int, *, explain: bool = True) -> Row:
    """Row 9: the graph fails on some observations, which its known answer cannot tell."""
    tally = Tally(9, "safety classifier raises", mode, "E")
    for number in range(injections):
        with tally.injection():
            rig.settle(mode)
            begin, first = len(rig.log), len(rig.sent)
            plain = rig.odometry

            def fast(message: Any) -> Any:
                message.twist.twist.linear.x = TRIGGER_SPEED + 0.5 + 0.01 * (rig.index % 7)
                return message

            try:
                rig.odometry = fast
                rig.ticks(6)
                if number == 0 and explain:
                    rig.tick_until_said("policy: policy", "graph fails on this observation", 5.0)
                    tally.seen["the policy node says that its graph fails"] += 1
                log = rig.log[begin:]
            finally:
                rig.odometry = plain
            effect = rig.sent[first]
            tally.hand_over(log, effect.stamp_ns, effect.at_s)
            tally.require(rig.group.running["policy"].poll() is None, "the policy node ended")
    return tally.to_row()
