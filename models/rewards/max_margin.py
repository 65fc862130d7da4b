"""Apprenticeship learning by maximum margin (Abbeel & Ng 2004, section 3).

Pseudo-code, with ``μ_E`` the expert's feature expectations and ``μ(π)`` a policy's::

    π_0 any policy
    repeat
        η, θ = max η  subject to  θᵀμ_E ≥ θᵀμ(π_j) + η for all j,  ‖θ‖₂ ≤ 1     a quadratic programme
        if η ≤ ε: stop
        π_i = the best policy of θᵀφ                                            plan
    return the mixture of π_0 … π_i closest to μ_E

The programme is solved by its dual. The largest margin is the distance from ``μ_E`` to the hull of all ``μ(π_j)``, and
θ points from the hull's closest point μ̄ to ``μ_E``. No θ of length 1 does better: ``θᵀ(μ_E - μ̄) ≤ ‖μ_E - μ̄‖``, and μ̄
is a mixture, of which one policy is at least as good under θ as the whole. And this θ reaches it: the plane through the
closest point leaves the hull on one side. So one solver gives the margin, the reward, and the mixture at the end.
"""

from __future__ import annotations

import numpy as np

from models.rewards.apprenticeship import Apprentice, Progress, Round, as_apprentice, require_fitting
from models.rewards.mdp import Floats, TabularMdp
from models.rewards.mixture import closest_mixture, feature_expectations
from models.rewards.planning import value_iteration

__all__ = ["largest_margin", "max_margin"]


def largest_margin(expectations: list[Floats], expert: Floats) -> tuple[float, Floats, Floats]:
    """The quadratic programme: margin η, reward weights θ ``(K,)``, and the closest mixture's weights ``(M,)``.

    Args:
        expectations: of the policies so far, M times ``(K,)``.
        expert: ``(K,)``.
    """
    weights = closest_mixture(expectations, expert)
    apart = expert - weights @ np.array(expectations)
    margin = float(np.linalg.norm(apart))
    return margin, apart / max(margin, 1e-300), weights


def max_margin(
    mdp: TabularMdp,
    features: Floats,
    expert: Floats,
    *,
    epsilon: float = 0.01,
    iterations: int = 1000,
    progress: Progress | None = None,
) -> Apprentice:
    """Match an expert's feature expectations within ε; the rounds' figure is the margin η.

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
    rounds, done, theta = list[Round](), False, np.zeros(len(expert))
    for iteration in range(1, iterations + 1):
        margin, direction, weights = largest_margin(expectations, expert)
        rounds.append(Round(iteration, margin))
        if progress is not None:
            progress(rounds[-1], iterations)
        if margin <= epsilon:
            done = True
            break
        theta = direction
        best = value_iteration(mdp, features @ theta)
        reached = feature_expectations(mdp, best, features)
        # How much the best policy gains is how much closer any mixture can get: Frank & Wolfe's gap (Jaggi 2013).
        if margin * (theta @ (reached - weights @ np.array(expectations))) <= epsilon**2 / 2.0:
            done = True
            break
        policies.append(best)
        expectations.append(reached)
    return as_apprentice(policies, closest_mixture(expectations, expert), expectations, theta, rounds, done)
