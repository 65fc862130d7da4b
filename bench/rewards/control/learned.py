"""What rewards that learn make of demonstrations: every task, every seed, and an expert that always does the same."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.harness import Bench, bootstrap_interval, median_interval
from bench.rewards.control.peers.order import Point
from bench.rewards.control.watched import JUDGED_FROM, LEVELS, judged, lazy
from bench.units import Units, kept_units
from models.learned_rewards import Imitator, Round, imitate
from models.learners.reproducible import reproducible
from models.reinforcement import Actor
from models.trajectories import Trajectories
from sim.control import TASKS, ControlBatch, ControlTask, returns
from sim.control.experts import demonstrate
from understudy.control.reward_recipes import Recipe, make_reward, recipe

__all__ = ["DEMONSTRATIONS", "Run", "learned_returns", "shown_to", "train", "trained"]

#: Episodes of the expert.
DEMONSTRATIONS = 50
#: Seeds of the negative control.
CONTROLS = 2
#: Policies that are judged on the way, and episodes of each: the first of those that the last one is judged by.
POINTS, POINT_EPISODES = 10, 20


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        points: the policy on the way, the last one at the end; scored on the true reward, which nothing learned from.
        returns: of the last policy, one an episode.
        imitator: what was learned.
    """

    points: tuple[Point, ...]
    returns: npt.NDArray[np.float64]
    imitator: Imitator


@cache
def shown_to(task: str, seed: int) -> Trajectories:
    """The same demonstrations for all learners of a seed."""
    return demonstrate(TASKS[task], DEMONSTRATIONS, seed)


def train(
    learner: str,
    task: ControlTask,
    shown: Trajectories,
    seed: int,
    suited: Recipe | None = None,
    *,
    until: float | None = None,
    points: int = POINTS,
) -> Run:
    """Learn a reward and a policy, judged on the way.

    Args:
        learner: its name.
        task: the world.
        shown: demonstrations.
        seed: of everything else.
        suited: what suits the task, when not given.
        until: a score that ends the training.
        points: policies that are judged.
    """
    suited = suited or recipe(learner, task.name)
    found: list[Point] = []

    def watch(one: Round, count: int, actor: Actor) -> bool:
        if one.iteration * points // count <= (one.iteration - 1) * points // count:
            return False
        score = float(returns(task, actor.act, POINT_EPISODES, JUDGED_FROM + seed).mean())
        found.append(Point(one.steps, one.seconds, score))
        return until is not None and score >= until

    with reproducible(seed, 1):
        reward = make_reward(learner, task, shown, suited, seed)
        imitator = imitate(ControlBatch(task, suited.environments, seed), task, reward, suited.plan, seed, watch)
    score = judged(task, imitator.actor.act, seed)
    last = imitator.rounds[-1]
    words = f"{learner}, {task.name}, seed {seed}: {score.mean():.1f} after {last.steps} steps, {last.seconds:.1f} s"
    print(f"    {words}", file=sys.stderr, flush=True)
    return Run(tuple(found), score, imitator)


def learned_returns(
    learner: str, goals: Mapping[str, float], name: str, bench: Bench, quick: bool
) -> dict[str, object]:
    """Mean return of the last policy over seeds, against a goal, and the control.

    Args:
        learner: its name.
        goals: by task.
        name: of the task.
        bench: takes the goals.
        quick: one control instead of two.
    """
    units = kept_units(bench, f"control.{learner}.{name}")
    runs = [trained(units, learner, name, seed) for seed in bench.seeds]
    means = [run["return"] for run in runs]
    interval = bootstrap_interval(means)
    bench.goal(f"{learner}, mean return", interval.value, ">=", goals[name])
    controls = [trained(units, learner, name, seed, "lazy") for seed in bench.seeds[: 1 if quick else CONTROLS]]
    worst = max(run["return"] for run in controls)
    bench.goal(f"control: {learner} of an expert that always does the same", worst, "<=", LEVELS[name].bad)
    return {
        "demonstrations": DEMONSTRATIONS,
        "expert_return": float(np.mean([run["expert_return"] for run in runs])),
        "return": asdict(interval),
        "returns_by_seed": means,
        "steps": runs[0]["steps"],
        "seconds": asdict(median_interval([run["seconds"] for run in runs])),
        "figure_at_the_end": [run["figure"] for run in runs],
        "mean_figure": [run["mean_figure"] for run in runs],
        "control_returns": [run["return"] for run in controls],
        "recipe": asdict(recipe(learner, name)),
        "points": [run["points"] for run in runs],
        "units": units.account,
    }


def trained(
    units: Units,
    learner: str,
    name: str,
    seed: int,
    shower: str = "expert",
    *,
    suited: Recipe | None = None,
    label: str = "",
) -> dict[str, Any]:
    """One training that is kept.

    Args:
        units: keep it.
        learner: its name.
        name: of the task.
        seed: of demonstrations and everything else.
        shower: ``expert``, or ``lazy`` for one that always does the same.
        suited: what suits the task, when not given.
        label: tells trainings of several recipes apart.
    """
    suited = suited or recipe(learner, name)
    settings = {"demonstrations": DEMONSTRATIONS, "recipe": asdict(suited)}

    def run() -> dict[str, Any]:
        task = TASKS[name]
        shown = shown_to(name, seed) if shower == "expert" else lazy(task, DEMONSTRATIONS, seed)
        found = train(learner, task, shown, seed, suited)
        rounds = found.imitator.rounds
        return {
            "return": float(found.returns.mean()),
            "expert_return": float(shown.returns.mean()),
            "steps": rounds[-1].steps,
            "seconds": rounds[-1].seconds,
            "figure": rounds[-1].figure,
            "mean_figure": float(np.mean([one.figure for one in rounds])),
            "points": [asdict(point) for point in found.points],
        }

    return units.get("-".join(part for part in (label, shower, str(seed)) if part), settings, run)
