"""What ILPO learns from episodes whose actions nobody recorded, and from an expert that does nothing."""

from __future__ import annotations

from collections.abc import Callable

from bench.harness import Bench
from bench.rewards.control.observed import observed_returns
from bench.rewards.control.watched import LEVELS
from models.observation_only.ilpo import IlpoRound, ilpo
from models.trajectories import Trajectories
from sim.control import Act, ControlBatch, ControlTask
from understudy.control.recipes import ilpo_settings
from understudy.control.runs import WORLDS

__all__ = ["ilpo_returns"]


def ilpo_returns(name: str, bench: Bench, quick: bool) -> dict[str, object]:
    """Mean return of the last policy over seeds, each with demonstrations of its own; the bar is a solved task."""
    interval, found = observed_returns("ilpo", _learn, name, bench, quick)
    bench.goal("mean return, against a solved task", interval.value, ">=", LEVELS[name].solved)
    return found


def _learn(
    task: ControlTask, watched: Trajectories, seed: int, evaluate: Callable[[Act], float]
) -> tuple[Act, tuple[IlpoRound, ...]]:
    worlds, settings = ControlBatch(task, WORLDS, seed), ilpo_settings(task.name)
    policy, rounds = ilpo(worlds, watched, task.action_count, settings, seed, evaluate)
    return policy.act, rounds
