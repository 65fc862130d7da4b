"""Human-gated DAgger: the human takes over when they see fit, and what they do then is learned from."""

from __future__ import annotations

from dataclasses import dataclass

from models.interactive.rule import Moment, Rule

__all__ = ["HumanGated"]


@dataclass(frozen=True)
class HumanGated(Rule):
    """HG-DAgger (Kelly, Sidrane, Driggs-Campbell & Kochenderfer 2019, algorithm 1).

    ::

        D = demonstrations;   train π_0
        for i = 1 .. N:
            drive: π until the human takes over, the human until they hand back
            D <- D + {(s, a) : the human in control};   train π_i on D

    Nobody is asked about states in which somebody else drives: answers without control are hard to give.
    """

    name = "human-gated"
    source = "Kelly et al. 2019"
    needs_human = True

    def expert_acts(self, moment: Moment) -> bool:
        """From takeover to hand-back."""
        return moment.taken_over

    def keeps(self, moment: Moment, expert_acts: bool) -> bool:
        """What the human did while in control."""
        return expert_acts
