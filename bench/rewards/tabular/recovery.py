"""How much of the expert's value every learner recovers from sampled demonstrations, and what it makes of nonsense."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from bench.harness import Bench, bootstrap_interval
from models.rewards.demonstrations import Demonstrations, sample_demonstrations
from models.rewards.maxent import MaxEnt, log_probability, max_ent
from sim.tabular.gridworld import gridworld
from sim.tabular.highway import Style, highway
from sim.tabular.task import TabularTask
from understudy.rewards.learning import LEARNERS, Settings, learn

__all__ = ["controls", "recovery"]

WORLDS = ("gridworld", "highway")


def _task(name: str, seed: int, *, finite: bool, quick: bool) -> TabularTask:
    """Every seed is another reward of the grid, and another style on the highway."""
    if name == "highway":
        return highway(list(Style)[seed % len(Style)], finite=finite)
    return gridworld(seed, size=6, block=2, finite=finite) if quick else gridworld(seed, finite=finite)


def _runs(learner: str, world: str, bench: Bench, quick: bool) -> Iterator[tuple[TabularTask, np.random.Generator]]:
    for seed in bench.seeds:
        yield _task(world, seed, finite=learner == "maxent", quick=quick), np.random.default_rng(seed)


def recovery(bench: Bench, quick: bool) -> dict[str, object]:
    """The value of what was learned, under the reward that the expert really drives at.

    The goal is of ``share``: 0 is what acting at random is worth, 1 the expert. It is harder than the plain ``ratio``.
    """
    count = 1000 if quick else 5000
    settings = Settings(epsilon=0.02, iterations=300 if quick else 1000)
    goal = 0.97 if quick else 0.99
    results: dict[str, object] = {"demonstrations": count}
    for learner in LEARNERS:
        for world in WORLDS:
            found = [
                learn(task, learner, task.demonstrate(count, random), settings).figures
                for task, random in _runs(learner, world, bench, quick)
            ]
            figures = {name: bootstrap_interval([one[name] for one in found]) for name in found[0]}
            for name in ("share", "ratio"):
                bench.goal(f"{learner}, {world}: value recovered, {name}", figures[name].value, ">=", goal)
            results[f"{learner}, {world}"] = {name: asdict(value) for name, value in figures.items()}
    return results


def controls(bench: Bench, quick: bool) -> dict[str, object]:
    """Nonsense in, nonsense out: demonstrations of nobody, and demonstrations whose actions were shuffled."""
    count = 500 if quick else 2000
    settings = Settings(epsilon=0.05, iterations=100 if quick else 300)
    results: dict[str, object] = {}
    for learner in LEARNERS:
        for world in WORLDS:
            shares = []
            for task, random in _runs(learner, world, bench, quick):
                nobody = sample_demonstrations(task.mdp, task.mdp.uniform_policy(), count, random)
                figures = learn(task, learner, nobody, settings).figures
                shares.append(figures.get("soft_share", figures["share"]))
            found = bootstrap_interval(shares)
            bench.goal(f"control: {learner}, {world}, random demonstrations", found.value, "<=", 0.1)
            results[f"{learner}, {world}, random demonstrations"] = asdict(found)
    results["explained"] = {world: _explained(bench, world, count, quick) for world in WORLDS}
    return results


def _explained(bench: Bench, world: str, count: int, quick: bool) -> dict[str, object]:
    """Nats a step by which MaxEnt explains actions of unseen demonstrations better than chance does.

    Shuffled actions: every trajectory keeps its states, and its actions change places. Shuffled states: the reward was
    learned of demonstrations whose states had all been exchanged for others; the mean of several exchanges, because by
    chance a single one may favour what the expert does, or the opposite.
    """
    exchanges = 2 if quick else 8
    luckiest = -np.inf
    gains: dict[str, list[float]] = {"expert": [], "shuffled actions": [], "reward of shuffled states": []}
    for task, random in _runs("maxent", world, bench, quick):
        shown, unseen = task.demonstrate(count, random), task.demonstrate(count, random)
        learned = max_ent(task.mdp, task.features, shown)
        shuffled = Demonstrations(unseen.states, random.permuted(unseen.actions, axis=1))
        gains["expert"].append(_gain(task, learned, unseen))
        gains["shuffled actions"].append(_gain(task, learned, shuffled))
        misled = []
        for _ in range(exchanges):
            other = Demonstrations(random.permutation(task.mdp.state_count)[shown.states], shown.actions)
            misled.append(_gain(task, max_ent(task.mdp, task.features, other), unseen))
        gains["reward of shuffled states"].append(float(np.mean(misled)))
        luckiest = max(luckiest, *misled)
    intervals = {name: bootstrap_interval(values) for name, values in gains.items()}
    bench.goal(
        f"MaxEnt, {world}: explains unseen actions, lower end", intervals["expert"].low, ">=", 0.1, "nats a step"
    )
    for name in ("shuffled actions", "reward of shuffled states"):
        high = intervals[name].high
        bench.goal(f"control: MaxEnt, {world}, {name}, upper end", high, "<=", 0.05, "nats a step")
    return {name: asdict(value) for name, value in intervals.items()} | {"luckiest exchange of states": luckiest}


def _gain(task: TabularTask, found: MaxEnt, judged: Demonstrations) -> float:
    """Nats a step above drawing every action with the same probability."""
    chance = -np.log(task.mdp.action_count)
    return float(log_probability(found.plan, judged).mean() / judged.actions.shape[1] - chance)
