"""Several policies, one of which acts: the member is drawn anew at every step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from models.data import FloatArray, Observation
from models.errors import TrainingError
from models.interactive.ports import Actor, Answer

__all__ = ["Mixture", "cumulative_weights", "drawn_member"]


def cumulative_weights(weights: Sequence[float]) -> list[float]:
    """Running sums of weights, which must not be negative and are scaled to end at 1.

    Raises:
        TrainingError: no weights, a negative one or one that is not finite, or a sum of 0.
    """
    total = math.fsum(weights)
    if not weights or not math.isfinite(total) or min(weights) < 0.0 or total <= 0.0:
        raise TrainingError(
            "these are no weights of a mixture", found=list(weights), expected="numbers of at least 0, not all 0"
        )
    sums = list(accumulate(weight / total for weight in weights))
    # Whatever rounding makes of the last sum, the last member that weighs anything is drawn above the others.
    last = max(index for index, weight in enumerate(weights) if weight > 0.0)
    return [*sums[:last], *(1.0 for _ in sums[last:])]


def drawn_member(cumulative: Sequence[float], noise: float) -> int:
    """Which member a standard normal number draws, by inverting the cumulative weights: ``u = Φ(noise)``.

    The same in the exported graph, so that a bundle draws what this draws; see ``docs/decisions``, number 9.
    """
    # In float32 like the graph, or the two could differ where a sum is nearly met.
    uniform = np.float32(0.5) * (np.float32(1.0) + np.float32(math.erf(float(np.float32(noise / math.sqrt(2.0))))))
    return min(sum(bool(np.float32(bound) <= uniform) for bound in cumulative), len(cumulative) - 1)


class Mixture:
    """A policy that asks one of its members, drawn by their weights.

    Args:
        members: at least one.
        weights: of each; scaled to add up to 1.

    Attributes:
        weights: as they add up to 1.
        noise_width: one number for the draw, and what the member that takes most needs.

    Raises:
        TrainingError: other numbers of members and weights, or weights that are none.
    """

    def __init__(self, members: Sequence[Actor], weights: Sequence[float]) -> None:
        if len(members) != len(weights):
            raise TrainingError("every member of a mixture has a weight", found=f"{len(members)} and {len(weights)}")
        self._cumulative = cumulative_weights(weights)
        self.members = tuple(members)
        self.weights = tuple(weight / math.fsum(weights) for weight in weights)
        self.noise_width = 1 + max(member.noise_width for member in members)

    def answer(self, observation: Observation, noise: FloatArray) -> Answer:
        """What the drawn member would do; its probability of being unsafe, too."""
        member = self.members[drawn_member(self._cumulative, float(noise[0]))]
        return member.answer(observation, noise[1 : 1 + member.noise_width])
