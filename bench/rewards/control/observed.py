"""Learners that watch first and then act a little (BCO, ILPO): every seed has its own demonstrations, and a control."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Protocol

import numpy as np

from bench.harness import Bench, Interval, bootstrap_interval
from bench.rewards.control.watched import EPISODES, LEVELS, judged, lazy
from bench.units import kept_units
from models.observation_only.bco import BcoRound, BcoSettings
from models.observation_only.ilpo import IlpoRound, IlpoSettings
from models.trajectories import Trajectories
from sim.control import TASKS, Act, ControlTask
from sim.control.experts import demonstrate
from understudy.control.recipes import bco_settings, ilpo_settings

__all__ = ["Learn", "observed_returns"]

QUICK_EPISODES = 20
#: Seeds of the negative control.
CONTROLS = 2

Rounds = Sequence[BcoRound] | Sequence[IlpoRound]
Found = dict[str, Any]
Show = Callable[[ControlTask, int, int], Trajectories]
"""So many episodes of a task, of a seed."""

_SETTINGS: Mapping[str, Callable[[str], BcoSettings | IlpoSettings]] = {"bco": bco_settings, "ilpo": ilpo_settings}


class Learn(Protocol):
    """One training."""

    def __call__(
        self, task: ControlTask, watched: Trajectories, seed: int, evaluate: Callable[[Act], float], /
    ) -> tuple[Act, Rounds]:
        """The last policy, and the rounds; a round's score is the mean return of its policy."""


def observed_returns(learner: str, learn: Learn, name: str, bench: Bench, quick: bool) -> tuple[Interval, Found]:
    """Mean return of the last policy over seeds, with its interval, and what else there is to say.

    Args:
        learner: its name.
        learn: one training.
        name: of the task.
        bench: takes the control's goal.
        quick: fewer demonstrations.
    """
    episodes = QUICK_EPISODES if quick else EPISODES
    units = kept_units(bench, f"control.{learner}.{name}")
    settings = {"demonstrations": episodes, "recipe": asdict(_SETTINGS[learner](name))}

    def unit(seed: int, shower: str) -> Found:
        show = demonstrate if shower == "expert" else lazy
        return units.get(f"{shower}-{seed}", settings, partial(_train, learn, TASKS[name], show, episodes, seed))

    runs = [unit(seed, "expert") for seed in bench.seeds]
    means = [float(run["return"]) for run in runs]
    interval = bootstrap_interval(means)
    controls = [float(unit(seed, "lazy")["return"]) for seed in bench.seeds[:CONTROLS]]
    bench.goal("control: mean return after an expert that always does the same", max(controls), "<=", LEVELS[name].bad)
    return interval, {
        "demonstrations": episodes,
        "expert_return": float(np.mean([run["expert_return"] for run in runs])),
        "return": asdict(interval),
        "returns_by_seed": means,
        "agreement_with_the_expert": float(np.mean([run["agreement"] for run in runs])),
        "steps": runs[0]["rounds"][-1]["steps"],
        "seconds": asdict(bootstrap_interval([run["rounds"][-1]["seconds"] for run in runs])),
        "rounds": [run["rounds"] for run in runs],
        "control_returns": controls,
        "units": units.account,
    }


def _train(learn: Learn, task: ControlTask, show: Show, episodes: int, seed: int) -> Found:
    """Watch, learn, be judged; agreement is the share of the expert's states at which one does what the expert did."""
    shown = show(task, episodes, seed)
    act, rounds = learn(task, shown.without_actions(), seed, lambda policy: float(judged(task, policy, seed).mean()))
    found = judged(task, act, seed)
    steps, seconds = rounds[-1].steps, rounds[-1].seconds
    print(f"    {task.name}, seed {seed}: {found.mean():.1f} after {steps} steps, {seconds:.1f} s", file=sys.stderr)
    return {
        "return": float(found.mean()),
        "expert_return": float(shown.returns.mean()),
        "agreement": float((act(shown.pairs[0]) == shown.actions).mean()),
        "rounds": [asdict(one) for one in rounds],
    }
