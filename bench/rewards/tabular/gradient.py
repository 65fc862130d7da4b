"""MaxEnt's gradient against finite differences, and its likelihood against all trajectories written out."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from bench.harness import Bench
from models.rewards.maxent import likelihood_and_gradient, log_probability
from models.rewards.mdp import Floats, TabularMdp
from models.rewards.planning import soft_value_iteration
from sim.tabular.gridworld import exercise, gridworld
from sim.tabular.highway import Style, highway

__all__ = ["gradient"]

# Of central differences: their own error is then about 1e-10.
STEP = 1e-5
LIMIT = 1e-6


def gradient(bench: Bench, quick: bool) -> dict[str, object]:
    """The largest difference over worlds, seeds and weights, of every element of the gradient."""
    worst: dict[str, float] = {}
    for seed in bench.seeds:
        random = np.random.default_rng(seed)
        worlds = {"gridworld": gridworld(seed, size=6, finite=True), "highway": highway(Style.NICE, finite=True)}
        for name, task in worlds.items():
            shown = task.demonstrate(20, random)
            mdp = replace(task.mdp, start=shown.start(task.mdp.state_count))
            found = difference(mdp, task.features, shown.feature_counts(task.features), random)
            worst[name] = max(worst.get(name, 0.0), found)
        chance, features = chance_world(random)
        worst["random worlds"] = max(
            worst.get("random worlds", 0.0), difference(chance, features, random.normal(size=4), random)
        )
    for name, value in worst.items():
        bench.goal(f"MaxEnt gradient against finite differences, {name}", value, "<=", LIMIT)
    written_out = enumerated()
    bench.goal("MaxEnt likelihood against all 256 trajectories of the exercise", written_out, "<=", 1e-9, "nats")
    return {"largest_difference": worst, "likelihood_difference_nats": written_out, "step": STEP}


def difference(mdp: TabularMdp, features: Floats, expert: Floats, random: np.random.Generator) -> float:
    """The largest difference at random weights, as a share of the gradient's largest element where that is above 1."""
    theta: Floats = np.asarray(random.normal(size=features.shape[1]))
    _, exact = likelihood_and_gradient(mdp, features, expert, theta, penalty=0.01)
    found = np.empty_like(exact)
    for index in range(len(theta)):
        step = np.zeros_like(theta)
        step[index] = STEP
        above, below = (
            likelihood_and_gradient(mdp, features, expert, theta + side * step, penalty=0.01)[0] for side in (1, -1)
        )
        found[index] = (above - below) / (2.0 * STEP)
    return float(np.abs(found - exact).max() / max(1.0, np.abs(exact).max()))


def chance_world(random: np.random.Generator, states: int = 7, actions: int = 3) -> tuple[TabularMdp, Floats]:
    """A world in which everything leads anywhere, and four features of it."""
    tensor = random.dirichlet(np.ones(states), size=(states, actions))
    mdp = TabularMdp.from_tensor(tensor, random.dirichlet(np.ones(states)), 0.9, 12)
    return mdp, random.uniform(-1.0, 1.0, (states, 4))


def enumerated() -> float:
    """``log P(τ) = θᵀμ(τ) - log Z`` with Z summed over every trajectory, against what the soft policies say of τ."""
    task = exercise()
    assert task.shown is not None
    theta = np.random.default_rng(0).normal(size=9)
    ends = task.mdp.transitions.toarray().reshape(9, 4, 9).argmax(axis=2)
    sums = []
    for actions in itertools.product(range(4), repeat=task.mdp.horizon - 1):
        path = [0]
        for action in actions:
            path.append(int(ends[path[-1], action]))
        sums.append(theta[path].sum())
    exact = theta[task.shown.states].sum(axis=1) - np.log(np.exp(sums).sum())
    found = log_probability(soft_value_iteration(task.mdp, theta), task.shown)
    return float(np.abs(found - exact).max())
