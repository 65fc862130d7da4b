"""The map of one track: the road, where the expert drove it, where the policy drove it, and where the wheel changed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from understudy.evaluation.scores import EpisodeScore
from understudy.evaluation.traces import DRIVERS, Float64Array, Trace, Track
from understudy.report.style import DRIVER_ROLES, new_figure, role, styled, to_svg

__all__ = ["draw_map", "driver_runs"]

_WIDTH_PX = 360
_CLEAR_OF_FINISH = 0.25  # of the track's extent: nearer to the finish line the two names would overlap
_SCALE_BARS_M = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


def driver_runs(driver: npt.NDArray[np.uint8]) -> Iterator[tuple[int, int, int]]:
    """Runs of one driver as ``(code, first, end)``, ``end`` excluded."""
    bounds = [0, *(np.flatnonzero(np.diff(driver)) + 1).tolist(), len(driver)]
    for first, end in itertools.pairwise(bounds):
        if end > first:
            yield int(driver[first]), first, end


def draw_map(
    name: str,
    track: Track,
    policy: Sequence[tuple[Trace, EpisodeScore]],
    demonstrations: Sequence[Trace],
    extent_m: tuple[float, float],
) -> str:
    """SVG of one track with every path driven on it; maps of one ``extent_m`` (width, height) share one scale."""
    with styled():
        edges = np.concatenate([track.left_edge_m, track.right_edge_m])
        centre = (edges.min(axis=0) + edges.max(axis=0)) / 2
        width_m, height_m = extent_m[0] * 1.06, extent_m[1] * 1.04 + extent_m[0] * 0.1  # below: room for the scale
        figure = new_figure(_WIDTH_PX, int(_WIDTH_PX * height_m / width_m), bare=True)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(centre[0] - width_m / 2, centre[0] + width_m / 2)
        top = centre[1] + extent_m[1] * 0.52
        axes.set_ylim(top - height_m, top)
        _draw_road(axes, track)
        for trace in demonstrations:
            path = trace.poses.position_in_map_m
            axes.plot(path[:, 0], path[:, 1], color=role("shown"), linewidth=6, zorder=3)
        for trace, score in policy:
            _draw_drive(axes, trace, score)
        _draw_finish(axes, track)
        _draw_car_starts(axes, track, [trace for trace, _ in policy])
        _draw_scale(axes)
        return to_svg(figure, name, "Map of the track with the paths driven on it")


def _closed(line: Float64Array) -> Float64Array:
    return np.concatenate([line, line[:1]])


def _draw_road(axes: Axes, track: Track) -> None:
    """The tarmac as one band between the two edges, and a dashed centreline."""
    left, right, centre = (_closed(line) for line in (track.left_edge_m, track.right_edge_m, track.centerline_m))
    band = np.concatenate([left, right[::-1]])
    axes.fill(band[:, 0], band[:, 1], color=role("road"), linewidth=0, zorder=1)
    for edge in (left, right):
        axes.plot(edge[:, 0], edge[:, 1], color=role("faint"), linewidth=1.2, zorder=2)
    axes.plot(centre[:, 0], centre[:, 1], color=role("faint"), linewidth=0.9, linestyle=(0, (5, 5)), zorder=2)


def _draw_drive(axes: Axes, trace: Trace, score: EpisodeScore) -> None:
    """The deployed path, coloured by who drove, and a ring where the wheel changed hands."""
    stamps = trace.decisions.stamps_ns
    if not len(stamps) or not len(trace.poses.stamps_ns):
        return
    path = trace.position_at(stamps)
    for code, first, end in driver_runs(trace.decisions.driver):
        part = path[first : end + 1]
        colour = role(DRIVER_ROLES[code])
        width, depth = (1.7, 4) if DRIVERS[code] == "policy" else (3.4, 5)
        axes.plot(part[:, 0], part[:, 1], color=colour, linewidth=width, zorder=depth)
    for hand_over in score.hand_overs:
        axes.plot(
            hand_over.x_m,
            hand_over.y_m,
            marker="o",
            markersize=6.5,
            markerfacecolor=role("card"),
            markeredgecolor=role(hand_over.after),
            markeredgewidth=2,
            zorder=6,
        )


def _draw_finish(axes: Axes, track: Track) -> None:
    """A bar across the road where laps are counted and an arrow in the direction of travel, inside the loop."""
    start, ahead = track.centerline_m[0], track.centerline_m[1]
    forward = (ahead - start) / max(float(np.linalg.norm(ahead - start)), 1e-9)
    across = np.array([-forward[1], forward[0]]) * track.half_width_m
    axes.plot(*zip(start - across, start + across, strict=True), color=role("ink"), linewidth=3, zorder=7)
    inward = np.sign(np.dot(across, track.centerline_m.mean(axis=0) - start)) * across
    base = start + inward * 1.7
    arrow = {"arrowstyle": "-|>", "color": role("ink"), "linewidth": 1.4, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=base + forward * track.half_width_m * 2, xytext=base, arrowprops=arrow, zorder=7)
    _write_inside(axes, base + inward * 0.5 + forward * track.half_width_m, inward, "finish line")


def _draw_car_starts(axes: Axes, track: Track, traces: Sequence[Trace]) -> None:
    """A diamond where a car began that did not begin at the finish line; the first one is named, inside the loop."""
    named = False
    finish = track.centerline_m[0]
    for trace in traces:
        if not len(trace.poses.stamps_ns):
            continue
        place = trace.poses.position_in_map_m[0]
        distance_m = float(np.linalg.norm(place - finish))
        if distance_m <= 2 * track.half_width_m:  # a road's width
            continue
        axes.plot(*place, marker="D", markersize=5.5, color=role("ink"), markeredgewidth=0, zorder=8)
        if not named:
            nearest = int(np.argmin(np.linalg.norm(track.centerline_m - place, axis=1)))
            sides = (track.left_edge_m, track.right_edge_m)
            edges = [side[np.argmin(np.linalg.norm(side - track.centerline_m[nearest], axis=1))] for side in sides]
            middle = track.centerline_m.mean(axis=0)
            inner = min(edges, key=lambda edge: float(np.linalg.norm(edge - middle)))
            inward = inner - track.centerline_m[nearest]
            far = 1.5 if distance_m > _CLEAR_OF_FINISH * max(track.extent_m) else 4.0
            _write_inside(axes, track.centerline_m[nearest] + far * inward, inward, "car starts")
            named = True


def _write_inside(axes: Axes, place: Float64Array, inward: Float64Array, text: str) -> None:
    """Text that begins at a place and runs away from the road, for a road that is left in direction ``inward``."""
    right, up = inward / max(float(np.linalg.norm(inward)), 1e-9)
    across: Literal["left", "right", "center"] = "left" if right > 0.5 else "right" if right < -0.5 else "center"
    upward: Literal["bottom", "top", "center"] = "bottom" if up > 0.5 else "top" if up < -0.5 else "center"
    axes.text(float(place[0]), float(place[1]), text, ha=across, va=upward, color=role("ink"), zorder=7)


def _draw_scale(axes: Axes) -> None:
    """A bar of a round length in the lower left corner."""
    (left, right), (bottom, _) = axes.get_xlim(), axes.get_ylim()
    length = max((bar for bar in _SCALE_BARS_M if bar <= (right - left) / 4), default=_SCALE_BARS_M[0])
    x, y = left + 0.03 * (right - left), bottom + 0.02 * (right - left)
    axes.plot([x, x + length], [y, y], color=role("muted"), linewidth=1.5, solid_capstyle="butt")
    axes.text(x + length, y, f"  {length:g} m", ha="left", va="center", color=role("muted"))
