"""What the three game-playing learners share: their result, their rounds, and how many rounds theory allows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.errors import TrainingError
from models.rewards.mdp import Floats, TabularMdp
from models.rewards.mixture import PolicyMixture

__all__ = ["Apprentice", "Progress", "Round", "as_apprentice", "iteration_bound", "require_fitting"]


@dataclass(frozen=True, slots=True)
class Round:
    """One round of a learner.

    Attributes:
        iteration: from 1.
        figure: what the learner drives at: the distance to the expert's feature expectations, the least advantage over
            the expert, or the log-likelihood. See the learner.
    """

    iteration: int
    figure: float


Progress = Callable[[Round, int], None]
"""Called after every round with its record and the largest number of rounds."""


@dataclass(frozen=True, eq=False)
class Apprentice:
    """What a learner hands back.

    Attributes:
        mixture: the policies found; one is drawn an episode.
        theta: ``(K,)`` weights of the reward ``θᵀφ``; see the learner for which.
        rounds: one record a round.
        converged: whether it ended because it was done, and not because the rounds were used up.
    """

    mixture: PolicyMixture
    theta: Floats
    rounds: tuple[Round, ...]
    converged: bool


def as_apprentice(
    policies: list[Floats], weights: Floats, expectations: list[Floats], theta: Floats, rounds: list[Round], done: bool
) -> Apprentice:
    """The result of a learner, without the policies that are never drawn."""
    used = np.flatnonzero(weights)
    mixture = PolicyMixture(np.array(policies)[used], weights[used], np.array(expectations)[used])
    return Apprentice(mixture, theta, tuple(rounds), done)


def require_fitting(mdp: TabularMdp, features: Floats, expert: Floats, low: float = -1.0) -> None:
    """Raise ``TrainingError`` unless features are ``(S, K)`` within [low, 1] and the expert's are ``(K,)``."""
    if features.ndim != 2 or len(features) != mdp.state_count or expert.shape != features.shape[1:]:
        raise TrainingError(
            "features do not fit the world or the expert",
            found=f"features {features.shape}, expert {expert.shape}",
            expected=f"({mdp.state_count}, K) and (K,)",
        )
    if not (features.min() >= low and features.max() <= 1.0):
        raise TrainingError(
            "features are out of range, so that no bound on the number of rounds holds",
            found=f"{features.min():g} to {features.max():g}",
            expected=f"{low:g} to 1",
        )


def iteration_bound(feature_count: int, discount: float, epsilon: float) -> int:
    """Rounds after which max-margin and projection are within ε of the expert (Abbeel & Ng 2004, theorem 1).

    In numbers, from its proof: by lemma 3 each round shrinks a distance of more than ε at least by the factor
    ``√k / √(k + (1-γ)²ε²)``, and the first is at most ``√k / (1-γ)`` for features within [0, 1] (their differences are
    then within [-1, 1]; those of features within [-1, 1] are twice as large: halve ε). It holds for feature
    expectations that some policy has, not for estimates that no policy reaches.
    """
    widest = math.sqrt(feature_count) / (1.0 - discount)
    shrinks = 0.5 * math.log1p((epsilon / widest) ** 2)
    return max(1, math.ceil(math.log(max(widest / epsilon, 1.0)) / shrinks))
