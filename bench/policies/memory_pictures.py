"""Pictures of the memory experiment: who takes the sign's side, and where the pucks slide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bench.harness import Interval
from bench.policies.lane.ice import HALF_ROAD_M
from bench.policies.lane.pictures import new_figure, save
from bench.policies.lane.robot import Array

__all__ = ["draw_signs", "draw_slides"]

# Okabe & Ito's, told apart by the colour-blind.
COLORS = {"short": "#56b4e9", "long": "#0072b2"}
LINE = "#0072b2"


def draw_signs(right: Mapping[str, Mapping[str, Mapping[str, Interval]]], path: Path) -> None:
    """A bar with its interval for each memory and gap, one panel a kind of sign; dotted: chance."""
    figure, axes = new_figure(1, len(right), (9.0, 3.4), sharey=True, width_ratios=[len(one) for one in right.values()])
    for axis, (kind, found) in zip(axes[0], right.items(), strict=True):
        for shift, gap in ((-0.2, "short"), (0.2, "long")):
            rates = [gaps[gap] for gaps in found.values()]
            places = np.arange(len(rates)) + shift
            axis.bar(places, [rate.value for rate in rates], 0.36, color=COLORS[gap], label=f"{gap} gap")
            for place, rate in zip(places, rates, strict=True):
                axis.plot([place, place], [rate.low, rate.high], color="black", linewidth=1.5)
        axis.axhline(0.5, color="black", linestyle=":", linewidth=1)
        axis.set_xticks(range(len(found)), [name.replace("_", " ") for name in found])
        axis.set(title=f"{kind} sign", ylim=(0.0, 1.02))
    axes[0, 0].set_ylabel("passed on the right side")
    axes[0, 0].legend(loc="lower left", fontsize=8)
    save(figure, path)


def draw_slides(ways: Mapping[str, Sequence[Array]], path: Path) -> None:
    """Distance from the middle over the way, one panel a driver."""
    rows = -(-len(ways) // 3)
    figure, axes = new_figure(rows, 3, (9.0, 2.2 * rows), sharex=True, sharey=True)
    for spare in axes.flat[len(ways) :]:
        spare.set_visible(False)
    for axis, (name, places) in zip(axes.flat, ways.items(), strict=False):
        for way in places:
            axis.plot(way[:, 0], way[:, 1], color=LINE, linewidth=0.7, alpha=0.5)
        axis.set(title=name.replace("_", " "), ylim=(-1.1 * HALF_ROAD_M, 1.1 * HALF_ROAD_M))
    figure.supxlabel("along the road (m)")
    figure.supylabel("to the left (m)")
    save(figure, path)
