"""A world with an expert in it, features to judge both by, and how to draw a reward of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.errors import SimulationError
from models.rewards.demonstrations import Demonstrations, sample_demonstrations
from models.rewards.mdp import Floats, TabularMdp
from models.rewards.planning import best_steps, policy_value, policy_value_over_horizon, value_iteration

__all__ = ["DISCOUNT", "DISCOUNTED", "FINITE", "RewardMap", "TabularTask"]

DISCOUNT = 0.9
"""γ: what is ten steps away still matters. Abbeel & Ng take 0.99, on a grid ten times as wide."""

DISCOUNTED = 100
"""States of a demonstration where discounted sums count: what comes after is worth 3e-5 of them."""

FINITE = 20
"""States of one where the plain sum counts."""


@dataclass(frozen=True, eq=False)
class RewardMap:
    """A picture of a reward: one number a cell.

    Attributes:
        title: what is shown.
        cells: ``(rows, columns)``, the first row on top.
        row_names: one a row; empty for none.
        column_names: one a column; empty for none.
        axes: names of the vertical and the horizontal axis.
    """

    title: str
    cells: Floats
    row_names: tuple[str, ...] = ()
    column_names: tuple[str, ...] = ()
    axes: tuple[str, str] = ("", "")


@dataclass(frozen=True, eq=False)
class TabularTask:
    """A world to learn a reward in.

    Attributes:
        name: of the world.
        mdp: the world.
        features: φ, ``(S, K)`` within [-1, 1].
        feature_names: K of them.
        signed: whether more of every feature is better, as MWAL assumes (its θ is never negative).
        draw: the pictures of any reward ``(S,)``.
        finite: what counts: the plain sum of rewards over the horizon, or the discounted sum without one.
        true_weights: ``(K,)`` of the reward that the expert drives at; None where nobody knows it.
        shown: the demonstrations, where there is no expert to ask for them.
    """

    name: str
    mdp: TabularMdp
    features: Floats
    feature_names: tuple[str, ...]
    signed: bool
    draw: Callable[[Floats], tuple[RewardMap, ...]]
    finite: bool
    true_weights: Floats | None = None
    shown: Demonstrations | None = None

    @property
    def true_reward(self) -> Floats:
        """``(S,)``; raises ``SimulationError`` where nobody knows it."""
        if self.true_weights is None:
            raise SimulationError(f"nobody knows the true reward of {self.name}")
        reward: Floats = self.features @ self.true_weights
        return reward

    @cached_property
    def expert(self) -> Floats:
        """The best policy of the true reward, ``(S, A)``, or ``(T - 1, S, A)`` where the horizon counts."""
        return self.best_policy(self.true_reward)

    @property
    def is_deterministic(self) -> bool:
        """Whether every action leads to one state, so that a path of states has a probability worth telling."""
        return bool(self.mdp.transitions.nnz == self.mdp.transitions.shape[0])

    def best_policy(self, reward: Floats) -> Floats:
        """The best policy of any reward ``(S,)``, ``(S, A)`` or ``(T - 1, S, A)``."""
        return best_steps(self.mdp, reward) if self.finite else value_iteration(self.mdp, reward)

    def demonstrate(self, count: int, random: np.random.Generator) -> Demonstrations:
        """``count`` trajectories of the expert; where there is none, what was shown, whatever the count."""
        if self.shown is not None:
            return self.shown
        return sample_demonstrations(self.mdp, self.expert, count, random)

    def value(self, policy: Floats) -> float:
        """What a policy ``(S, A)`` or ``(T - 1, S, A)`` is worth under the true reward."""
        if not self.finite:
            return policy_value(self.mdp, policy, self.true_reward)
        steps = policy if policy.ndim == 3 else np.broadcast_to(policy, (self.mdp.horizon - 1, *policy.shape))
        return policy_value_over_horizon(self.mdp, steps, self.true_reward)

    def share_of_expert(self, value: float) -> float:
        """A value under the true reward, 0 for the policy that acts at random and 1 for the expert.

        A plain quotient of values would depend on where the reward's zero lies, and be kind where even a random policy
        earns something.
        """
        nothing, everything = self.value(self.mdp.uniform_policy()), self.value(self.expert)
        return (value - nothing) / (everything - nothing)
