"""Pictures of the memory experiment: who takes the sign's side, and where the pucks slide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.policies.lane.ice import HALF_ROAD_M
from bench.policies.lane.pictures import draw_bars, new_figure, new_panels, save
from bench.policies.lane.robot import Array

__all__ = ["draw_memory", "draw_slides"]

# Okabe & Ito's, told apart by the colour-blind.
COLORS = {"short": "#56b4e9", "long": "#0072b2"}
LINE = "#0072b2"


def draw_memory(found: Mapping[str, Any], path: Path) -> None:
    """Bars with their intervals: who takes the sign's side, one panel a kind of sign, and who brakes on the ice.

    Args:
        found: the experiment's result.
        path: of the picture.
    """
    signs, ice = found["right_side"], found["offset_over_the_expert"]
    widths = [*map(len, signs.values()), len(ice) - 1]
    figure, axes = new_figure(1, len(widths), (12.0, 3.4), width_ratios=widths)
    for axis, (kind, memories) in zip(axes[0], signs.items(), strict=False):
        for shift, gap in ((-0.2, "short"), (0.2, "long")):
            rates = {name: gaps[gap] for name, gaps in memories.items()}
            draw_bars(axis, rates, color=COLORS[gap], width=0.36, shift=shift, label=f"{gap} gap")
        axis.axhline(0.5, color="black", linestyle=":", linewidth=1)
        axis.set(title=f"{kind} sign", ylim=(0.0, 1.02), ylabel="passed on the right side")
    axes[0, 0].legend(loc="lower left", fontsize=8)
    last = axes[0, -1]
    draw_bars(last, {name: times for name, times in ice.items() if name != "expert"}, color=LINE)
    last.axhline(1.0, color="black", linestyle=":", linewidth=1)
    last.set(title="on ice", ylabel="offset, times the expert's")
    save(figure, path)


def draw_slides(ways: Mapping[str, Sequence[Array]], path: Path) -> None:
    """Distance from the middle over the way, one panel a driver."""
    figure, panels = new_panels(len(ways), 9.0, 2.2)
    for axis, (name, places) in zip(panels, ways.items(), strict=False):
        for way in places:
            axis.plot(way[:, 0], way[:, 1], color=LINE, linewidth=0.7, alpha=0.5)
        axis.set(title=name.replace("_", " "), ylim=(-1.1 * HALF_ROAD_M, 1.1 * HALF_ROAD_M))
    figure.supxlabel("along the road (m)")
    figure.supylabel("to the left (m)")
    save(figure, path)
