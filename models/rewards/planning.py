"""Planning in a world that is known: the best policy of a reward, exactly and softly, and what a policy is worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import eye_array
from scipy.sparse.linalg import spsolve
from scipy.special import logsumexp

from models.rewards.mdp import Floats, TabularMdp

__all__ = [
    "SoftPlan",
    "best_steps",
    "discounted_visits",
    "policy_value",
    "policy_value_over_horizon",
    "soft_value_iteration",
    "state_visits",
    "value_iteration",
]

# Of a reward of about 1: a policy this far from the best one is the best one for every figure that is printed.
TOLERANCE = 1e-7


def value_iteration(
    mdp: TabularMdp, reward: Floats, tolerance: float = TOLERANCE, guess: Floats | None = None
) -> Floats:
    """The best policy without a horizon, ``(S, A)`` with one 1 a state; the first of equally good actions.

    ``V(s) ← r(s) + γ max_a E[V(s')]`` until nothing changes (Puterman 1994, section 6.3): the policy is within
    ``tolerance`` of the best one from every state.

    Args:
        mdp: the world.
        reward: ``(S,)``.
        tolerance: in units of value.
        guess: ``(S, A)``, whose values to begin with; where it is the best policy already, that ends at once.
    """
    # A fixed point's error is at most γ / (1 - γ) of the last change; the greedy policy loses at most twice that.
    enough = tolerance * (1.0 - mdp.discount) / (2.0 * max(mdp.discount, 1e-12))
    values = np.zeros(mdp.state_count) if guess is None else _values(mdp, guess, reward)
    while True:
        ahead = mdp.expect(values)
        updated = reward + mdp.discount * ahead.max(axis=1)
        change = float(np.abs(updated - values).max())
        values = updated
        if not change > enough:
            break
    policy = np.zeros_like(ahead)
    policy[np.arange(mdp.state_count), mdp.expect(values).argmax(axis=1)] = 1.0
    return policy


def _values(mdp: TabularMdp, policy: Floats, reward: Floats) -> Floats:
    """``V = r + γ P_π V``, ``(S,)``, solved exactly."""
    system = eye_array(mdp.state_count, format="csc") - mdp.discount * mdp.under(policy)
    values: Floats = spsolve(system.tocsc(), reward)
    return values


def discounted_visits(mdp: TabularMdp, policy: Floats) -> Floats:
    """``d(s) = E[Σ_t γ^t 1(s_t = s)]`` of a policy ``(S, A)``, ``(S,)``; solved exactly: ``d = p₀ + γ P_πᵀ d``."""
    system = eye_array(mdp.state_count, format="csc") - mdp.discount * mdp.under(policy).T
    visits: Floats = spsolve(system.tocsc(), mdp.start)
    return visits


def policy_value(mdp: TabularMdp, policy: Floats, reward: Floats) -> float:
    """``E[Σ_t γ^t r(s_t)]`` from the start, of a policy ``(S, A)``."""
    return float(discounted_visits(mdp, policy) @ reward)


def best_steps(mdp: TabularMdp, reward: Floats) -> Floats:
    """The policy of largest ``E[Σ_t r(s_t)]`` over T states, undiscounted, ``(T - 1, S, A)``.

    Backward induction; it differs from step to step, because what is far away is not worth a walk at the end.
    """
    policies = np.zeros((mdp.horizon - 1, mdp.state_count, mdp.action_count))
    values, everywhere = reward, np.arange(mdp.state_count)
    for policy in policies[::-1]:
        ahead = mdp.expect(values)
        policy[everywhere, ahead.argmax(axis=1)] = 1.0
        values = reward + ahead.max(axis=1)
    return policies


@dataclass(frozen=True, eq=False)
class SoftPlan:
    """What soft value iteration finds.

    Attributes:
        policies: ``(T - 1, S, A)``, one a step: ``π_t(a | s) = exp(Q_t(s, a) - V_t(s))``.
        values: ``(T, S)`` soft values to go, ``V_t``.
    """

    policies: Floats
    values: Floats


def soft_value_iteration(mdp: TabularMdp, reward: Floats) -> SoftPlan:
    """The policy of largest ``E[Σ_t r(s_t)] + entropy`` over T states, undiscounted.

    Backwards from ``V_{T-1} = r``: ``Q_t(s, a) = r(s) + E[V_{t+1}(s')]`` and ``V_t = log Σ_a exp Q_t`` (Ziebart
    2010). Where every action leads to one state, ``π`` draws trajectories with ``P(τ) ∝ exp Σ_t r(s_t)``
    (Ziebart et al. 2008, equation 2), and ``V_0(s)`` is the logarithm of what it is divided by.

    Args:
        mdp: the world.
        reward: ``(S,)``.
    """
    steps = mdp.horizon - 1
    policies = np.empty((steps, mdp.state_count, mdp.action_count))
    values = np.empty((mdp.horizon, mdp.state_count))
    values[-1] = reward
    for step in range(steps - 1, -1, -1):
        ahead = reward[:, None] + mdp.expect(values[step + 1])
        values[step] = logsumexp(ahead, axis=1)
        policies[step] = np.exp(ahead - values[step][:, None])
    return SoftPlan(policies, values)


def state_visits(mdp: TabularMdp, policies: Floats) -> Floats:
    """The forward pass: ``D_t(s)``, the probability of being in a state at each time, ``(T, S)``.

    ``D_{t+1}(s') = Σ_s Σ_a D_t(s) π_t(a | s) P(s' | s, a)`` (Ziebart et al. 2008, algorithm 1, steps 4 to 6).

    Args:
        mdp: the world.
        policies: ``(T - 1, S, A)``.
    """
    visits = np.empty((len(policies) + 1, mdp.state_count))
    visits[0] = mdp.start
    for step, policy in enumerate(policies):
        visits[step + 1] = mdp.push(visits[step][:, None] * policy)
    return visits


def policy_value_over_horizon(mdp: TabularMdp, policies: Floats, reward: Floats) -> float:
    """``E[Σ_t r(s_t)]`` over T states, undiscounted, of policies ``(T - 1, S, A)``."""
    return float(state_visits(mdp, policies).sum(axis=0) @ reward)
