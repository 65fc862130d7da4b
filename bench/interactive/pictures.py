"""Pictures of the interactive experiments, as PNG beside the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench import figures
from bench.harness import RESULTS, bootstrap_interval
from understudy.report.style import PALETTE

__all__ = ["Curve", "draw_bars", "draw_costs", "draw_rounds", "new_axes", "save"]

QUICK = RESULTS.parent.parent / "runs" / "bench"
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """One side of a comparison.

    Attributes:
        label: for people.
        role: of its colour, in ``understudy.report.style.PALETTE``.
        values: ``(seeds, points)``.
        slopes: one a seed, where they mean something.
        dashed: for a control, which may lie on another curve.
    """

    label: str
    role: str
    values: Array
    slopes: Sequence[float] = ()
    dashed: bool = False


def new_axes(columns: int, size: tuple[float, float], **options: Any) -> tuple[Any, Any]:
    """A figure with a row of axes."""
    figure, axes = figures.new_figure(1, columns, size, **options)
    for axis in axes[0]:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(color=_colour("grid"))
    return figure, axes[0]


def save(figure: Any, name: str, *, quick: bool = False) -> None:
    """Write ``bench/results/NAME.png``; of a quick run ``runs/bench/NAME.png``, which replaces no figure."""
    figures.save(figure, (QUICK if quick else RESULTS) / f"{name}.png", dpi=100)


def draw_costs(
    name: str,
    horizons: Sequence[int],
    curves: Sequence[Curve],
    theory: Mapping[str, Array],
    label: str,
    *,
    quick: bool = False,
) -> None:
    """Total cost against horizon on logarithmic axes: one line a seed, the mean, the slope; dotted: theory."""
    figure, (axis,) = new_axes(1, (7.2, 4.6))
    for words, values in theory.items():
        axis.plot(horizons, values, color=_colour("faint"), linestyle=":", linewidth=2)
        axis.annotate(words, (horizons[0], values[0]), xytext=(4, -14), textcoords="offset points", fontsize=8)
    for curve in curves:
        colour = _colour(curve.role)
        if not curve.dashed:
            axis.plot(horizons, curve.values.T, color=colour, alpha=0.25, linewidth=1)
        slope = bootstrap_interval(curve.slopes)
        words = f"{curve.label}: slope {slope.value:.2f} (95 %: {slope.low:.2f} to {slope.high:.2f})"
        style = {"linestyle": (0, (2, 2)), "zorder": 4} if curve.dashed else {"marker": "o"}
        axis.plot(horizons, curve.values.mean(axis=0), color=colour, linewidth=2, label=words, **style)
    axis.set(xscale="log", yscale="log", xlabel="horizon T (steps)", ylabel=label)
    axis.set_xticks(horizons, [str(horizon) for horizon in horizons])
    axis.minorticks_off()
    axis.legend(frameon=False, fontsize=9)
    save(figure, name, quick=quick)


def draw_rounds(axis: Any, curves: Sequence[Curve], label: str, rounds: Sequence[int]) -> None:
    """Means over seeds against rounds, with their intervals shaded."""
    for curve in curves:
        bounds = [bootstrap_interval(column) for column in curve.values.T]
        colour = _colour(curve.role)
        axis.fill_between(rounds, [b.low for b in bounds], [b.high for b in bounds], color=colour, alpha=0.15)
        style = {"linestyle": (0, (2, 2)), "zorder": 4} if curve.dashed else {"marker": "o", "markersize": 3}
        # Not clipped, or half of a line at zero would be missing.
        axis.plot(rounds, [b.value for b in bounds], color=colour, label=curve.label, clip_on=False, **style)
    axis.set(xlabel="round", ylabel=label)


def draw_bars(
    axis: Any, sides: Mapping[str, tuple[str, str]], groups: Mapping[str, Mapping[str, Array]], label: str
) -> None:
    """Means over seeds with their intervals, and a point for each seed.

    Args:
        axis: drawn on.
        sides: name of a side to its label and the role of its colour.
        groups: name of a group to the values ``(seeds,)`` of each side.
        label: of the values.
    """
    width = 0.8 / len(sides)
    for index, (name, (words, role)) in enumerate(sides.items()):
        places = np.arange(len(groups)) + (index - (len(sides) - 1) / 2.0) * width
        bounds = [bootstrap_interval(values[name]) for values in groups.values()]
        means = np.array([bound.value for bound in bounds])
        errors = np.array([[bound.value - bound.low, bound.high - bound.value] for bound in bounds]).T
        axis.bar(places, means, 0.9 * width, color=_colour(role), alpha=0.8, label=words)
        axis.errorbar(places, means, errors, fmt="none", ecolor=_colour("ink"), capsize=3)
        for place, values in zip(places, groups.values(), strict=True):
            axis.scatter(np.full(len(values[name]), place), values[name], s=8, color=_colour("ink"), zorder=3)
    axis.set_xticks(np.arange(len(groups)), list(groups))
    axis.set_ylabel(label)
    axis.grid(visible=False, axis="x")


def _colour(role: str) -> str:
    """The light variant: a PNG has no dark mode."""
    return PALETTE[role][0]
