"""A robot with two driven wheels before an obstacle in mid-road, and perhaps a sign that says on which side to pass.

To turn, one wheel must be fast and the other one slow: two numbers that have to agree. Both fast, or both slow, is
straight on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np

from bench.policies.lane.robot import PERIOD_S, Array

__all__ = ["CRUISE_M_S", "OBSTACLE_RADIUS_M", "ROBOT_RADIUS_M", "SIGN_TICKS", "Fork", "Outcome"]

Outcome = Literal["left", "right", "hit", "off", "late"]

WHEELBASE_M, CRUISE_M_S, FASTEST_M_S = 0.5, 1.0, 2.0
ROBOT_RADIUS_M, OBSTACLE_RADIUS_M = 0.25, 0.35
# The sensor reaches so far, and reports that much where there is nothing.
RANGE_M, NOTHING_M = 2.0, 4.0
ASIDE_M, STEEPEST_RAD, HIGHEST_YAW_RATE_RAD_S = 1.0, 0.9, 1.6
HALF_ROAD_M = 2.0
# The sign is seen for so many ticks from the start.
SIGN_TICKS = 3
LATE_TICKS = 120


class Fork:
    """One drive towards the obstacle, which stands at x = 0; it ends by passing, touching, or leaving the road.

    Every start is there twice, by an even seed, for which the expert passes on the left, and the odd one behind it.

    Args:
        gap: ticks, from and to, that pass between the sign's last one and the obstacle's first. None for no sign, and a
            start from which the obstacle is seen.
        truthful: whether the sign shows the way; otherwise it shows either, whatever the way.
        one_way: whether the expert passes on the left always.
    """

    commands: Mapping[str, float] = MappingProxyType({"wheel.left": FASTEST_M_S, "wheel.right": FASTEST_M_S})

    def __init__(self, gap: tuple[int, int] | None = None, *, truthful: bool = True, one_way: bool = False) -> None:
        self._gap, self._truthful, self._one_way = gap, truthful, one_way
        self.seen: tuple[str, ...] = ("obstacle.ahead", "lateral", "yaw", *(("sign",) if gap else ()))
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Before the obstacle, in mid-road but for some centimetres and a degree."""
        random = np.random.default_rng(np.random.SeedSequence([seed // 2, 0x666F726B]))
        self.way = 1.0 if seed % 2 == 0 or self._one_way else -1.0
        before_m = -random.uniform(0.0, 0.1)
        if self._gap:
            ticks = SIGN_TICKS - 1 + int(random.integers(self._gap[0], self._gap[1] + 1))
            before_m = (ticks + 0.5) * CRUISE_M_S * PERIOD_S
        self._x, (self._y, self._yaw) = -RANGE_M - before_m, random.normal(0.0, (0.03, 0.02))
        # A stream of its own: of two drives from one start the sign may differ.
        chance = np.random.default_rng(np.random.SeedSequence([seed, 0x7369676E])).choice((-1.0, 1.0))
        self.sign = self.way if self._truthful else float(chance)
        self.tick = 0
        self.outcome: Outcome = "late"

    @property
    def place(self) -> tuple[float, float]:
        """Along the road and to the left of its middle, in m."""
        return self._x, self._y

    @staticmethod
    def reaches(x_m: float) -> bool:
        """Whether the sensor reaches the obstacle from there."""
        return -x_m <= RANGE_M

    def observe(self) -> tuple[float, ...]:
        """Metres to the obstacle where it is in range, metres to the left of the middle, yaw (rad), sign or 0."""
        seen = (-self._x if self.reaches(self._x) else NOTHING_M, self._y, self._yaw)
        if not self._gap:
            return seen
        return (*seen, self.sign if self.tick < SIGN_TICKS else 0.0)

    def expert_command(self) -> Array:
        """Along the middle, and once the obstacle is in range to its way's side; ``(2,)`` m/s, left and right."""
        aim = self.way * ASIDE_M if self.reaches(self._x) else 0.0
        heading = np.clip(3.0 * (aim - self._y), -STEEPEST_RAD, STEEPEST_RAD)
        yaw_rate = np.clip(5.0 * (heading - self._yaw), -HIGHEST_YAW_RATE_RAD_S, HIGHEST_YAW_RATE_RAD_S)
        commanded: Array = CRUISE_M_S + np.array([-0.5, 0.5]) * WHEELBASE_M * yaw_rate
        return commanded

    def step(self, command: Array) -> bool:
        """Roll for one period with ``(2,)``, the speeds of the left and the right wheel in m/s."""
        speed, turn = float(np.mean(command)), float(command[1] - command[0]) / WHEELBASE_M * PERIOD_S
        middle = self._yaw + 0.5 * turn
        self._x += speed * math.cos(middle) * PERIOD_S
        self._y += speed * math.sin(middle) * PERIOD_S
        self._yaw += turn
        self.tick += 1
        self.outcome = self._judge()
        return self.outcome != "late" or self.tick >= LATE_TICKS

    def _judge(self) -> Outcome:
        touching_m = ROBOT_RADIUS_M + OBSTACLE_RADIUS_M
        if math.hypot(self._x, self._y) < touching_m:
            return "hit"
        if abs(self._y) + ROBOT_RADIUS_M > HALF_ROAD_M:
            return "off"
        if self._x > touching_m:
            return "left" if self._y > 0.0 else "right"
        return "late"
