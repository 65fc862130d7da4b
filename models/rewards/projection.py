"""Apprenticeship learning by projection (Abbeel & Ng 2004, section 3.1).

Pseudo-code, with ``μ_E`` the expert's feature expectations and ``μ(π)`` a policy's::

    π_0 any policy;  μ̄ = μ(π_0)
    repeat
        θ = μ_E - μ̄                                       the reward θᵀφ that tells expert and apprentice apart
        if ‖θ‖ ≤ ε: stop
        π_i = the best policy of θᵀφ                       plan
        μ̄ = projection of μ_E onto the line from μ̄ to μ(π_i)
    return the mixture of π_0 … π_i closest to μ_E
"""

from __future__ import annotations

import numpy as np

from models.rewards.apprenticeship import Apprentice, Progress, Round, as_apprentice, require_fitting
from models.rewards.mdp import Floats, TabularMdp
from models.rewards.mixture import closest_mixture, feature_expectations
from models.rewards.planning import value_iteration

__all__ = ["projection"]


def projection(
    mdp: TabularMdp,
    features: Floats,
    expert: Floats,
    *,
    epsilon: float = 0.01,
    iterations: int = 1000,
    progress: Progress | None = None,
) -> Apprentice:
    """Match an expert's feature expectations within ε; the rounds' figure is ``‖μ_E - μ̄‖₂``.

    It also ends when no policy gets closer: an estimate from few demonstrations may lie where no policy leads.

    Args:
        mdp: the world.
        features: φ, ``(S, K)``.
        expert: ``(K,)``, ``μ_E`` or its estimate.
        epsilon: ε, in units of feature expectations.
        iterations: the most rounds.
        progress: told after every round.

    Returns:
        The mixture, and the last θ that a policy was planned for.
    """
    require_fitting(mdp, features, expert)
    policies = [mdp.uniform_policy()]
    expectations = [feature_expectations(mdp, policies[0], features)]
    nearest, rounds, done = expectations[0], list[Round](), False
    theta = expert - nearest
    for iteration in range(1, iterations + 1):
        distance = float(np.linalg.norm(expert - nearest))
        rounds.append(Round(iteration, distance))
        if progress is not None:
            progress(rounds[-1], iterations)
        if distance <= epsilon:
            done = True
            break
        theta = expert - nearest
        policies.append(value_iteration(mdp, features @ theta))
        expectations.append(feature_expectations(mdp, policies[-1], features))
        step = expectations[-1] - nearest
        # How much the best policy gains is how much closer any mixture can get: Frank & Wolfe's gap (Jaggi 2013).
        if theta @ step <= epsilon**2 / 2.0:
            done = True
            break
        # Beyond the new policy there is none: that happens only for an expert whom no policy can match.
        nearest = nearest + min(1.0, float(theta @ step / (step @ step))) * step
    weights = closest_mixture(expectations, expert)
    return as_apprentice(policies, weights, expectations, theta, rounds, done)
