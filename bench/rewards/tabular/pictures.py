"""Pictures of the rewards that were found, beside the true ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.rewards.mdp import Floats
from sim.tabular.gridworld import exercise, gridworld
from sim.tabular.highway import Style, highway
from sim.tabular.task import RewardMap, TabularTask
from understudy.rewards.learning import LEARNERS, Learned, Settings, learn
from understudy.rewards.tasks import LANE_PENALTY, lane_lesson

__all__ = ["draw_pictures"]

PICTURES = Path(__file__).parent.parent.parent.parent / "runs" / "bench" / "rewards"


def draw_pictures() -> list[str]:
    """One picture a world; the names of the files."""
    settings = Settings(epsilon=0.02, iterations=1000)
    worlds = {
        "exercise": (exercise(finite=True), exercise(finite=False)),
        "gridworld": (gridworld(0, finite=True), gridworld(0)),
        "highway_nice": (highway(Style.NICE, finite=True), highway(Style.NICE)),
        "highway_nasty": (highway(Style.NASTY, finite=True), highway(Style.NASTY)),
    }
    files = []
    for name, (finite, endless) in worlds.items():
        found = []
        for learner in LEARNERS:
            task = finite if learner == "maxent" else endless
            shown = task.demonstrate(5000, np.random.default_rng(0))
            found.append(learn(task, learner, shown, settings))
        files.append(_compare(name, endless, found))
    lesson = lane_lesson(6, 10, 0, finite=True)
    assert lesson.task.shown is not None
    lane = learn(lesson.task, "maxent", lesson.task.shown, Settings(penalty=LANE_PENALTY))
    files.append(_compare("lane", lesson.task, [lane]))
    return files


def _compare(name: str, task: TabularTask, found: Sequence[Learned]) -> str:
    """A row of maps a learner, below the true reward's."""
    rewards = [(learned.learner, learned.reward) for learned in found]
    if task.true_weights is not None:
        rewards.insert(0, ("true", task.true_reward))
    return _draw(name, task, rewards)


def _draw(name: str, task: TabularTask, rewards: Sequence[tuple[str, Floats]]) -> str:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = len(task.draw(rewards[0][1]))
    figure, axes = pyplot.subplots(
        columns, len(rewards), figsize=(3.1 * len(rewards) + 0.6, 2.9 * columns), squeeze=False, constrained_layout=True
    )
    for column, (label, reward) in enumerate(rewards):
        largest = float(np.abs(reward).max()) or 1.0
        for row, one in enumerate(task.draw(reward / largest)):
            _show(axes[row, column], one, f"{label}" if row == 0 else "", first=column == 0)
    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / f"{name}.png"
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
    return str(path.relative_to(PICTURES.parent.parent.parent))


def _show(axes: Any, shown: RewardMap, title: str, *, first: bool) -> None:
    """Scaled to the largest magnitude: a reward explains as well ten times as large."""
    axes.imshow(shown.cells, cmap="RdBu", vmin=-1.0, vmax=1.0, interpolation="nearest", aspect="auto")
    axes.set_title(title)
    if shown.column_names:
        axes.set_xticks(range(len(shown.column_names)), shown.column_names, fontsize=6, rotation=90)
    if shown.row_names:
        axes.set_yticks(range(len(shown.row_names)), shown.row_names if first else [], fontsize=6)
    else:
        axes.set(xticks=[], yticks=[])
    axes.set_xlabel(shown.axes[1] or shown.title, fontsize=7)
    if first:
        axes.set_ylabel(f"{shown.title}\n{shown.axes[0]}" if shown.axes[0] else "", fontsize=7)
