"""The tabular worlds by the names that the command line gives them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from models.rewards.mdp import Floats
from sim.tabular.gridworld import exercise, gridworld
from sim.tabular.highway import Style, highway
from sim.tabular.lane import CELLS, lane
from sim.tabular.task import TabularTask

__all__ = ["LANE_PENALTY", "TASKS", "LaneLesson", "lane_lesson", "make_task"]

TASKS = ("exercise", "gridworld", "highway", "lane")
"""The lecture's nine cells, Abbeel & Ng's grid, a highway, and the driving simulator's road."""

LANE_PENALTY = 1.0
"""On large weights, for the lane. Its table leads a little to the side of where the car really goes; an expert who
never leaves the middle could then only be explained by rewards that alternate from cell to cell."""


@dataclass(frozen=True, eq=False)
class LaneLesson:
    """The simulator's road, with demonstrations.

    Attributes:
        task: the world, whose episodes start where the demonstrations do.
        numbers: ``(M, 3)`` states of the demonstrations in SI units, before they became cells.
    """

    task: TabularTask
    numbers: Floats


def make_task(name: str, seed: int = 0, style: str = Style.NICE, *, finite: bool = False) -> TabularTask:
    """A world by its name, but for the lane, whose demonstrations have to be driven: :func:`lane_lesson`.

    Args:
        name: one of :data:`TASKS`.
        seed: draws the gridworld's reward.
        style: of driving, on the highway.
        finite: whether the plain sum over the horizon counts, as MaxEnt wants it, or the discounted sum.
    """
    if name == "exercise":
        return exercise(finite=finite)
    if name == "highway":
        return highway(Style(style), finite=finite)
    assert name == "gridworld", f"no tabular world is called {name!r}"
    return gridworld(seed, finite=finite)


def lane_lesson(
    tracks: int, pieces: int, seed: int, *, finite: bool, progress: Callable[[int, int], None] | None = None
) -> LaneLesson:
    """Let the simulator's expert demonstrate.

    Args:
        tracks: how many, from 1.
        pieces: demonstrations on each.
        seed: of where the car is thrown.
        finite: as in :func:`make_task`.
        progress: told how many tracks are done, and how many there are.
    """
    from sim.tabular.lane_drives import demonstrate, open_world

    with open_world() as world:
        shown, numbers = demonstrate(world, range(1, tracks + 1), pieces, seed, progress)
    task = lane(finite=finite)
    world_of_shown = replace(task.mdp, start=shown.start(CELLS.count))
    return LaneLesson(replace(task, mdp=world_of_shown, shown=shown), np.asarray(numbers))
