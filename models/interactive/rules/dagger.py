"""DAgger: learn from what the learner itself gets into."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import TrainingError
from models.interactive.rule import Moment, Rule, require_share

__all__ = ["Dagger"]


@dataclass(frozen=True)
class Dagger(Rule):
    """Dataset aggregation (Ross, Gordon & Bagnell 2011, algorithm 3.1).

    ::

        for i = 0 .. N-1:
            drive with  π_i = β_i π* + (1 - β_i) π̂_i,   β_0 = 1
            D <- D + {(s, π*(s)) : s visited}
            train π̂_(i+1) on D
        return the best π̂_i on validation

    Attributes:
        beta: ``p`` of ``β_i = p^i``; 0 lets the expert drive in the first round only, ``β_i = I(i = 0)``.
        per: whether the driver is drawn anew at every ``step`` or for a whole ``episode``.
    """

    name = "dagger"
    source = "Ross, Gordon & Bagnell 2011"

    beta: float = 0.0
    per: str = "step"

    def __post_init__(self) -> None:
        require_share("beta", self.beta, zero=True)
        if self.per not in ("step", "episode"):
            raise TrainingError("the driver is drawn per step or per episode", found=self.per)

    def expert_share(self, number: int) -> float:
        """``β_i``."""
        return 1.0 if number == 0 else float(self.beta**number)

    def expert_acts(self, moment: Moment) -> bool:
        """With probability ``β_i``."""
        draw = moment.draw if self.per == "step" else moment.episode_draw
        return draw < self.expert_share(moment.round)
