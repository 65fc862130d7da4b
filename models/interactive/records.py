"""What is known about a drive, and about a round of drives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from models.episodes import EXPERT, Episode

__all__ = ["BINS", "Drive", "RoundRecord", "Tally", "add_outcomes"]

BINS = 40
"""Of a histogram of deviations, from 0 to its measure's limit; what lies beyond is in the last one."""


@dataclass(frozen=True)
class Tally:
    """Counts over one drive, or several.

    Attributes:
        ticks: in all.
        queries: ticks at which the expert gave an answer, by acting or by labelling.
        kept: ticks whose label is learned from.
        expert_ticks: ticks at which the expert acted.
        switches: changes of who acts, within episodes.
        outcome: what the world counted, added up.
        expert_deviations: ``BINS`` counts of deviations while the expert acted.
        policy_deviations: the same while the policy acted.
    """

    ticks: int = 0
    queries: int = 0
    kept: int = 0
    expert_ticks: int = 0
    switches: int = 0
    outcome: Mapping[str, float] = field(default_factory=dict)
    expert_deviations: tuple[int, ...] = (0,) * BINS
    policy_deviations: tuple[int, ...] = (0,) * BINS

    @classmethod
    def of(
        cls,
        driver: npt.NDArray[np.uint8],
        queried: npt.NDArray[np.bool_],
        kept: npt.NDArray[np.bool_],
        deviations: npt.NDArray[np.float64],
        limit: float,
        outcome: Mapping[str, float],
    ) -> Tally:
        """Of one drive: ``(T,)`` who acted, was asked, is kept, and how far off the robot was."""
        places = np.clip(deviations / limit * BINS, 0, BINS - 1).astype(np.int64)
        by_expert = driver == EXPERT
        return cls(
            ticks=len(driver),
            queries=int(queried.sum()),
            kept=int(kept.sum()),
            expert_ticks=int(by_expert.sum()),
            switches=int((np.diff(driver.astype(np.int64)) != 0).sum()),
            outcome=dict(outcome),
            expert_deviations=tuple(np.bincount(places[by_expert], minlength=BINS).tolist()),
            policy_deviations=tuple(np.bincount(places[~by_expert], minlength=BINS).tolist()),
        )

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(
            ticks=self.ticks + other.ticks,
            queries=self.queries + other.queries,
            kept=self.kept + other.kept,
            expert_ticks=self.expert_ticks + other.expert_ticks,
            switches=self.switches + other.switches,
            outcome=add_outcomes([self.outcome, other.outcome]),
            expert_deviations=_sum(self.expert_deviations, other.expert_deviations),
            policy_deviations=_sum(self.policy_deviations, other.policy_deviations),
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Tally:
        """Read ``dataclasses.asdict`` after a trip through JSON."""
        fixed = dict(values)
        for name in ("expert_deviations", "policy_deviations"):
            fixed[name] = tuple(fixed[name])
        return cls(**fixed)


def add_outcomes(outcomes: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Numbers of several episodes, added up by name."""
    names = dict.fromkeys(name for outcome in outcomes for name in outcome)
    return {name: float(sum(outcome.get(name, 0.0) for outcome in outcomes)) for name in names}


def _sum(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))


@dataclass(frozen=True)
class Drive:
    """One episode of a round.

    Attributes:
        episode: ticks, labels, and how much each counts.
        tally: what happened in it.
    """

    episode: Episode
    tally: Tally


@dataclass(frozen=True)
class RoundRecord:
    """A finished round.

    Attributes:
        number: from 0.
        collected: its drives.
        learned_from: ticks that the policy was trained on, of this and earlier rounds.
        validation: outcomes and ``ticks`` of the policy's drives alone, added up; empty where none were made.
        score: minus the cost of a tick in them, or of a try where the world counts ``tries``; the higher the better.
            ``None`` where none were made.
        report: what the learner said.
        noise: ``(A, A)`` covariance that disturbed this round, in SI units squared; ``None`` for none.
        seconds: wall time of driving, training and validation.
    """

    number: int
    collected: Tally
    learned_from: int
    validation: Mapping[str, float]
    score: float | None
    report: Mapping[str, Any]
    noise: tuple[tuple[float, ...], ...] | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, read back by :meth:`from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RoundRecord:
        """Read ``to_dict``; raises ``KeyError`` or ``TypeError`` when it is something else."""
        fixed = dict(values)
        fixed["collected"] = Tally.from_dict(fixed["collected"])
        if fixed.get("noise") is not None:
            fixed["noise"] = tuple(tuple(row) for row in fixed["noise"])
        return cls(**fixed)
