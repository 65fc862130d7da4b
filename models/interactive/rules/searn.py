"""SEARN: a mixture of policies, each trained on what actions cost in the end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.data import FloatArray
from models.interactive.ports import CostToGo
from models.interactive.rule import Moment, Rule, require_share

__all__ = ["Searn"]


@dataclass(frozen=True)
class Searn(Rule):
    """Search-based structured prediction (Daumé, Langford & Marcu 2009), as imitation learning.

    ::

        π_0 = π*
        for i = 0 .. N-1:
            at every s visited by π_i:  cost c(a) of doing a now and what π* does afterwards, for some actions a
            D_i = {(s, argmin_a c(a), regret)};   train π'_(i+1) on D_i alone
            π_(i+1) = β π'_(i+1) + (1 - β) π_i
        return π_N without π*, renormalised: the newest weighs most

    **Cost-sensitive targets.** The label is the cheapest of the alternatives that the world offers, and it counts as
    much as a mistake would cost there: the mean regret of the alternatives, ``mean_a c(a) - min_a c(a)``. So a weighted
    regression pays for its errors what they cost in the end (Zadrozny, Langford & Abe 2003 turn costs into weights the
    same way). What comes after ``a`` is what the *expert* does (section 4.2 of the paper, the "optimal
    approximation"), not what the mixture does, which would take a rollout for each action. A world that cannot
    tell costs gives the expert's own action with weight 1: the imitation loss.

    Attributes:
        beta: ``β``, of the newest policy; 1 throws the older ones away, which is policy iteration.
    """

    name = "searn"
    source = "Daumé, Langford & Marcu 2009"
    is_mixture = True

    beta: float = 0.5

    def __post_init__(self) -> None:
        require_share("beta", self.beta)

    def expert_share(self, number: int) -> float:
        """``(1 - β)^i`` in round ``i``."""
        return float((1.0 - self.beta) ** number)

    def expert_acts(self, moment: Moment) -> bool:
        """With its weight in the mixture, drawn anew at every step."""
        return moment.draw < self.expert_share(moment.round)

    def target(self, expert: FloatArray, costs: CostToGo | None) -> tuple[FloatArray, float]:
        """The cheapest alternative, and the mean regret of all."""
        if costs is None:
            return expert, 1.0
        actions, cost = costs.alternatives(expert)
        best = int(np.argmin(cost))
        # In float64: where nothing is at stake, rounding would make a weight of less than nothing.
        return actions[best], float(np.mean(cost.astype(np.float64) - float(cost[best])))

    def learns_from(self, number: int) -> range:
        """The newest round alone."""
        return range(number, number + 1)

    def weights(self, learned: int) -> tuple[float, ...]:
        """``β (1 - β)^(n-j)`` of policy ``j`` of ``n``, over what is left without the expert."""
        shares = [self.beta * (1.0 - self.beta) ** (learned - 1 - j) for j in range(learned)]
        return tuple(share / sum(shares) for share in shares)
