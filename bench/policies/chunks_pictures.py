"""A picture of the chunks experiment: success in every way of running a policy, frames in time and late."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.harness import Interval

__all__ = ["draw_success"]

# Grey for the control, blue for what the experiment is about: told apart in print and by the colour-blind.
COLORS = {"in_time": "#b0b0b0", "late": "#2b6cb0"}
LABELS = {"in_time": "frames in time", "late": "30 % of frames late"}
_BAR = 0.38


def draw_success(rates: Mapping[str, Mapping[str, Interval]], titles: Mapping[str, str], path: Path) -> None:
    """Two bars a way, with their intervals."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8.0, 3.6), constrained_layout=True)
    for place, (condition, ways) in enumerate(rates.items()):
        for row, (way, rate) in enumerate(ways.items()):
            middle = row + (place - 0.5) * _BAR
            label = LABELS[condition] if row == 0 else None
            axes.barh(middle, rate.value, _BAR, color=COLORS[condition], label=label)
            spread = [[rate.value - rate.low], [rate.high - rate.value]]
            axes.errorbar(rate.value, middle, xerr=spread, color="black", linewidth=1.0, capsize=2.0)
            assert list(titles)[row] == way
    axes.set(yticks=range(len(titles)), yticklabels=list(titles.values()), xlim=(0.0, 1.0))
    axes.set_xlabel("share of scenes held up (95 % interval)")
    axes.invert_yaxis()
    axes.legend(loc="lower right", frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
