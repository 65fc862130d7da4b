"""A puck that glides along a road on ice: it reports where it is, and not how fast it slides sideways."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from bench.policies.lane.robot import PERIOD_S, Array

__all__ = ["HALF_ROAD_M", "Ice"]

FORWARD_M_S = 3.0
# Poles of the expert's loop at -2/s, twice: critically damped, settled after two seconds.
STIFFNESS_PER_S2, DAMPING_PER_S = 4.0, 4.0
STRONGEST_M_S2 = 6.0
HALF_ROAD_M = 5.0
# A knock every so many ticks, of up to so much either way.
KNOCK_EVERY, KNOCK_M_S = 20, 1.5
TICKS = 80


class Ice:
    """``y'' = u``: without the damping of ``y'`` whoever steers by ``y`` alone swings, and every knock adds to it.

    Args:
        shows_slide: whether it reports its sideways velocity, too.
    """

    commands: Mapping[str, float] = MappingProxyType({"thrust.left": STRONGEST_M_S2})

    def __init__(self, *, shows_slide: bool = False) -> None:
        self._shows_slide = shows_slide
        self.seen: tuple[str, ...] = ("lateral", "slide") if shows_slide else ("lateral",)
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Beside the middle, sliding."""
        self._random = np.random.default_rng(np.random.SeedSequence([seed, 0x696365]))
        self._y = float(self._random.uniform(-1.0, 1.0))
        self._slide_m_s = float(self._random.uniform(-KNOCK_M_S, KNOCK_M_S))
        self.tick = 0

    @property
    def place(self) -> tuple[float, float]:
        """Along the road and to the left of its middle, in m."""
        return self.tick * FORWARD_M_S * PERIOD_S, self._y

    @property
    def left_road(self) -> bool:
        """Whether it has slid off, which ends the drive."""
        return abs(self._y) > HALF_ROAD_M

    def observe(self) -> tuple[float, ...]:
        """Metres to the left of the middle, and perhaps m/s to the left."""
        return (self._y, self._slide_m_s) if self._shows_slide else (self._y,)

    def expert_command(self) -> Array:
        """``(1,)`` m/s²: back to the middle, and against the slide."""
        wanted = -STIFFNESS_PER_S2 * self._y - DAMPING_PER_S * self._slide_m_s
        return np.clip([wanted], -STRONGEST_M_S2, STRONGEST_M_S2)

    def step(self, command: Array) -> bool:
        """Push for one period with ``(1,)``, an acceleration (m/s²) to the left."""
        self.tick += 1
        self._slide_m_s += float(command[0]) * PERIOD_S
        if self.tick % KNOCK_EVERY == 0:
            self._slide_m_s += float(self._random.uniform(-KNOCK_M_S, KNOCK_M_S))
        self._y += self._slide_m_s * PERIOD_S
        return self.left_road or self.tick >= TICKS
