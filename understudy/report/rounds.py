"""Drawings of interactive learning: what each round cost, brought, and who drove it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from models.interactive import Measure, RoundRecord
from models.interactive.records import BINS
from understudy.report.labels import label_ends
from understudy.report.style import new_figure, quiet_axes, role, styled, to_svg

__all__ = ["draw_against_data", "draw_asked", "draw_deviations", "draw_drivers_by_round", "draw_switches"]

_SIZE_PX = (450, 290)
#: Histograms of deviations side by side: more would be too small to read.
_MOST_ROUNDS = 6

Rounds = Sequence[RoundRecord]


def draw_against_data(
    name: str, rounds: Rounds, label: str, of_policy: Sequence[float], of_round: Sequence[float]
) -> str:
    """SVG of a rate of mishaps against the labels learned from: of each policy alone, and of the drives of each round.

    Args:
        name: prefix of ids.
        rounds: the records.
        label: of the rate, with its unit.
        of_policy: in the validation of each round; NaN where there was none.
        of_round: while its data were collected.
    """
    labels = np.cumsum([record.collected.kept for record in rounds])
    curves = [("policy alone", "policy", of_policy), ("in the round's drives", "muted", of_round)]
    with styled():
        figure = new_figure(*_SIZE_PX)
        axes = figure.subplots()
        ends = []
        for words, colour, values in curves:
            if not np.isfinite(values).any():
                continue
            axes.plot(labels, values, color=role(colour), marker="o", markersize=4)
            ends.append((words, colour, float(labels[-1]), float(values[-1])))
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=0)
        axes.set_xlabel("labels of the expert so far")
        axes.set_ylabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        quiet_axes(axes)
        label_ends(axes, ends)
        return to_svg(figure, name, f"{label} against labels of the expert")


def draw_asked(name: str, rounds: Rounds) -> str:
    """SVG of the labels that each round asked for, as bars over all of its ticks."""
    with styled():
        figure = new_figure(*_SIZE_PX)
        axes = figure.subplots()
        numbers = _numbers(rounds)
        axes.bar(numbers, [record.collected.ticks for record in rounds], color=role("grid"), width=0.7)
        axes.bar(numbers, [record.collected.queries for record in rounds], color=role("expert"), width=0.7)
        axes.set_ylabel("ticks (coloured: asked)")
        _by_round(axes)
        return to_svg(figure, name, "Labels that each round asked for")


def draw_drivers_by_round(name: str, rounds: Rounds) -> str:
    """SVG of who drove, in shares of each round's ticks."""
    expert = np.array([record.collected.expert_ticks / max(1, record.collected.ticks) for record in rounds])
    with styled():
        figure = new_figure(*_SIZE_PX)
        axes = figure.subplots()
        numbers = _numbers(rounds)
        axes.bar(numbers, 100 * expert, color=role("expert"), width=0.7)
        axes.bar(numbers, 100 * (1.0 - expert), bottom=100 * expert, color=role("policy"), width=0.7)
        axes.set_ylabel("% of ticks")
        axes.set_ylim(0, 100)
        _by_round(axes)
        return to_svg(figure, name, "Who drove, by round")


def draw_switches(name: str, rounds: Rounds) -> str:
    """SVG of how often the driver changed, for a thousand ticks."""
    rates = [1000.0 * record.collected.switches / max(1, record.collected.ticks) for record in rounds]
    with styled():
        figure = new_figure(*_SIZE_PX)
        axes = figure.subplots()
        axes.bar(_numbers(rounds), rates, color=role("ink"), width=0.5)
        axes.set_ylabel("changes of driver in 1000 ticks")
        axes.set_ylim(0, max([1.0, *rates]) * 1.08)
        _by_round(axes)
        return to_svg(figure, name, "How often the driver changed, by round")


def draw_deviations(name: str, rounds: Rounds, measure: Measure) -> str:
    """SVG of where the robot was in each round, while the expert acted and while the policy did.

    The drift of the states: what the learner meets, and what the expert would have shown it.
    """
    shown = _spread(rounds)
    edges = np.linspace(0.0, measure.limit, BINS + 1)
    reach = _reach(shown, edges)
    with styled():
        figure = new_figure(920, 60 + 86 * len(shown))
        rows = np.atleast_1d(figure.subplots(len(shown), 1, sharex=True))
        for axes, record in zip(rows, shown, strict=True):
            for colour, counts in (
                ("expert", record.collected.expert_deviations),
                ("policy", record.collected.policy_deviations),
            ):
                if sum(counts):
                    shares = 100 * np.array(counts, np.float64) / record.collected.ticks
                    axes.stairs(shares, edges, color=role(colour), fill=True, alpha=0.25)
                    axes.stairs(shares, edges, color=role(colour), linewidth=1.6)
            axes.set_title(f"round {record.number + 1}", loc="left", fontsize="medium", color=role("muted"))
            axes.set_xlim(0, reach)
            axes.yaxis.set_major_locator(MaxNLocator(2))
            quiet_axes(axes, grid="")
        rows[-1].set_xlabel(f"{measure.name} ({measure.unit})")
        figure.supylabel("% of the round's ticks", color=role("muted"), fontsize="medium")
        return to_svg(figure, name, f"Histograms of the {measure.name}, by round and driver")


def _spread(rounds: Rounds) -> Rounds:
    """At most so many rounds, evenly over all of them, the first and the last among them."""
    if len(rounds) <= _MOST_ROUNDS:
        return rounds
    picks = np.unique(np.linspace(0, len(rounds) - 1, _MOST_ROUNDS).round().astype(int))
    return [rounds[int(pick)] for pick in picks]


def _reach(rounds: Rounds, edges: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Up to the last bin that anybody was in."""
    used = np.zeros(BINS, np.int64)
    for record in rounds:
        used += np.array(record.collected.expert_deviations) + np.array(record.collected.policy_deviations)
    last = int(np.flatnonzero(used).max(initial=0))
    return float(edges[last + 1])


def _numbers(rounds: Rounds) -> list[int]:
    return [record.number + 1 for record in rounds]


def _by_round(axes: Axes) -> None:
    axes.set_xlabel("round")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    quiet_axes(axes)
