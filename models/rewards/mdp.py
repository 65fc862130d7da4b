"""A world small enough to be written down: states, actions, and where each action leads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from models.errors import TrainingError

__all__ = ["Floats", "Integers", "TabularMdp"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Probabilities of one state and action may miss 1 by so much: rounding of a few hundred sums.
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class TabularMdp:
    """A Markov decision process without its reward, ``(S, A, P, γ, p₀)``: what a tabular learner is given.

    Rewards are of states: a trajectory ``s₀ … s_{T-1}`` earns ``Σ_t r(s_t)``, discounted by ``γ^t`` where the horizon
    is infinite.

    Attributes:
        transitions: sparse ``(S·A, S)``; row ``s·A + a`` is ``P(s' | s, a)``.
        start: ``(S,)`` probabilities of the first state, p₀.
        discount: γ in [0, 1), of what plans without a horizon.
        horizon: T, states of one trajectory: demonstrations are as long, and finite-horizon planning looks as far.
    """

    transitions: sparse.csr_array
    start: Floats
    discount: float
    horizon: int

    def __post_init__(self) -> None:
        """Reject what is no such process.

        Raises:
            TrainingError: shapes that do not fit, probabilities that do not add up to 1, a discount or horizon out of
                range.
        """
        rows, states = self.transitions.shape
        if self.start.shape != (states,) or states == 0 or rows == 0 or rows % states:
            raise TrainingError(
                "the tables of a decision process do not fit together",
                found=f"transitions {self.transitions.shape}, start {self.start.shape}",
                expected="transitions (S*A, S) and start (S,)",
            )
        sums = np.asarray(self.transitions.sum(axis=1)).reshape(-1)
        for name, values, total in (("start", self.start, self.start.sum()), ("P", self.transitions.data, sums)):
            # Written so that NaN fails as well.
            if not (np.all(values >= 0.0) and np.all(np.abs(total - 1.0) <= ROUNDING)):
                worst = np.reshape(total, -1)[np.argmax(np.abs(np.reshape(total, -1) - 1.0))]
                raise TrainingError(
                    f"{name} of a decision process is no probability",
                    found=f"smallest {float(values.min()):g}, a sum of {float(worst):g}",
                    expected="no negative numbers, and 1 in all",
                )
        if not 0.0 <= self.discount < 1.0:
            raise TrainingError("the discount is out of range", found=self.discount, expected="in [0, 1)")
        if self.horizon < 2:
            raise TrainingError("a trajectory is too short to act in", found=f"horizon {self.horizon}", expected=">= 2")

    @classmethod
    def from_tensor(cls, tensor: npt.ArrayLike, start: npt.ArrayLike, discount: float, horizon: int) -> TabularMdp:
        """From ``P[s, a, s']``, ``(S, A, S)``, written out."""
        table = np.asarray(tensor, np.float64)
        if table.ndim != 3 or table.shape[0] != table.shape[2]:
            raise TrainingError(
                "a transition tensor has other axes", found=f"shape {table.shape}", expected="(S, A, S)"
            )
        rows = sparse.csr_array(table.reshape(-1, table.shape[2]))
        return cls(rows, np.asarray(start, np.float64), discount, horizon)

    @property
    def state_count(self) -> int:
        """S."""
        return int(self.transitions.shape[1])

    @property
    def action_count(self) -> int:
        """A."""
        return int(self.transitions.shape[0] // self.transitions.shape[1])

    def expect(self, values: Floats) -> Floats:
        """``E[values(s') | s, a]``, ``(S,)`` to ``(S, A)``."""
        expected: Floats = (self.transitions @ values).reshape(self.state_count, self.action_count)
        return expected

    def push(self, visits: Floats) -> Floats:
        """Where ``visits (S, A)`` of states and actions lead, ``(S,)``."""
        reached: Floats = visits.reshape(-1) @ self.transitions
        return reached

    def under(self, policy: Floats) -> sparse.csr_array:
        """``P_π(s' | s)`` of a policy ``(S, A)``, sparse ``(S, S)``."""
        states, actions = policy.shape
        columns = np.arange(states * actions)
        chooses = sparse.csr_array(
            (policy.reshape(-1), (np.repeat(np.arange(states), actions), columns)), shape=(states, states * actions)
        )
        return chooses @ self.transitions

    def uniform_policy(self) -> Floats:
        """``(S, A)``: every action with the same probability, the policy that knows nothing."""
        return np.full((self.state_count, self.action_count), 1.0 / self.action_count)
