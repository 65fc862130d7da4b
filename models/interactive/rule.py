"""What tells one interactive algorithm from another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from models.contract import Contract
from models.data import FloatArray
from models.errors import TrainingError
from models.interactive.ports import Answer, CostToGo, Tolerance
from models.noise_file import NoiseFile

__all__ = ["HeldOut", "Moment", "Rule", "require_share"]

HeldOut = Callable[[], tuple[FloatArray, FloatArray]]
"""What the expert did, and what the newest policy would have done, on its last held-out episodes: ``(T, A)`` each."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One tick, before anybody acts.

    Attributes:
        round: from 0: as many policies have been learned so far.
        draw: uniform in [0, 1), new at every tick.
        episode_draw: uniform in [0, 1), one for the whole episode.
        answer: the acting policy's.
        taken_over: whether a human has the robot.
    """

    round: int
    draw: float
    episode_draw: float
    answer: Answer
    taken_over: bool = False


class Rule:
    """One row of the table: who acts, who labels, what is kept, how policies combine.

    In round 0 nothing has been learned, and the expert drives whatever a rule says. The methods below are those of
    plain behavioural cloning, except that the learner drives from round 1 on; an algorithm overrides what differs.

    Attributes:
        name: on the command line.
        source: where it was published.
        is_mixture: whether all policies together are the result; otherwise it is the one that did best in validation.
        needs_human: whether somebody has to decide who drives.
        needs_safety: whether policies need a safety classifier.
    """

    name: ClassVar[str]
    source: ClassVar[str]
    is_mixture: ClassVar[bool] = False
    needs_human: ClassVar[bool] = False
    needs_safety: ClassVar[bool] = False

    def expert_acts(self, moment: Moment) -> bool:
        """Who acts: the expert, or the policies learned so far."""
        return False

    def keeps(self, moment: Moment, expert_acts: bool) -> bool:
        """Whether the expert labels this tick, and the label is kept."""
        return True

    def target(self, expert: FloatArray, costs: CostToGo | None) -> tuple[FloatArray, float]:
        """The label ``(A,)`` of a tick that is kept, and how much it counts."""
        return expert, 1.0

    def learns_from(self, number: int) -> range:
        """The rounds whose data the policy of round ``number`` is trained on: all of them."""
        return range(number + 1)

    def weights(self, learned: int) -> tuple[float, ...]:
        """How ``learned`` policies combine, oldest first; they add up to 1. Only the newest one acts."""
        return (0.0,) * (learned - 1) + (1.0,)

    def tolerance(self, reports: Sequence[Mapping[str, object]]) -> Tolerance | None:
        """What counts as safe from now on, by the reports of earlier rounds; ``None`` lets the learner choose."""
        return None

    def fit_noise(self, path: Path, contract: Contract, seed: int, held_out: HeldOut) -> NoiseFile | None:
        """What disturbs the next round, written to ``path``; ``None`` for nothing."""
        return None


def require_share(name: str, value: float, *, zero: bool = False) -> None:
    """Raise ``TrainingError`` unless an option lies in (0, 1], or [0, 1] with ``zero``."""
    if not (np.isfinite(value) and (0.0 <= value <= 1.0 if zero else 0.0 < value <= 1.0)):
        raise TrainingError(f"{name} is no share", found=value, expected="in [0, 1]" if zero else "above 0, at most 1")
