"""How a quantity is spread: age of commands, distance from the centreline, difference between policy and expert."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from understudy.evaluation.scores import Spread
from understudy.evaluation.traces import Float64Array
from understudy.report.style import new_figure, quiet_axes, role, styled, to_svg

__all__ = ["draw_agreement", "draw_command_age", "draw_cross_track"]

_SIZE_PX = (450, 290)
_BINS = 48
_MOST_POINTS = 500  # of a scatter: more would not be told apart, and weigh the page down


def draw_command_age(name: str, ages_ms: Float64Array, period_ms: float) -> str:
    """SVG of histogram and cumulative share of command ages, with median, 99th percentile and the tick period."""
    spread = Spread.of(ages_ms)
    assert spread is not None, "the caller shows a sentence instead when no ages were measured"
    finite = np.sort(ages_ms[np.isfinite(ages_ms)])
    right = max(period_ms, float(np.percentile(finite, 99.5))) * 1.12
    with styled():
        figure = new_figure(*_SIZE_PX)
        axes = figure.subplots()
        weights = np.full(len(finite), 100 / len(finite))
        heights, _, _ = axes.hist(
            finite, bins=np.linspace(0, right, _BINS).tolist(), weights=weights, color=role("faint")
        )
        share = axes.twinx()
        steps = np.linspace(0, 100, len(finite))
        keep = np.unique(np.linspace(0, len(finite) - 1, min(400, len(finite))).astype(int))
        share.plot(finite[keep], steps[keep], color=role("policy"), linewidth=1.8)
        share.set_ylim(0, 130)
        share.set_yticks([0, 50, 100], ["0", "50", "100%"])
        share.tick_params(labelcolor=role("policy"), length=0)
        share.spines["right"].set_visible(False)
        share.spines["left"].set_visible(False)
        axes.set_ylim(0, float(np.max(heights)) * 1.3)
        axes.set_xlim(0, right)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        for value, text, colour, level in (
            (spread.p50, f"median {spread.p50:.1f} ms", "ink", 1.0),
            (spread.p99, f"99th percentile {spread.p99:.1f} ms", "ink", 0.9),
            (period_ms, f"next tick {period_ms:g} ms", "bad", 1.0),
        ):
            _mark(axes, value, text, colour, level, right)
        axes.set_xlabel("age of the command (ms)")
        axes.set_ylabel("% of commands")
        quiet_axes(axes, grid="")
        return to_svg(figure, name, "Histogram and cumulative share of command ages")


def draw_cross_track(name: str, groups: Sequence[tuple[str, str, Float64Array]], half_width_m: float | None) -> str:
    """SVG of overlaid histograms of distance from the centreline.

    Args:
        name: prefix of ids.
        groups: ``(label, palette role, distances (n,) in metres)``, none empty.
        half_width_m: where the road ends; ``None`` when not known.
    """
    widest = max(float(np.percentile(values, 99.8)) for _, _, values in groups)
    right = max(widest * 1.1, 0.05)
    edge_shown = half_width_m is not None and half_width_m < right * 2.5
    if edge_shown and half_width_m is not None:
        right = max(right, half_width_m * 1.08)
    with styled():
        figure = new_figure(*_SIZE_PX)
        axes = figure.subplots()
        bins = np.linspace(0, right, _BINS).tolist()
        for rank, (label, colour, values) in enumerate(groups):
            weights = np.full(len(values), 100 / len(values))
            axes.hist(values, bins=bins, weights=weights, color=role(colour), alpha=0.25, linewidth=0)
            axes.hist(values, bins=bins, weights=weights, color=role(colour), histtype="step", linewidth=1.8)
            text = f"{label}: 95% within {np.percentile(values, 95):.2f} m"
            axes.annotate(
                text,
                (1, 1 - 0.08 * rank),
                xycoords="axes fraction",
                ha="right",
                va="top",
                color=role(colour),
                weight="bold",
            )
        axes.set_ylim(0, axes.get_ylim()[1] * (1.05 + 0.1 * len(groups)))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.set_xlim(0, right)
        if edge_shown and half_width_m is not None:
            axes.axvline(half_width_m, ymax=0.7, color=role("bad"), linewidth=1.2, linestyle=(0, (4, 3)))
            axes.annotate(
                "edge of the road ",
                (half_width_m, 0.7),
                xycoords=("data", "axes fraction"),
                ha="right",
                va="top",
                color=role("bad"),
            )
        axes.set_xlabel("distance from the centreline (m)")
        axes.set_ylabel("% of ticks")
        quiet_axes(axes, grid="")
        return to_svg(figure, name, "Histogram of the distance from the centreline")


def draw_agreement(name: str, dimension: str, expert: Float64Array, difference: Float64Array) -> str:
    """SVG of what the policy proposed against what the expert did on the same observation, one action dimension."""
    stride = max(1, len(expert) // _MOST_POINTS)
    x, y = expert[::stride], (expert + difference)[::stride]
    with styled():
        figure = new_figure(*_SIZE_PX)
        axes = figure.subplots()
        low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
        pad = max(high - low, 1e-3) * 0.05
        axes.plot([low - pad, high + pad], [low - pad, high + pad], color=role("faint"), linewidth=1.5)
        axes.plot(x, y, linestyle="none", marker="o", markersize=3, markeredgewidth=0, color=role("policy"), alpha=0.4)
        axes.set_xlim(low - pad, high + pad)
        axes.set_ylim(low - pad, high + pad)
        axes.annotate(
            "equal to the expert",
            (high, high),
            xytext=(-8, -2),
            textcoords="offset points",
            ha="right",
            color=role("muted"),
        )
        axes.set_xlabel(f"expert's {dimension}")
        axes.set_ylabel(f"policy's {dimension}")
        quiet_axes(axes, grid="both")
        return to_svg(figure, name, f"Policy against expert, {dimension}")


def _mark(axes: Axes, value: float, text: str, colour: str, level: float, right: float) -> None:
    """A vertical line up to its name at that level, which stands on the side that has room."""
    axes.axvline(value, ymax=level, color=role(colour), linewidth=1.2, linestyle=(0, (4, 3)))
    aligned = "right" if value > 0.6 * right else "left"
    axes.annotate(
        f" {text} ", (value, level), xycoords=("data", "axes fraction"), ha=aligned, va="top", color=role(colour)
    )
