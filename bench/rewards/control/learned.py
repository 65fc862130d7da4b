"""What rewards that learn make of demonstrations: every task, every seed, and an expert that always does the same."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from bench.harness import Bench, bootstrap_interval, median_interval
from bench.rewards.control.peers.order import Point
from bench.rewards.control.watched import LEVELS, judged, lazy
from models.learned_rewards import Imitator, Round, imitate
from models.learners.reproducible import reproducible
from models.reinforcement import Actor
from models.trajectories import Trajectories
from sim.control import TASKS, ControlBatch, ControlTask
from sim.control.experts import demonstrate
from understudy.control.reward_recipes import Recipe, make_reward, recipe

__all__ = ["DEMONSTRATIONS", "Run", "learned_returns", "shown_to", "train"]

#: Episodes of the expert.
DEMONSTRATIONS = 50
#: Seeds of the negative control.
CONTROLS = 2
POINTS = 20


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
        score = float(judged(task, actor.act, seed)[:20].mean())
        found.append(Point(one.steps, one.seconds, score))
        return until is not None and score >= until

    with reproducible(seed, 1):
        reward = make_reward(learner, task, shown, suited, seed)
        imitator = imitate(ControlBatch(task, suited.environments, seed), task, reward, suited.plan, seed, watch)
    returns = judged(task, imitator.actor.act, seed)
    last = imitator.rounds[-1]
    words = f"{learner}, {task.name}, seed {seed}: {returns.mean():.1f} after {last.steps} steps, {last.seconds:.1f} s"
    print(f"    {words}", file=sys.stderr, flush=True)
    return Run(tuple(found), returns, imitator)


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
    task = TASKS[name]
    runs = [train(learner, task, shown_to(name, seed), seed) for seed in bench.seeds]
    means = [float(run.returns.mean()) for run in runs]
    interval = bootstrap_interval(means)
    bench.goal(f"{learner}, mean return", interval.value, ">=", goals[name])
    controls = [
        float(train(learner, task, lazy(task, DEMONSTRATIONS, seed), seed).returns.mean())
        for seed in bench.seeds[: 1 if quick else CONTROLS]
    ]
    bench.goal(f"control: {learner} of an expert that always does the same", max(controls), "<=", LEVELS[name].bad)
    return {
        "demonstrations": DEMONSTRATIONS,
        "expert_return": float(np.mean([shown_to(name, seed).returns.mean() for seed in bench.seeds])),
        "return": asdict(interval),
        "returns_by_seed": means,
        "steps": runs[0].points[-1].steps,
        "seconds": asdict(median_interval([run.imitator.rounds[-1].seconds for run in runs])),
        "figure_at_the_end": [run.imitator.rounds[-1].figure for run in runs],
        "control_returns": controls,
        "recipe": asdict(recipe(learner, name)),
        "points": [[asdict(point) for point in run.points] for run in runs],
    }
