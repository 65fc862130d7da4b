"""SMILe: a mixture that lets go of the expert little by little."""

from __future__ import annotations

from dataclasses import dataclass

from models.interactive.rule import Moment, Rule, require_share

__all__ = ["Smile"]


@dataclass(frozen=True)
class Smile(Rule):
    """Stochastic mixing iterative learning (Ross & Bagnell 2010, algorithm 4.1).

    ::

        π^0 = π*
        for k = 0 .. N-1:
            D_k = {(s, π*(s)) : s visited by π^k};   train π̂_(k+1) on D_k alone
            π^(k+1) = (1 - α)^(k+1) π* + α sum_(j=1..k+1) (1 - α)^(j-1) π̂_j
        return π^N without π*, renormalised: the oldest weighs most

    The expert's weight after ``k`` policies is ``(1 - α)^k``: with ``(1 - α)^(k-1)``, as some slides print, the second
    round would be the expert's alone once more.

    Attributes:
        alpha: ``α``.
    """

    name = "smile"
    source = "Ross & Bagnell 2010"
    is_mixture = True

    alpha: float = 0.1

    def __post_init__(self) -> None:
        require_share("alpha", self.alpha)

    def expert_share(self, number: int) -> float:
        """``(1 - α)^k`` in round ``k``."""
        return float((1.0 - self.alpha) ** number)

    def expert_acts(self, moment: Moment) -> bool:
        """With its weight in the mixture, drawn anew at every step."""
        return moment.draw < self.expert_share(moment.round)

    def learns_from(self, number: int) -> range:
        """The newest round alone."""
        return range(number, number + 1)

    def weights(self, learned: int) -> tuple[float, ...]:
        """``α (1 - α)^(j-1)`` of policy ``j``, over what is left without the expert, ``1 - (1 - α)^n``."""
        shares = [self.alpha * (1.0 - self.alpha) ** j for j in range(learned)]
        return tuple(share / sum(shares) for share in shares)
