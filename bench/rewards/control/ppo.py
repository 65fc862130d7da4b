"""Policy optimisation alone, on the worlds' own rewards: it solves the tasks, and is as good as stable-baselines3's."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

import numpy as np

from bench.harness import Bench, Interval, bootstrap_interval, median_interval
from bench.peers.running import peer_versions
from bench.rewards.control.peers.order import Order, Point
from bench.rewards.control.peers.running import run_peer
from bench.rewards.control.points import as_dicts, kept_points
from bench.units import Units, kept_units
from models.learners.reproducible import reproducible
from models.reinforcement import Ppo
from models.reinforcement.novelty import Novelty
from sim.control import TASKS, ControlBatch, ControlTask, returns
from understudy.control.reward_recipes import PPO_RECIPES, Recipe

__all__ = ["SOLVED", "ppo_peer", "ppo_returns"]

#: Solved, as Gymnasium says.
SOLVED = {"cartpole": 475.0, "acrobot": -100.0}
#: Where both sides learn the same number of steps, with the same options.
COMPARED = ("cartpole",)
JUDGED, JUDGED_FROM = 100, 3_000_000
POINTS = 10


#: A bonus for what has hardly been seen, falling to nothing: a random policy ends one episode of Acrobot in a hundred.
#: The range of observations, and cells along each.
NOVEL = {"acrobot": (np.array([1.0, 1.0, 1.0, 1.0, 4 * np.pi, 9 * np.pi]), 6)}


def ppo_returns(bench: Bench, quick: bool) -> dict[str, object]:
    """Every task, from its own reward; and its opposite, which no policy may solve."""
    units, results = kept_units(bench, "control.ppo"), dict[str, object]()
    for name in ("cartpole",) if quick else SOLVED:
        runs = [_kept(units, name, seed) for seed in bench.seeds]
        scores = _last(runs)
        bench.goal(f"{name}: PPO on the true reward, mean return", scores.value, ">=", SOLVED[name])
        results[name] = {
            "return": asdict(scores),
            "returns_by_seed": [run[-1].score for run in runs],
            "seconds": asdict(median_interval([run[-1].seconds for run in runs])),
            "recipe": asdict(PPO_RECIPES[name].plan),
            "points": [as_dicts(run) for run in runs],
        }
    control = _kept(units, "cartpole", 0, sign=-1.0)[-1].score
    bench.goal("control: cartpole paid for falling, mean return", control, "<=", 20.0)
    return {**results, "control": control, "units": units.account}


def ppo_peer(bench: Bench, quick: bool) -> dict[str, object]:
    """Ours and stable-baselines3's in turn, seed by seed."""
    units = kept_units(bench, "control.ppo-peer")
    results: dict[str, object] = {"peer": peer_versions("seals")}
    for name in COMPARED[:1] if quick else COMPARED:
        recipe = PPO_RECIPES[name]
        ours, theirs = list[list[Point]](), list[list[Point]]()
        for seed in bench.seeds:
            ours.append(_kept(units, name, seed))
            order = _order(TASKS[name], recipe, seed)
            run = partial(_theirs, order)
            theirs.append(kept_points(units, f"theirs-{name}-{seed}", asdict(order), run))
        scores = {side: _last(runs) for side, runs in (("ours", ours), ("theirs", theirs))}
        ratio = median_interval([other[-1].seconds / own[-1].seconds for own, other in zip(ours, theirs, strict=True)])
        equal = float(scores["ours"].high >= scores["theirs"].low)
        bench.goal(
            f"{name}: return not below stable-baselines3's: 1 if intervals overlap or ours is above", equal, ">=", 1.0
        )
        bench.goal(f"{name}: time, stable-baselines3 over ours, median over seeds", ratio.value, ">=", 3.0)
        results[name] = {
            "steps": recipe.plan.steps,
            "return": {side: asdict(score) for side, score in scores.items()},
            "seconds": {
                side: asdict(median_interval([run[-1].seconds for run in runs]))
                for side, runs in (("ours", ours), ("theirs", theirs))
            },
            "time_ratio": asdict(ratio),
            "points": {"ours": [as_dicts(run) for run in ours], "theirs": [as_dicts(run) for run in theirs]},
        }
    return {**results, "units": units.account}


def _kept(units: Units, name: str, seed: int, *, sign: float = 1.0) -> list[Point]:
    """One training of ours, kept."""
    recipe = PPO_RECIPES[name]
    settings = {"environments": recipe.environments, "plan": asdict(recipe.plan), "sign": sign}
    label = "ours" if sign > 0.0 else "opposite"
    return kept_points(units, f"{label}-{name}-{seed}", settings, partial(_train, TASKS[name], recipe, seed, sign=sign))


def _theirs(order: Order) -> tuple[Point, ...]:
    return run_peer("ppo_side", order).points


def _last(runs: Sequence[Sequence[Point]]) -> Interval:
    return bootstrap_interval([run[-1].score for run in runs])


def _order(task: ControlTask, recipe: Recipe, seed: int) -> Order:
    options = {**asdict(recipe.plan.ppo), "environments": recipe.environments}
    starts = tuple(range(10_000 + JUDGED * seed, 10_000 + JUDGED * (seed + 1)))
    return Order(task.gymnasium_id, recipe.plan.steps, seed, starts, options=options)


def _train(task: ControlTask, recipe: Recipe, seed: int, *, sign: float = 1.0) -> list[Point]:
    """One training, judged on the way; ``sign`` -1 pays for the opposite."""
    with reproducible(seed, 1):
        started = time.perf_counter()
        learner = Ppo(ControlBatch(task, recipe.environments, seed), task, recipe.plan.ppo, seed)
        rounds = recipe.plan.steps // (recipe.environments * recipe.plan.ppo.steps)
        points: list[Point] = []
        judged_s = 0.0
        limits, cells = NOVEL.get(task.name, (np.zeros(0), 0))
        novelty = Novelty(-limits, limits, cells) if cells else None
        for number in range(1, rounds + 1):
            rollout, done = learner.collect(), (number - 1) / rounds
            rewards = sign * rollout.rewards
            if novelty is not None:
                seen = rollout.next_observations.reshape(rollout.size, -1)
                rewards = rewards + (1.0 - done) * novelty.bonus(seen).reshape(rewards.shape)
            learner.improve(rollout, rewards, done=done)
            if number * POINTS // rounds > len(points):
                began = time.perf_counter()
                score = float(np.mean(returns(task, learner.actor.act, JUDGED, JUDGED_FROM + seed)))
                points.append(Point(learner.collector.steps, began - started - judged_s, score))
                judged_s += time.perf_counter() - began
    last = points[-1]
    print(
        f"    ppo, {task.name}, seed {seed}: {last.score:.1f} after {last.steps} steps, {last.seconds:.1f} s",
        file=sys.stderr,
    )
    return points
