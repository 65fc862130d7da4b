"""Pictures of the modes experiment: where the robots drove, and what they first did about the obstacle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.policies.lane.fork import OBSTACLE_RADIUS_M, ROBOT_RADIUS_M
from bench.policies.lane.pictures import draw_bars, new_figure, new_panels, save
from bench.policies.lane.robot import Array

__all__ = ["draw_commands", "draw_drives", "draw_rates"]

# Okabe & Ito's: blue passes, vermilion does not.
PASSES, HITS = "#0072b2", "#d55e00"
#: Of the same policies, in the order of their markers.
BESIDE = {"asked_every_tick": ("^", "asked every tick"), "one_way": ("o", "expert of one way (control)")}


def draw_rates(found: Mapping[str, Any], path: Path) -> None:
    """Bars with their intervals: who gets past the obstacle, and whose first command does not turn.

    Args:
        found: the experiment's result.
        path: of the picture.
    """
    figure, axes = new_figure(2, 1, (9.0, 5.0), sharex=True, sharey=True)
    passed, straight = axes[:, 0]
    draw_bars(passed, found["passed"]["two_ways"], color=PASSES, label="chunks carried out whole")
    names = list(found["passed"]["two_ways"])
    for kind, (marker, label) in BESIDE.items():
        rates = found["passed"][kind]
        places = [names.index(name) for name in rates]
        passed.plot(places, [rate["value"] for rate in rates.values()], f"k{marker}", fillstyle="none", label=label)
    passed.set(title="gets past", ylim=(0.0, 1.05))
    passed.legend(loc="lower right", fontsize=8)
    draw_bars(straight, found["first_command_straight"], color=HITS)
    straight.set_title("first command does not turn")
    save(figure, path)


def draw_drives(places: Mapping[str, Sequence[Array]], path: Path) -> None:
    """The way of every drive, one panel a head; dotted: what the robot's middle must not enter."""
    figure, panels = new_panels(len(places), 8.0, 2.0, 0.6)
    for panel, (name, drives) in zip(panels, places.items(), strict=False):
        panel.add_patch(_disc(OBSTACLE_RADIUS_M, color="#5d6878"))
        panel.add_patch(_disc(OBSTACLE_RADIUS_M + ROBOT_RADIUS_M, fill=False, linestyle=":"))
        for way in drives:
            passes = way[-1, 0] > OBSTACLE_RADIUS_M + ROBOT_RADIUS_M
            panel.plot(way[:, 0], way[:, 1], color=PASSES if passes else HITS, linewidth=0.8, alpha=0.6)
        panel.set(title=name, xlim=(-2.0, 1.0), ylim=(-1.5, 1.5), aspect="equal")
    figure.supxlabel("along the road (m)")
    figure.supylabel("to the left (m)")
    save(figure, path)


def draw_commands(first: Mapping[str, Array], path: Path) -> None:
    """Speeds of both wheels in the first answer to the obstacle, above the cruise's; the dotted line is straight on."""
    figure, panels = new_panels(len(first), 8.0, 2.4, 0.6)
    for panel, (name, commands) in zip(panels, first.items(), strict=False):
        panel.axline((0.0, 0.0), slope=1.0, color="#5d6878", linestyle=":", linewidth=1)
        panel.plot(commands[:, 0], commands[:, 1], "o", color=PASSES, markersize=3, alpha=0.5)
        panel.set(title=name, xlim=(-0.8, 0.8), ylim=(-0.8, 0.8), aspect="equal")
    figure.supxlabel("left wheel, above cruise (m/s)")
    figure.supylabel("right wheel, above cruise (m/s)")
    save(figure, path)


def _disc(radius_m: float, **style: Any) -> Any:
    from matplotlib.patches import Circle

    return Circle((0.0, 0.0), radius_m, **style)
