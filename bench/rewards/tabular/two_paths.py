"""The exercise of the lectures: a reward that explains the two paths that are shown, and no others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.harness import Bench
from models.rewards.demonstrations import Demonstrations, path_probability
from models.rewards.mdp import Integers
from sim.tabular.gridworld import EXERCISE_PATHS, exercise
from understudy.rewards.learning import LEARNERS, Learned, Settings, learn

__all__ = ["two_paths"]

# Down for right and right for down: the same paths in the mirror, which the shown ones are not.
MIRROR = np.array([1, 4, 7, 2, 5, 8, 3, 6, 9]) - 1
MIRRORED_MOVES = np.array([3, 2, 1, 0])  # of up, right, down, left


def two_paths(bench: Bench, quick: bool) -> dict[str, object]:
    """How often the shown paths are walked under what was learned from them, and from their mirror images."""
    settings = Settings(iterations=100 if quick else 1000)
    shown = np.array(EXERCISE_PATHS) - 1
    results: dict[str, object] = {}
    for learner in LEARNERS:
        task = exercise(finite=learner == "maxent")
        assert task.shown is not None
        found = learn(task, learner, task.shown, settings)
        mirrored = Demonstrations(MIRROR[task.shown.states], MIRRORED_MOVES[task.shown.actions])
        other = learn(replace(task, shown=mirrored), learner, mirrored, settings)
        walked, control = walks(found, shown), walks(other, shown)
        bench.goal(f"{learner}: share of episodes on the two shown paths", walked, ">=", 0.95)
        bench.goal(f"{learner}: the same after their mirror images were shown", control, "<=", 0.05)
        results[learner] = {
            "shown_paths": walked,
            "shown_paths_after_mirror_images": control,
            "reward_of_cells": found.reward.reshape(3, 3).round(4).tolist(),
        }
    return results


def walks(learned: Learned, paths: Integers) -> float:
    """The probability of all these paths together."""
    mdp = learned.task.mdp
    if learned.mixture is None:
        return float(path_probability(mdp, learned.policy, paths).sum())
    each = [path_probability(mdp, policy, paths).sum() for policy in learned.mixture.policies]
    return float(learned.mixture.weights @ np.array(each))
