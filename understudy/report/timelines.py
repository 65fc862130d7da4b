"""Time running to the right, one row an episode: who drove and why, and how sure the policy was."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from understudy.evaluation.grasps import is_grasping, score_grasp
from understudy.evaluation.scores import EpisodeScore
from understudy.evaluation.traces import Trace
from understudy.report.maps import driver_runs
from understudy.report.markup import count
from understudy.report.reasons import in_words
from understudy.report.starts import start_reason, withheld_at_start
from understudy.report.style import DRIVER_ROLES, new_figure, quiet_axes, role, styled, to_svg

__all__ = ["draw_drivers", "draw_unsafe"]

_WIDTH_PX = 1000
_MARGIN_PX = 58  # axis labels below the rows
_SHORTEST_START_S = 0.25  # that is labelled: less is hardly seen
_MIN_LABEL_GAP = 0.09  # of the time axis: reasons closer together than this would overlap


def draw_drivers(name: str, episodes: Sequence[tuple[Trace, EpisodeScore]]) -> str:
    """SVG of one band an episode, coloured by driver, with the reason above each loss of the wheel."""
    with styled():
        figure = new_figure(_WIDTH_PX, _MARGIN_PX + 56 * len(episodes))
        axes = figure.subplots()
        longest = max(float(_seconds(trace)[-1]) for trace, _ in episodes)
        for row, (trace, score) in enumerate(episodes):
            _draw_band(axes, -row, trace)
            _label_reasons(axes, -row, trace, score, longest)
        axes.set_yticks([-row for row in range(len(episodes))], [_row_name(*pair) for pair in episodes])
        axes.set_ylim(0.5 - len(episodes), 0.75)
        axes.set_xlim(0, longest)
        axes.set_xlabel("time in the episode (s)")
        quiet_axes(axes, grid="x")
        return to_svg(figure, name, "Who was in command, over time")


def draw_unsafe(name: str, episodes: Sequence[tuple[Trace, EpisodeScore]], threshold: float) -> str:
    """SVG of the unsafe probability over time, one strip an episode, shaded where the policy did not drive."""
    with styled():
        figure = new_figure(_WIDTH_PX, _MARGIN_PX + 96 * len(episodes))
        strips = figure.subplots(len(episodes), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (trace, score) in zip(strips, episodes, strict=True):
            _draw_strip(axes, trace)
            axes.set_ylabel(_row_name(trace, score), rotation=0, ha="right", va="center")
            axes.axhline(threshold, color=role("bad"), linewidth=1.2, linestyle=(0, (4, 3)))
        strips[-1].set_xlabel("time in the episode (s)")
        strips[-1].set_xlim(0, max(float(_seconds(trace)[-1]) for trace, _ in episodes))
        return to_svg(figure, name, "Unsafe probability over time")


def _seconds(trace: Trace) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return trace.elapsed_s(trace.decisions.stamps_ns)


def _row_name(trace: Trace, score: EpisodeScore) -> str:
    if is_grasping([trace]):
        return f"{score.track}\n{'held up' if score_grasp(trace, score).success else 'not held up'}"
    # Without a simulator there are neither tracks nor laps.
    return f"{score.track}\n{count(score.laps, 'lap')}" if score.track else score.episode_id


def _draw_band(axes: Axes, y: float, trace: Trace) -> None:
    seconds = _seconds(trace)
    ends = np.append(seconds[1:], seconds[-1] + trace.period_s)
    for code, first, end in driver_runs(trace.decisions.driver):
        span = (float(seconds[first]), float(ends[end - 1] - seconds[first]))
        axes.broken_barh([span], (y - 0.19, 0.38), color=role(DRIVER_ROLES[code]), linewidth=0)


def _label_reasons(axes: Axes, y: float, trace: Trace, score: EpisodeScore, longest_s: float) -> None:
    """Name why the policy did not get or lost the wheel, leaving out labels that would run into the one before."""
    start = withheld_at_start(trace)
    losses = [(one.elapsed_s, in_words(one.reason), one.after) for one in score.hand_overs if one.before == "policy"]
    if start is not None and start.seconds >= _SHORTEST_START_S:
        losses.insert(
            0, (float(_seconds(trace)[0]), start_reason(start.reason), DRIVER_ROLES[int(trace.decisions.driver[0])])
        )
    free_from = -np.inf
    for elapsed_s, words, driver in losses:
        if elapsed_s < free_from:
            continue
        late = elapsed_s > 0.85 * longest_s
        axes.annotate(words, (elapsed_s, y + 0.24), ha="right" if late else "left", va="bottom", color=role(driver))
        free_from = elapsed_s + max(_MIN_LABEL_GAP, 0.0085 * len(words)) * longest_s


def _draw_strip(axes: Axes, trace: Trace) -> None:
    seconds = _seconds(trace)
    ends = np.append(seconds[1:], seconds[-1] + trace.period_s)
    for code, first, end in driver_runs(trace.decisions.driver):
        if DRIVER_ROLES[code] != "policy":
            axes.axvspan(seconds[first], ends[end - 1], color=role(DRIVER_ROLES[code]), alpha=0.22, linewidth=0)
    if len(trace.proposed_unsafe):
        axes.plot(
            trace.elapsed_s(trace.proposals.stamps_ns), trace.proposed_unsafe, color=role("policy"), linewidth=1.2
        )
    else:
        axes.plot(seconds, trace.decisions.unsafe_probability, color=role("policy"), linewidth=1.2)
    axes.set_ylim(-0.02, 1.05)
    axes.set_yticks([0, 0.5, 1])
    quiet_axes(axes)
