"""A picture of the chunks experiment: how many scenes were held up by when, frames in time and late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bench.figures import new_figure, save

__all__ = ["draw_success"]

TITLES = {"in_time": "all frames in time (control)", "late": "30 % of frames late"}
# Okabe & Ito's colours, told apart by the colour-blind; dashed is what has no chunks.
STYLES = {
    "no_chunks": ("#d55e00", "--"),
    "first_row": ("#e69f00", "--"),
    "chunks": ("#0072b2", "-"),
    "chunks_ensembled": ("#56b4e9", "-"),
    "newest_answer": ("#8c8c8c", ":"),
}


def draw_success(
    seconds: Mapping[str, Mapping[str, Sequence[float]]],
    titles: Mapping[str, str],
    tries: int,
    limit_s: float,
    path: Path,
) -> None:
    """One panel a condition: the share of ``tries`` that had succeeded by each second."""
    figure, axes = new_figure(1, len(seconds), (9.0, 3.6), sharey=True)
    panels = axes[0]
    for panel, (condition, ways) in zip(panels, seconds.items(), strict=True):
        for name, times in ways.items():
            color, line = STYLES[name]
            by = [0.0, *sorted(times), limit_s]
            share = np.append(np.arange(len(by) - 1), len(times)) / tries
            panel.step(by, share, where="post", color=color, linestyle=line, linewidth=1.8, label=titles[name])
        panel.set(title=TITLES[condition], xlim=(0.0, limit_s), ylim=(0.0, 1.02), xlabel="simulated seconds")
        panel.grid(alpha=0.25)
    panels[0].set_ylabel("scenes held up")
    panels[-1].legend(loc="lower right", fontsize=8)
    save(figure, path)
