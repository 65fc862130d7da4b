"""Multiplicative weights for apprenticeship learning, MWAL (Syed & Schapire 2007, figure 1).

A game: nature chooses the reward's weights θ on the simplex, the apprentice a policy, and the apprentice wins what it
is better than the expert. Pseudo-code, with features in [-1, 1]::

    β = 1 / (1 + √(2 ln k / N));  W = (1, …, 1)
    for i = 1 … N
        θ_i = W / Σ W
        π_i = the best policy of θ_iᵀφ                              plan
        W = W · β ^ (((1 - γ)(μ(π_i) - μ_E) + 2) / 4)               less weight where the apprentice is ahead
    return π_1 … π_N, each drawn with probability 1 / N for a whole episode

Because θ is never negative, "more of a feature is better" is known beforehand; with that, the mixture is at least as
good as the expert under *every* θ, and better by the value of the game where the expert is bad at everything at once.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from models.rewards.apprenticeship import Apprentice, Progress, Round, as_apprentice, require_fitting
from models.rewards.mdp import Floats, TabularMdp
from models.rewards.mixture import feature_expectations
from models.rewards.planning import value_iteration

__all__ = ["both_signs", "game_value", "mwal", "regret_bound"]

# In units of value. A round's policy may be this far from the best one, and so may then the mixture: far below what any
# affordable number of rounds leaves.
PLANNING_TOLERANCE = 1e-4


def mwal(
    mdp: TabularMdp,
    features: Floats,
    expert: Floats,
    *,
    iterations: int = 500,
    progress: Progress | None = None,
) -> Apprentice:
    """Be as good as the expert, or better, whatever the weights; the rounds' figure is the least advantage so far.

    Args:
        mdp: the world.
        features: φ, ``(S, K)`` within [-1, 1], more of each being better; see :func:`both_signs`.
        expert: ``(K,)``, ``μ_E`` or its estimate.
        iterations: N.
        progress: told after every round.

    Returns:
        The uniform mixture, and the mean of all ``θ_i``. The figure of a round is ``min_k (μ̄ - μ_E)_k``, the advantage
        that the mixture of the rounds so far has under the weights that are worst for it.
    """
    require_fitting(mdp, features, expert)
    count = features.shape[1]
    log_beta = -math.log1p(math.sqrt(2.0 * math.log(max(count, 2)) / iterations))
    log_weights = np.zeros(count)
    policies, expectations, thetas, rounds = list[Floats](), list[Floats](), list[Floats](), list[Round]()
    for iteration in range(1, iterations + 1):
        theta = np.exp(log_weights - log_weights.max())
        thetas.append(theta / theta.sum())
        # The weights change little from round to round, and so does the best policy.
        guess = policies[-1] if policies else None
        policies.append(value_iteration(mdp, features @ thetas[-1], PLANNING_TOLERANCE, guess))
        expectations.append(feature_expectations(mdp, policies[-1], features))
        ahead = ((1.0 - mdp.discount) * (expectations[-1] - expert) + 2.0) / 4.0
        log_weights = log_weights + log_beta * ahead
        rounds.append(Round(iteration, float((np.mean(expectations, axis=0) - expert).min())))
        if progress is not None:
            progress(rounds[-1], iterations)
    weights = np.full(iterations, 1.0 / iterations)
    return as_apprentice(policies, weights, expectations, np.mean(thetas, axis=0), rounds, done=True)


def both_signs(features: Floats) -> Floats:
    """``(φ, -φ)``, ``(S, 2K)``: features of which it is not known whether more is better.

    Weights on the simplex of both are any weights with ``‖θ‖₁ ≤ 1``. The price: whoever differs from the expert is
    worse than it under some of them, so that the game's value is 0 and the expert can be equalled but not beaten.
    """
    return np.hstack([features, -features])


def regret_bound(feature_count: int, discount: float, iterations: int) -> float:
    """How far below the game's value the least advantage can be after N rounds.

    From Freund & Schapire 1999, corollary 4: ``√(2 ln k / N) + ln k / N`` a round, on rewards within [0, 1]; MWAL's are
    a quarter of ``1 - γ`` as large as the advantage.
    """
    log_count = math.log(feature_count)
    return 4.0 / (1.0 - discount) * (math.sqrt(2.0 * log_count / iterations) + log_count / iterations)


def game_value(mdp: TabularMdp, features: Floats, expert: Floats) -> float:
    """``v* = max_π min_θ θᵀ(μ(π) - μ_E)`` over mixtures and the simplex, exactly, to compare :func:`mwal` with.

    A linear programme over discounted visits ``x(s, a) ≥ 0`` (Syed, Bowling & Schapire 2008): the
    largest v with ``Σ x φ_k - μ_E,k ≥ v`` for all k, where ``Σ_a x(s', a) = p₀(s') + γ Σ P(s' | s, a) x(s, a)``.
    """
    states, actions = mdp.state_count, mdp.action_count
    pairs = np.arange(states * actions)
    leaving = coo_array((np.ones(len(pairs)), (pairs // actions, pairs)), shape=(states, len(pairs))).tocsr()
    flow = leaving - mdp.discount * mdp.transitions.T.tocsr()
    gain = np.repeat(features, actions, axis=0).T  # (K, S * A)
    found = linprog(
        np.append(np.zeros(len(pairs)), -1.0),
        A_ub=np.hstack([-gain, np.ones((len(gain), 1))]),
        b_ub=-expert,
        A_eq=coo_array(np.hstack([flow.toarray(), np.zeros((states, 1))])),
        b_eq=mdp.start,
        bounds=[(0.0, None)] * len(pairs) + [(None, None)],
    )
    return float(found.x[-1])
