"""How many rounds max-margin and projection need to come within ε of the expert, and how many theory allows."""

from __future__ import annotations

import numpy as np

from bench.harness import Bench
from models.rewards.apprenticeship import iteration_bound
from models.rewards.max_margin import max_margin
from models.rewards.mixture import feature_expectations
from models.rewards.projection import projection
from sim.tabular.gridworld import gridworld
from sim.tabular.highway import Style, highway

__all__ = ["rounds"]

EPSILON = 0.01


def rounds(bench: Bench, quick: bool) -> dict[str, object]:
    """On exact feature expectations, for which the theorem holds; every seed a reward, or a style of driving."""
    results: dict[str, object] = {}
    for name, learner in (("max-margin", max_margin), ("projection", projection)):
        counts, distances, bound = [], [], 0
        for seed in bench.seeds:
            for task in (gridworld(seed, size=6 if quick else 12, block=2 if quick else 3), highway(_style(seed))):
                expert = feature_expectations(task.mdp, task.expert, task.features)
                found = learner(task.mdp, task.features, expert, epsilon=EPSILON, iterations=5000)
                assert task.features.min() >= 0.0, "the bound is of features within [0, 1]"
                bound = max(bound, iteration_bound(len(expert), task.mdp.discount, EPSILON))
                counts.append(len(found.rounds))
                distances.append(float(np.linalg.norm(expert - found.mixture.mean_expectations)))
        bench.goal(f"{name}: distance to the expert, worst of {len(counts)}", max(distances), "<=", EPSILON)
        bench.goal(f"{name}: rounds, most of {len(counts)}", max(counts), "<=", bound)
        results[name] = {
            "epsilon": EPSILON,
            "rounds": counts,
            "bound_of_theorem_1": bound,
            "largest_distance": max(distances),
        }
    return results


def _style(seed: int) -> Style:
    styles = list(Style)
    return styles[seed % len(styles)]
