"""Several policies, one of which is drawn for each episode; and the mixture closest to an expert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from models.rewards.mdp import Floats, TabularMdp
from models.rewards.planning import discounted_visits

__all__ = ["PolicyMixture", "closest_mixture", "feature_expectations"]

# Rounding leaves weights of about 1e-9 behind, and a policy drawn once in a hundred million episodes is none.
NEGLIGIBLE = 1e-8
# Of a state that no policy visits: its actions are then the mixture's mean, and rounding below zero does no harm.
LEAST_VISITS = 1e-12


def feature_expectations(mdp: TabularMdp, policy: Floats, features: Floats) -> Floats:
    """``μ(π) = E[Σ_t γ^t φ(s_t)]``, ``(K,)``, of a policy ``(S, A)`` and features ``(S, K)``."""
    expectations: Floats = discounted_visits(mdp, policy) @ features
    return expectations


@dataclass(frozen=True, eq=False)
class PolicyMixture:
    """Policies and how often each is drawn. One is drawn for an episode and acts to its end.

    Drawing anew at every step would be another policy: its feature expectations are no mixture of theirs.

    Attributes:
        policies: ``(M, S, A)``.
        weights: ``(M,)``, not negative, 1 in all.
        expectations: ``(M, K)``, the feature expectations of each.
    """

    policies: Floats
    weights: Floats
    expectations: Floats

    @property
    def mean_expectations(self) -> Floats:
        """``Σ_i λ_i μ(π_i)``, ``(K,)``: what the mixture's episodes show on average."""
        mean: Floats = self.weights @ self.expectations
        return mean

    def value(self, mdp: TabularMdp, reward: Floats) -> float:
        """``E[Σ_t γ^t r(s_t)]`` of any reward ``(S,)``: linear in the weights, because one policy lasts an episode."""
        used = np.flatnonzero(self.weights)
        visits = sum(self.weights[index] * discounted_visits(mdp, self.policies[index]) for index in used)
        return float(visits @ reward)

    def stationary(self, mdp: TabularMdp) -> Floats:
        """One policy ``(S, A)`` with the same discounted visits and so the same value under every reward.

        ``π(a | s)`` is the share of a among all the mixture's visits to s (Syed, Bowling & Schapire 2008; of
        states that are never visited, any). It is what can be deployed where nobody draws a policy an episode.
        """
        visits = np.array([discounted_visits(mdp, policy) for policy in self.policies])
        shares = self.weights[:, None] * np.maximum(visits, LEAST_VISITS)
        policy: Floats = np.einsum("ms,msa->sa", shares / shares.sum(axis=0), self.policies)
        return policy

    def draw(self, random: np.random.Generator) -> Floats:
        """The policy ``(S, A)`` of one episode."""
        drawn: Floats = self.policies[random.choice(len(self.weights), p=self.weights)]
        return drawn


def closest_mixture(expectations: Sequence[Floats], expert: Floats) -> Floats:
    """Weights of the convex mixture whose feature expectations are closest to the expert's, ``(M,)``.

    ``min ‖μ_E - Σ_i λ_i μ_i‖₂``, ``λ ≥ 0``, ``Σ_i λ_i = 1``: the quadratic programme that Abbeel & Ng's algorithms end
    with, and the dual of their max-margin step (section 3.1).

    Solved as least squares without negative numbers (Lawson & Hanson 1974, chapter 23): with ``A`` the differences
    ``μ_i - μ_E``, minimising ``‖A x‖² + (1ᵀx - 1)²`` over ``x ≥ 0`` gives ``x = sλ`` with λ the wanted weights, because
    its least value over the scale s, ``‖Aλ‖² / (1 + ‖Aλ‖²)``, falls and rises with ``‖Aλ‖``.

    Args:
        expectations: of each policy, M times ``(K,)``.
        expert: ``(K,)``.
    """
    differences = (np.asarray(expectations) - expert).T
    # Any scale gives the same weights; this one keeps the row of ones from drowning the others.
    scale = max(float(np.linalg.norm(differences, axis=0).max()), 1e-300)
    rows = np.vstack([differences / scale, np.ones(differences.shape[1])])
    found, _ = nnls(rows, np.append(np.zeros(len(expert)), 1.0))
    found[found < NEGLIGIBLE * found.sum()] = 0.0
    weights: Floats = found / found.sum()
    return weights
