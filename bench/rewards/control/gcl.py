"""Guided cost learning: how many of its samples count."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np

from bench.harness import Bench, bootstrap_interval
from bench.rewards.control.learned import shown_to, train
from sim.control import TASKS
from understudy.control.reward_recipes import recipe

__all__ = ["gcl_pieces"]

#: Steps of a trajectory's piece.
PIECES = (1, 8, 32, 64)


def gcl_pieces(bench: Bench, quick: bool) -> dict[str, object]:
    """The longer the piece, the fewer samples count: CartPole."""
    task, results = TASKS["cartpole"], {}
    for piece in PIECES[1:3] if quick else PIECES:
        suited = recipe("gcl", task.name)
        suited = replace(suited, gcl=replace(suited.gcl, piece=piece))
        runs = [train("gcl", task, shown_to(task.name, seed), seed, suited) for seed in bench.seeds]
        shares = [float(np.mean([one.figure for one in run.imitator.rounds])) for run in runs]
        results[f"{piece} steps"] = {
            "effective_share": asdict(bootstrap_interval(shares)),
            "return": asdict(bootstrap_interval([float(run.returns.mean()) for run in runs])),
        }
    return dict(results)
