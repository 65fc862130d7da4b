"""Behavioural cloning as a rule: more demonstrations every round, and nobody is ever asked about anything else."""

from __future__ import annotations

from dataclasses import dataclass

from models.interactive.rule import Moment, Rule

__all__ = ["BehavioralCloningRule"]


@dataclass(frozen=True)
class BehavioralCloningRule(Rule):
    """``D <- D + {(s, π*(s)) : s visited by π*}``, ``π_i`` trained on ``D``: what the others are compared with."""

    name = "bc"
    source = "Pomerleau 1989"

    def expert_acts(self, moment: Moment) -> bool:
        """Always."""
        return True
