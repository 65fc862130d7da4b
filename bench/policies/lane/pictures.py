"""Figures of the small worlds' experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench import figures
from bench.figures import save

__all__ = ["draw_bars", "new_figure", "new_panels", "save"]

# Side by side.
PANELS = 3


def new_figure(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Any, Any]:
    """As ``bench.figures.new_figure``, with a grid and without a frame."""
    figure, axes = figures.new_figure(rows, columns, size, **options)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    return figure, axes


def new_panels(count: int, width: float, height: float, margin: float = 0.0) -> tuple[Any, Any]:
    """A figure with a panel for each of ``count``, three side by side, and the panels; all have the same axes.

    Args:
        count: of panels.
        width: of the figure, inches.
        height: of a row, inches.
        margin: below all rows, inches.
    """
    rows = -(-count // PANELS)
    figure, axes = new_figure(rows, PANELS, (width, height * rows + margin), sharex=True, sharey=True)
    for spare in axes.flat[count:]:
        spare.set_visible(False)
    return figure, axes.flat


def draw_bars(
    axis: Any,
    intervals: Mapping[str, Mapping[str, float]],
    *,
    color: str | Sequence[str],
    width: float = 0.6,
    shift: float = 0.0,
    label: str | None = None,
) -> None:
    """A bar with its interval for each name.

    Args:
        axis: where.
        intervals: by name, what ``bench.harness.Interval`` holds.
        color: of the bars, or of each.
        width: of a bar.
        shift: of the bars beside their names.
        label: of all of them.
    """
    places = [place + shift for place in range(len(intervals))]
    axis.bar(places, [one["value"] for one in intervals.values()], width, color=color, label=label)
    for place, one in zip(places, intervals.values(), strict=True):
        axis.plot([place, place], [one["low"], one["high"]], color="black", linewidth=1.5)
    axis.set_xticks(range(len(intervals)), [name.replace("_", " ") for name in intervals])
