"""Pictures of the recovery experiment: views beside the road, autonomy, and where the cars drove."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.figures import new_figure, save
from bench.policies.drives import Drive
from bench.policies.variants import VARIANTS
from bench.policies.views import look_aside
from sim.driving.world import DrivingWorld

__all__ = ["draw_autonomy", "draw_montage", "draw_traces"]

# A track with bends both ways; the places show a shift, a turn, and both at once in a bend.
MONTAGE_TRACK = 3
PLACES = ((5.0, 0.6, 0.0), (33.0, 0.0, 0.2), (47.0, 0.8, -0.15), (60.0, -0.4, -0.2))
TITLES = ("recorded", "really moved", "warped", "warped, border repeated")
# Blue for what helps, grey for what does not, green for the expert: told apart in print and by the colour-blind.
COLORS = {"expert": "#2a7f4f", "none": "#8c8c8c", "not_relabelled": "#c0603a"}
HELPING = "#2b6cb0"


def draw_montage(world: DrivingWorld, path: Path) -> None:
    """Recorded, really moved, warped: one row a place."""
    world.reset(MONTAGE_TRACK)
    figure, axes = new_figure(len(PLACES), len(TITLES), (10.0, 7.0))
    for axis, title in zip(axes[0], TITLES, strict=True):
        axis.set_title(title)
    for row, (arc_m, left_m, turn_rad) in zip(axes, PLACES, strict=True):
        aside = look_aside(world, arc_m, left_m, turn_rad)
        warped, smeared = (aside.view(fill).warp(aside.recorded) for fill in ("road", "border"))
        for axis, picture in zip(row, (aside.recorded, aside.moved, warped, smeared), strict=True):
            axis.imshow(picture, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
        row[0].set_ylabel(f"{left_m:+.1f} m, {turn_rad:+.2f} rad")
    save(figure, path)


def draw_autonomy(found: Mapping[str, Any], path: Path) -> None:
    """One bar a variant with its interval, and a dot for every seed.

    Args:
        found: the experiment's result.
        path: of the picture.
    """
    figure, axes = new_figure(1, 1, (8.0, 3.6))
    axis = axes[0, 0]
    for place, (name, interval) in enumerate(found["autonomy"].items()):
        axis.barh(place, interval["value"], color=COLORS.get(name, HELPING), height=0.6)
        axis.plot([interval["low"], interval["high"]], [place, place], color="black", linewidth=2)
        scores = [outcome["autonomy"] for outcome in found["by_seed"][name]]
        axis.plot(scores, [place + 0.36] * len(scores), "k.", markersize=4)
    axis.axvline(0.98, color="black", linestyle=":", linewidth=1)
    titles = [VARIANTS[name].title if name in VARIANTS else name for name in found["autonomy"]]
    axis.set(yticks=range(len(titles)), yticklabels=titles, xlim=(0.0, 1.02))
    axis.set_xlabel("autonomy under throws (mean over seeds, 95 % interval, dots: seeds; dotted: 98 %)")
    axis.invert_yaxis()
    save(figure, path)


def draw_traces(drives: Mapping[str, Drive], path: Path) -> None:
    """Distance from the centre line along one road, one row a driver; the same throws in all."""
    figure, axes = new_figure(len(drives), 1, (9.0, 1.5 * len(drives)), sharex=True, sharey=True)
    for axis, (name, driven) in zip(axes[:, 0], drives.items(), strict=True):
        axis.axhspan(-1.0, 1.0, color="#f0f0f0")
        axis.plot(driven.trace[:, 0], driven.trace[:, 1], color=COLORS.get(name, HELPING), linewidth=1)
        title = VARIANTS[name].title if name in VARIANTS else name
        axis.set_title(f"{title}: {driven.interventions} interventions", fontsize=9, loc="left")
        axis.set(ylim=(-1.4, 1.4), ylabel="m left")
    axes[-1, 0].set_xlabel("progress (m)")
    save(figure, path)
