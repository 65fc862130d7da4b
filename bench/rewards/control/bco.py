"""What BCO learns from episodes whose actions nobody recorded, and from an expert that does nothing."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from bench.harness import Bench, bootstrap_interval
from bench.rewards.control.watched import EPISODES, LEVELS, judged, lazy
from models.learners.reproducible import reproducible
from models.observation_only.bco import BcoRound, bco
from models.policies.choices import likeliest_action
from models.trajectories import Trajectories
from sim.control import TASKS, ControlBatch, ControlTask
from sim.control.experts import demonstrate
from understudy.control.recipes import bco_settings
from understudy.control.runs import WORLDS, new_policy

__all__ = ["bco_returns"]

QUICK_EPISODES = 20
#: Seeds of the negative control.
CONTROLS = 2


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        returns: of the last policy, one an episode.
        rounds: of the learner; a round's score is the mean return of its policy.
        agreement: share of the expert's states at which the last policy does what the expert did.
        expert_return: mean return of the demonstrations.
    """

    returns: npt.NDArray[np.float64]
    rounds: tuple[BcoRound, ...]
    agreement: float
    expert_return: float


def bco_returns(name: str, bench: Bench, quick: bool) -> dict[str, object]:
    """Mean return of the last policy over seeds, each with demonstrations of its own; the bar is the public figure."""
    episodes = QUICK_EPISODES if quick else EPISODES
    task, level = TASKS[name], LEVELS[name]
    runs = [_train(task, demonstrate(task, episodes, seed), seed) for seed in bench.seeds]
    means = [float(run.returns.mean()) for run in runs]
    interval = bootstrap_interval(means)
    bench.goal("mean return, against the deck's BCO", interval.value, ">=", level.deck_bco)
    if not quick:
        bench.goal("mean return, upper end, against the best public BCO", interval.high, ">=", level.public_bco)
    controls = [_train(task, lazy(task, episodes, seed), seed) for seed in bench.seeds[:CONTROLS]]
    best = max(float(run.returns.mean()) for run in controls)
    bench.goal("control: mean return after an expert that always does the same", best, "<=", level.bad)
    return {
        "demonstrations": episodes,
        "expert_return": float(np.mean([run.expert_return for run in runs])),
        "return": asdict(interval),
        "returns_by_seed": means,
        "agreement_with_the_expert": float(np.mean([run.agreement for run in runs])),
        "steps": runs[0].rounds[-1].steps,
        "seconds": asdict(bootstrap_interval([run.rounds[-1].seconds for run in runs])),
        "rounds": [[asdict(one) for one in run.rounds] for run in runs],
        "control_returns": [float(run.returns.mean()) for run in controls],
    }


def _train(task: ControlTask, shown: Trajectories, seed: int) -> Run:
    """Watch, learn, be judged."""
    watched = shown.without_actions()
    with reproducible(seed):
        policy = new_policy(task, watched)
    rounds = bco(
        ControlBatch(task, WORLDS, seed),
        watched,
        policy,
        bco_settings(task.name),
        seed,
        lambda act: float(judged(task, act, seed).mean()),
    )
    act = likeliest_action(policy)
    agreement = float((act(shown.pairs[0]) == shown.actions).mean())
    found = judged(task, act, seed)
    steps, seconds = rounds[-1].steps, rounds[-1].seconds
    print(f"    {task.name}, seed {seed}: {found.mean():.1f} after {steps} steps, {seconds:.1f} s", file=sys.stderr)
    return Run(found, rounds, agreement, float(shown.returns.mean()))
