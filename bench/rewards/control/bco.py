"""What BCO learns from episodes whose actions nobody recorded, and from an expert that does nothing."""

from __future__ import annotations

from collections.abc import Callable

from bench.harness import Bench
from bench.rewards.control.observed import observed_returns
from bench.rewards.control.watched import LEVELS
from models.learners.reproducible import reproducible
from models.observation_only.bco import BcoRound, bco
from models.policies.choices import likeliest_action
from models.trajectories import Trajectories
from sim.control import Act, ControlBatch, ControlTask
from understudy.control.recipes import bco_settings
from understudy.control.runs import WORLDS, new_policy

__all__ = ["bco_returns"]


def bco_returns(name: str, bench: Bench, quick: bool) -> dict[str, object]:
    """Mean return of the last policy over seeds, each with demonstrations of its own; the bar is the public figure."""
    interval, found = observed_returns("bco", _learn, name, bench, quick)
    level = LEVELS[name]
    bench.goal("mean return, against the deck's BCO", interval.value, ">=", level.deck_bco)
    if not quick:
        bench.goal("mean return, upper end, against the best public BCO", interval.high, ">=", level.public_bco)
    return found


def _learn(
    task: ControlTask, watched: Trajectories, seed: int, evaluate: Callable[[Act], float]
) -> tuple[Act, tuple[BcoRound, ...]]:
    with reproducible(seed):
        policy = new_policy(task, watched)
    worlds = ControlBatch(task, WORLDS, seed)
    rounds = bco(worlds, watched, policy, bco_settings(task.name), seed, evaluate)
    return likeliest_action(policy), rounds
