"""How a learned reward looks: maps of cells, weights of features, and the learner's figure over its rounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from models.rewards.apprenticeship import Round
from models.rewards.mdp import Floats
from sim.tabular.task import RewardMap
from understudy.report.style import new_figure, quiet_axes, role, styled, to_svg

__all__ = ["draw_reward_map", "draw_rounds", "draw_weights"]

_MAP_PX = (450, 330)
_CURVE_PX = (450, 290)
# Red for what costs, white for nothing, blue for what pays: told apart by the colour-blind.
_COLOURS = "RdBu"
# Numbers are written into cells as long as they can be read.
_MOST_WRITTEN = 40
# From this ratio of largest to smallest figure a logarithmic axis shows more than it hides.
_LOG_RATIO = 15


def draw_reward_map(name: str, shown: RewardMap) -> str:
    """SVG of a reward, scaled to its largest magnitude: one ten times as large explains as much.

    Args:
        name: prefix of ids.
        shown: what to draw; cells that are not a number stay empty.
    """
    cells = shown.cells / (np.nanmax(np.abs(shown.cells)) or 1.0)
    rows, columns = cells.shape
    with styled():
        figure = new_figure(*_MAP_PX)
        axes = figure.subplots()
        mesh = axes.pcolormesh(cells, cmap=_COLOURS, vmin=-1.0, vmax=1.0, edgecolors=role("card"), linewidth=0.5)
        axes.set_ylim(rows, 0)
        if not shown.row_names:
            axes.set_aspect("equal")
        _write(axes, cells)
        _name_cells(axes, shown)
        bar = figure.colorbar(mesh, ax=axes, ticks=[-1, 0, 1], shrink=0.8)
        bar.ax.set_yticklabels(["costs", "0", "pays"])
        bar.outline.set_visible(False)
        quiet_axes(axes, grid="")
        axes.spines["bottom"].set_visible(False)
        return to_svg(figure, name, f"{shown.title}, {rows} by {columns} cells")


def _write(axes: Axes, cells: Floats) -> None:
    if cells.size > _MOST_WRITTEN:
        return
    for (row, column), value in np.ndenumerate(cells):
        if np.isfinite(value):
            colour = "#ffffff" if abs(value) > 0.6 else "#1c2430"  # on the cell's own colour, in dark mode too
            axes.text(column + 0.5, row + 0.5, f"{value:+.2f}", ha="center", va="center", color=colour)


def _name_cells(axes: Axes, shown: RewardMap) -> None:
    rows, columns = shown.cells.shape
    every = max(1, columns // 6)
    axes.set_xticks(
        np.arange(columns)[::every] + 0.5, shown.column_names[::every] or [""] * len(range(0, columns, every))
    )
    every = max(1, rows // 8)
    axes.set_yticks(np.arange(rows)[::every] + 0.5, shown.row_names[::every] or [""] * len(range(0, rows, every)))
    axes.set_ylabel(shown.axes[0])
    axes.set_xlabel(shown.axes[1])


def draw_weights(name: str, features: Sequence[str], theta: Floats, true: Floats | None) -> str:
    """SVG of the weights of features as bars, beside the true ones where they are known; both of length 1.

    Args:
        name: prefix of ids.
        features: their names, K.
        theta: ``(K,)`` learned.
        true: ``(K,)``; None where nobody knows them.
    """
    groups = [("learned", "policy", theta)] + ([] if true is None else [("true", "expert", true)])
    height = 0.8 / len(groups)
    with styled():
        figure = new_figure(450, 70 + 22 * len(features))
        axes = figure.subplots()
        for rank, (label, colour, weights) in enumerate(groups):
            scaled = weights / (np.linalg.norm(weights) or 1.0)
            places = np.arange(len(features)) + (rank - (len(groups) - 1) / 2) * height
            axes.barh(places, scaled, height=height, color=role(colour), label=label)
        axes.axvline(0.0, color=role("faint"), linewidth=1.0)
        axes.set_yticks(np.arange(len(features)), features)
        axes.invert_yaxis()
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel("weight")
        axes.legend(frameon=False, loc="best")
        quiet_axes(axes, grid="x")
        return to_svg(figure, name, "Weights of the features")


def draw_rounds(name: str, figure_name: str, rounds: Sequence[Round]) -> str:
    """SVG of a learner's figure over its rounds."""
    values = np.array([one.figure for one in rounds])
    with styled():
        figure = new_figure(*_CURVE_PX)
        axes = figure.subplots()
        few = len(rounds) < 30
        numbers = [one.iteration for one in rounds]
        axes.plot(numbers, values, color=role("policy"), marker="o" if few else "", markersize=4)
        if len(values) and values.min() > 0.0 and values.max() / values.min() > _LOG_RATIO:
            axes.set_yscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("round")
        axes.set_ylabel(figure_name)
        quiet_axes(axes)
        return to_svg(figure, name, f"{figure_name} over rounds")
