"""Figures of the small worlds' experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["draw_bars", "new_figure", "save"]


def new_figure(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Any, Any]:
    """A figure of ``size`` inches and its axes ``(rows, columns)``."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(rows, columns, figsize=size, squeeze=False, constrained_layout=True, **options)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    return figure, axes


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


def save(figure: Any, path: Path) -> None:
    """As PNG."""
    from matplotlib import pyplot

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
