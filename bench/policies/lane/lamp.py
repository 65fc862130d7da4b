"""A car that is to be fast or slow as a lamp says, which it sees through snow and its demonstrator does not."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from bench.policies.lane.robot import PERIOD_S, Array

__all__ = ["FAST_M_S", "SLOW_M_S", "SNOW", "Lamp"]

FAST_M_S, SLOW_M_S, FASTEST_M_S = 4.0, 2.0, 6.0
# What the lamp says lasts so many ticks at least, and so many more in the mean.
SHORTEST_TICKS, FURTHER_TICKS = 20, 30
TICKS = 120

SNOW = 1.75
"""Standard deviation of one reading of the lamp, which is 1 for fast and -1 for slow. One reading says next to nothing,
and ten of them enough."""


class Lamp:
    """The demonstrator's last command says what the lamp said a tick ago, far better than any reading does.

    Whoever is shown that command while it learns waits for a reading that outweighs it, which hardly ever comes.

    Args:
        snow: standard deviation of a reading.
    """

    seen: tuple[str, ...] = ("lamp",)
    commands: Mapping[str, float] = MappingProxyType({"speed": FASTEST_M_S})

    def __init__(self, snow: float = SNOW) -> None:
        self._snow = snow
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Somewhere in a phase."""
        random = np.random.default_rng(np.random.SeedSequence([seed, 0x6C616D70]))
        self._x_m, self.tick = 0.0, 0
        self._says = _phases(random, TICKS + 1)
        self._readings = self._says + self._snow * random.normal(size=TICKS + 1)

    @property
    def place(self) -> tuple[float, float]:
        """Along the road and to the left of its middle, in m."""
        return self._x_m, 0.0

    def observe(self) -> tuple[float, ...]:
        """The lamp as it is read."""
        return (float(self._readings[self.tick]),)

    def expert_command(self) -> Array:
        """``(1,)`` m/s, as the lamp really says."""
        return np.array([FAST_M_S if self._says[self.tick] > 0.0 else SLOW_M_S])

    def step(self, command: Array) -> bool:
        """Drive for one period at ``(1,)`` m/s."""
        self.tick += 1
        self._x_m += float(command[0]) * PERIOD_S
        return self.tick >= TICKS


def _phases(random: np.random.Generator, ticks: int) -> Array:
    """``(ticks,)`` 1 and -1 by turns, beginning somewhere within a phase."""
    lengths = SHORTEST_TICKS + random.exponential(FURTHER_TICKS, ticks // SHORTEST_TICKS + 2).astype(np.int64)
    lengths[0] -= random.integers(lengths[0])
    signs = random.choice((-1.0, 1.0)) * (-1.0) ** np.arange(len(lengths))
    return np.repeat(signs, lengths)[:ticks]
