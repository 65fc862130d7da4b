"""Names at the ends of curves, apart from each other even where the curves meet."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from understudy.evaluation.traces import Float64Array
from understudy.report.style import role

__all__ = ["label_ends", "spread_out"]

_GAP_PX = 17  # a line of text


def spread_out(places: Sequence[float], gap: float) -> Float64Array:
    """The places moved as little as keeps every two of them ``gap`` apart; order and mean stay."""
    wanted = np.array(places, dtype=np.float64)
    order = np.argsort(wanted, kind="stable")
    moved = wanted.copy()
    for before, after in itertools.pairwise(order):
        moved[after] = max(moved[after], moved[before] + gap)
    return moved - np.mean(moved - wanted) if len(wanted) else moved


def label_ends(axes: Axes, ends: Sequence[tuple[str, str, float, float]]) -> None:
    """Name curves to the right of their last points, once limits and scales are final.

    Args:
        axes: where the curves are.
        ends: ``(label, palette role, x, y)``.
    """
    figure = axes.figure
    figure.draw_without_rendering()  # type: ignore[union-attr]
    heights = [float(axes.transData.transform((x, y))[1]) for _, _, x, y in ends]
    points_a_pixel = 72 / figure.dpi
    for (label, colour, x, y), height, moved in zip(ends, heights, spread_out(heights, _GAP_PX), strict=True):
        axes.annotate(
            f" {label}",
            (x, y),
            xytext=(3, (moved - height) * points_a_pixel),
            textcoords="offset points",
            va="center",
            color=role(colour),
            weight="bold",
            annotation_clip=False,
        )
