"""SafeDAgger: ask the expert only where the learner is not to be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.interactive.rule import Moment, Rule, require_share

__all__ = ["SafeDagger"]


@dataclass(frozen=True)
class SafeDagger(Rule):
    """Query-efficient DAgger (Zhang & Cho 2017, algorithm 1).

    ::

        D_0 = demonstrations;   train π_0, and its classifier c_0 on held-out episodes too
        for i = 1 .. N:
            drive: π where c says safe, π* where not
            D <- D + {(s, π*(s)) : s visited, c(s) unsafe};   train π_i, then c_i
        return the best π_i on validation, with its classifier

    The classifier is trained to tell ``||π(o) - π*(o)||² > τ`` (normalised units), on the policy's own features and
    on episodes that the policy was not trained on; classes are weighed (``models.learners.safety``). ``τ`` is chosen
    once, in the first round, for the wanted share of unsafe frames: later policies are held to the same error, so that
    they ask less. At deployment the gate acts on the same classifier.

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

    def tau(self, reports: Sequence[Mapping[str, object]]) -> float | None:
        """That of the first round."""
        first = reports[0].get("tau") if reports else None
        return first if isinstance(first, float) and first > 0.0 else None
