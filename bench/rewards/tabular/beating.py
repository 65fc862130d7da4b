"""MWAL beats an expert who is bad at everything at once, and only equals one who is not."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from bench.harness import Bench, bootstrap_interval
from models.rewards.demonstrations import sample_demonstrations
from models.rewards.mixture import PolicyMixture, feature_expectations
from models.rewards.mwal import game_value, mwal, regret_bound
from models.rewards.projection import projection
from sim.tabular.highway import SAFE_FEATURES, careless, safe_highway

__all__ = ["beating"]

# An expert who does anything at random in three steps of ten: it hits more, leaves the road more, and is slower.
CARELESS = 0.3


def beating(bench: Bench, quick: bool) -> dict[str, object]:
    """The highway with features of which more is better; the advantage is the least one over all weights."""
    demonstrations, iterations = (300, 100) if quick else (2000, 1000)
    task = safe_highway()
    results: dict[str, object] = {"features": SAFE_FEATURES, "demonstrations": demonstrations, "iterations": iterations}
    for name, share in (("careless", CARELESS), ("best", 0.0)):
        policy = careless(task.expert, share)
        expert = feature_expectations(task.mdp, policy, task.features)
        best = game_value(task.mdp, task.features, expert)
        least: dict[str, list[float]] = {"mwal": [], "projection": []}
        shares: dict[str, list[float]] = {"mwal": [], "projection": []}
        seen: dict[str, PolicyMixture] = {}
        for seed in bench.seeds:
            shown = sample_demonstrations(task.mdp, policy, demonstrations, np.random.default_rng(seed))
            estimate = shown.discounted_features(task.features, task.mdp.discount)
            seen["mwal"] = mwal(task.mdp, task.features, estimate, iterations=iterations).mixture
            seen["projection"] = projection(task.mdp, task.features, estimate, iterations=iterations).mixture
            for learner, mixture in seen.items():
                least[learner].append(float((mixture.mean_expectations - expert).min()))
                shares[learner].append(mixture.value(task.mdp, task.true_reward) / task.value(policy))
        scale = 1.0 - task.mdp.discount
        results[name] = {
            "expert_features": (expert * scale).round(4).tolist(),
            **{f"{key}_features": (value.mean_expectations * scale).round(4).tolist() for key, value in seen.items()},
            "value_of_the_game": best,
            "regret_bound": regret_bound(len(SAFE_FEATURES), task.mdp.discount, iterations),
            **{f"{key}_least_advantage": asdict(bootstrap_interval(value)) for key, value in least.items()},
            **{f"{key}_value_over_expert": asdict(bootstrap_interval(value)) for key, value in shares.items()},
        }
        _judge(bench, name, best, least, shares, quick)
    return results


def _judge(
    bench: Bench, name: str, best: float, least: dict[str, list[float]], shares: dict[str, list[float]], quick: bool
) -> None:
    ours, theirs = bootstrap_interval(shares["mwal"]), bootstrap_interval(shares["projection"])
    if name == "careless":
        low = bootstrap_interval(least["mwal"]).low
        reached = 0.8 if quick else 0.9
        bench.goal("MWAL: least advantage over a careless expert, of the game's value", low / best, ">=", reached)
        bench.goal("MWAL: value over a careless expert's, lower end", ours.low, ">=", 1.01)
        bench.goal("projection: value over a careless expert's, upper end", theirs.high, "<=", 1.01)
    else:
        bench.goal("control: MWAL's value over the best expert's, lower end", ours.low, ">=", 0.99)
        bench.goal("control: MWAL's value over the best expert's, upper end", ours.high, "<=", 1.0 + 1e-6)
