"""What the expert showed: trajectories of one length, and what features they add up to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.errors import TrainingError
from models.rewards.mdp import Floats, Integers, TabularMdp

__all__ = ["Demonstrations", "path_probability", "sample_demonstrations"]


@dataclass(frozen=True, eq=False)
class Demonstrations:
    """Trajectories.

    Attributes:
        states: ``(N, T)``, numbers of states.
        actions: ``(N, T - 1)``, numbers of actions.
    """

    states: Integers
    actions: Integers

    def __post_init__(self) -> None:
        """Reject shapes that do not fit.

        Raises:
            TrainingError: not at least one trajectory of at least two states, or not one action between two states.
        """
        fits = self.states.ndim == 2 and len(self.states) >= 1 and self.states.shape[1] >= 2
        if not fits or self.actions.shape != (len(self.states), self.states.shape[1] - 1):
            raise TrainingError(
                "demonstrations are trajectories of one length",
                found=f"states {self.states.shape}, actions {self.actions.shape}",
                expected="states (N, T) and actions (N, T - 1), N >= 1 and T >= 2",
            )

    def require_within(self, mdp: TabularMdp) -> None:
        """Raise ``TrainingError`` unless every state and action is one of the world's, and they last its horizon."""
        for name, numbers, count in (
            ("state", self.states, mdp.state_count),
            ("action", self.actions, mdp.action_count),
        ):
            if numbers.min() < 0 or numbers.max() >= count:
                raise TrainingError(
                    f"a demonstration has a {name} that the world has not",
                    found=f"{int(numbers.min())} to {int(numbers.max())}",
                    expected=f"0 to {count - 1}",
                )
        if self.states.shape[1] != mdp.horizon:
            raise TrainingError(
                "demonstrations last as long as the world's horizon, so that both sides count the same steps",
                found=f"{self.states.shape[1]} states",
                expected=f"{mdp.horizon}",
            )

    def start(self, state_count: int) -> Floats:
        """``(S,)``: the share of trajectories that begin in each state."""
        return np.bincount(self.states[:, 0], minlength=state_count) / len(self.states)

    def feature_counts(self, features: Floats) -> Floats:
        """``1/N Σ_i Σ_t φ(s_t)``: the mean trajectory's sum of features ``(S, K)``, ``(K,)``."""
        counts: Floats = features[self.states].sum(axis=1).mean(axis=0)
        return counts

    def discounted_features(self, features: Floats, discount: float) -> Floats:
        """``μ̂ = 1/N Σ_i Σ_t γ^t φ(s_t)`` (Abbeel & Ng 2004, section 2), ``(K,)``.

        What comes after the last state is missing: at most ``γ^T / (1 - γ)`` of a feature within [-1, 1].
        """
        weights = discount ** np.arange(self.states.shape[1])
        expectations: Floats = np.einsum("ntk,t->nk", features[self.states], weights).mean(axis=0)
        return expectations


def sample_demonstrations(
    mdp: TabularMdp, policy: Floats, count: int, random: np.random.Generator, *, length: int | None = None
) -> Demonstrations:
    """Trajectories that a policy ``(S, A)``, or one a step ``(T - 1, S, A)``, walks.

    Args:
        mdp: the world.
        policy: whom to watch.
        count: trajectories, N.
        random: equal generators give equal trajectories.
        length: states of each; the world's horizon when not given.
    """
    length = mdp.horizon if length is None else length
    steps = policy if policy.ndim == 3 else np.broadcast_to(policy, (length - 1, *policy.shape))
    states, actions = np.empty((count, length), np.int64), np.empty((count, length - 1), np.int64)
    states[:, 0] = random.choice(mdp.state_count, count, p=mdp.start)
    for step in range(length - 1):
        here = states[:, step]
        actions[:, step] = _draw(steps[step][here], random)
        rows = mdp.transitions[here * mdp.action_count + actions[:, step]]
        states[:, step + 1] = _draw(rows.toarray(), random)
    return Demonstrations(states, actions)


def path_probability(mdp: TabularMdp, policies: Floats, states: Integers) -> Floats:
    """How often a policy walks each path ``(N, T)`` of states, given its first one, ``(N,)``.

    Args:
        mdp: the world.
        policies: ``(S, A)``, or one a step ``(T - 1, S, A)``.
        states: the paths.
    """
    moves = states.shape[1] - 1
    steps = [mdp.under(policy).toarray() for policy in (policies if policies.ndim == 3 else policies[None])]
    probability = np.ones(len(states))
    for time in range(moves):
        probability *= steps[min(time, len(steps) - 1)][states[:, time], states[:, time + 1]]
    return probability


def _draw(probabilities: Floats, random: np.random.Generator) -> Integers:
    """One index a row of ``(N, M)``."""
    reached = probabilities.cumsum(axis=1)
    drawn: Integers = (reached <= random.random((len(reached), 1)) * reached[:, -1:]).sum(axis=1)
    return drawn
