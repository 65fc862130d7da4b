"""Pictures of the sampling experiment: how often a car was wrong, and one drive of each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.policies.lane.pictures import draw_bars, new_figure, save
from bench.policies.lane.robot import PERIOD_S, Drive

__all__ = ["draw_errors", "draw_speeds"]

# Okabe & Ito's, told apart by the colour-blind.
COLORS = {"withheld": "#8c8c8c", "taught": "#d55e00", "scheduled": "#0072b2"}
TITLES = {"snow": "a lamp in snow", "clear": "no snow (control)"}


def draw_errors(found: Mapping[str, Any], path: Path) -> None:
    """A bar with its interval for each way of learning, and a dot for every seed.

    Args:
        found: the experiment's result.
        path: of the picture.
    """
    wrong = found["wrong"]
    figure, axes = new_figure(1, len(wrong), (8.0, 3.2), sharey=True, width_ratios=list(map(len, wrong.values())))
    for axis, (snow, ways) in zip(axes[0], wrong.items(), strict=True):
        draw_bars(axis, ways, color=[COLORS[name] for name in ways])
        for place, name in enumerate(ways):
            values = found["by_seed"][snow][name]
            axis.plot([place + 0.36] * len(values), values, "k.", markersize=4)
        axis.set(title=TITLES[snow], ylim=(0.0, 0.6))
    axes[0, 0].set_ylabel("ticks at the wrong speed")
    save(figure, path)


def draw_speeds(drives: Mapping[str, Drive], path: Path) -> None:
    """What was commanded under the same lamp, one row a way of learning; grey: what the lamp said."""
    figure, axes = new_figure(len(drives), 1, (8.0, 1.2 * len(drives) + 0.5), sharex=True, sharey=True)
    for axis, (name, driven) in zip(axes[:, 0], drives.items(), strict=True):
        seconds = PERIOD_S * np.arange(len(driven.commands))
        axis.fill_between(seconds, driven.experts[:, 0], color="#c9d0da", step="post")
        axis.step(seconds, driven.commands[:, 0], where="post", color=COLORS[name], linewidth=1.6)
        axis.set_title(name, loc="left", fontsize=9)
        axis.set_ylim(0.0, 5.0)
    figure.supylabel("speed (m/s)")
    axes[-1, 0].set_xlabel("seconds")
    save(figure, path)
