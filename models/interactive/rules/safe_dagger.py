"""SafeDAgger: ask the expert only where the learner is not to be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.interactive.ports import Tolerance
from models.interactive.rule import Moment, Rule, require_share

__all__ = ["SafeDagger"]


@dataclass(frozen=True)
class SafeDagger(Rule):
    """Query-efficient DAgger (Zhang & Cho 2017, algorithm 1).

    ::

        D_0, D_safe = demonstrations;   train π_0 on D_0, then c_0 on D_0 + D_safe
        for i = 1 .. N:
            drive: π where c says safe, π* where not
            D_i = D_(i-1) + {(s, π*(s)) : s visited, c(s) unsafe};   train π_i on D_i, then c_i on D_i + D_safe
        return the best π_i on validation, with its classifier

    The classifier is trained to tell ``||π(o) - π*(o)||² > τ``, on the policy's own features; classes are weighed
    (``models.learners.safety``). ``D_safe`` are episodes of the first round that no policy is ever trained on: what is
    kept later says nothing about how often a policy errs, for it was picked. (Of those later episodes, too, some are
    held out of the policy's training; they only help to tell what is unsafe.) ``τ`` is chosen once, in the first round,
    for the wanted share of unsafe frames, and stays in that round's units: later policies are held to the same error,
    so that they ask less. At deployment the gate acts on the same classifier.

    Attributes:
        threshold: the classifier's probability of unsafe above which the expert drives.
    """

    name = "safedagger"
    source = "Zhang & Cho 2017"
    needs_safety = True

    threshold: float = 0.5

    def __post_init__(self) -> None:
        require_share("threshold", self.threshold, zero=True)

    def expert_acts(self, moment: Moment) -> bool:
        """Where the classifier says unsafe; a probability that is no number is one."""
        return not moment.answer.unsafe_probability <= self.threshold

    def keeps(self, moment: Moment, expert_acts: bool) -> bool:
        """Only what is unsafe; the expert is not asked about the rest."""
        return expert_acts

    def tolerance(self, reports: Sequence[Mapping[str, object]]) -> Tolerance | None:
        """That of the first round."""
        tau, units = (reports[0].get("tau"), reports[0].get("units")) if reports else (None, None)
        if not (isinstance(tau, float) and tau > 0.0 and isinstance(units, list)):
            return None
        return Tolerance(tau, tuple(units))
