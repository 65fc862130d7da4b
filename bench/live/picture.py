"""The picture of a live learning: who drove each round, and how often the car fell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.interactive.pictures import new_axes, save
from understudy.report.style import PALETTE

__all__ = ["draw_rounds"]


def draw_rounds(name: str, rounds: Sequence[Mapping[str, Any]]) -> None:
    """Write ``bench/results/NAME.png``."""
    figure, (share, falls) = new_axes(2, (8.6, 3.8))
    share.set_axisbelow(True)
    numbers = [row["round"] for row in rounds]
    policy = [100.0 * row["policy_share"] for row in rounds]
    share.bar(numbers, policy, color=PALETTE["policy"][0], label="policy")
    share.bar(numbers, [100.0 - part for part in policy], bottom=policy, color=PALETTE["expert"][0], label="expert")
    share.set(xlabel="round", ylabel="share of the ticks (%)", xticks=numbers, title="who drove, behind the gate")
    share.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
    gated = {"color": PALETTE["policy"][0], "markersize": 9, "fillstyle": "none", "zorder": 4}
    falls.plot(numbers, [row["falls"] for row in rounds], "o-", **gated, label="in the round, behind the gate")
    alone = [(row["round"], row["validation_falls"]) for row in rounds if row["validation_falls"] is not None]
    if alone:
        falls.plot(*zip(*alone, strict=True), "s--", color=PALETTE["bad"][0], label="alone, in validation laps")
    falls.set(xlabel="round", ylabel="falls", xticks=numbers, title="times off the road")
    falls.set_ylim(bottom=0.0)
    falls.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
    save(figure, name)
