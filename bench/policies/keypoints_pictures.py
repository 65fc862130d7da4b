"""A picture of the keypoints experiment: how many scenes a policy holds up while it learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bench.figures import new_figure, save

__all__ = ["draw_curves"]

TITLES = {"small": "flattened image", "keypoints": "keypoints"}
# Told apart in print and by the colour-blind.
COLORS = {"small": "#8c8c8c", "keypoints": "#0072b2"}


def draw_curves(curves: Mapping[str, Sequence[Sequence[tuple[int, float]]]], path: Path) -> None:
    """A thin line a seed and a thick one for their mean, by epoch."""
    figure, panels = new_figure(1, 1, (6.5, 3.8))
    axes = panels[0, 0]
    for name, seeds in curves.items():
        epochs = [epoch for epoch, _ in seeds[0]]
        shares = np.array([[share for _, share in seed] for seed in seeds])
        axes.plot(epochs, shares.T, color=COLORS[name], linewidth=0.8, alpha=0.45)
        axes.plot(epochs, shares.mean(axis=0), color=COLORS[name], linewidth=2.4, marker="o", label=TITLES[name])
    axes.set(xlabel="epoch", ylabel="scenes held up, policy alone", ylim=(-0.02, 1.02))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    save(figure, path)
