"""What goes wrong on purpose, by seed: a command that is not carried out exactly, a shoved arm, a knocked object.

They show the states beside the expert's own way (as in DART, Laskey et al. 2017); commands stay what they were.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.errors import SimulationError
from sim.grasping.kinematics import Array
from sim.grasping.state import Command

__all__ = ["DisturbanceConfig", "Disturbances"]

_STREAM = 0x6E6F6973


@dataclass(frozen=True, slots=True)
class DisturbanceConfig:
    """How much goes wrong. The default: nothing.

    Attributes:
        velocity_std_m_s: standard deviation of an Ornstein-Uhlenbeck noise on each linear speed.
        yaw_rate_std_rad_s: the same on the yaw rate.
        noise_time_s: time over which these noises forget.
        shoves_per_s: how often the arm is shoved, on average.
        shove_m_s: speed that a shove adds, in a random horizontal direction.
        shove_s: how long a shove lasts.
        knocks_per_s: how often an object is knocked, on average; every other time it is the target.
        knock_m_s: horizontal speed that a knock gives.
    """

    velocity_std_m_s: float = 0.0
    yaw_rate_std_rad_s: float = 0.0
    noise_time_s: float = 0.3
    shoves_per_s: float = 0.0
    shove_m_s: float = 0.2
    shove_s: float = 0.25
    knocks_per_s: float = 0.0
    knock_m_s: float = 0.4

    def __post_init__(self) -> None:
        """Reject disturbances that are none.

        Raises:
            SimulationError: when a value is negative or not finite, or the noise has no time.
        """
        for name in self.__slots__:
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise SimulationError(f"DisturbanceConfig.{name} must not be negative", found=value)
        if not self.noise_time_s > 0.0:
            raise SimulationError("DisturbanceConfig.noise_time_s must be positive", found=self.noise_time_s)


class Disturbances:
    """One episode's disturbances, one control step after the other."""

    def __init__(self, seed: int, config: DisturbanceConfig, period_s: float) -> None:
        self._rng = np.random.default_rng(np.random.SeedSequence([seed, _STREAM]))
        self._config = config
        self._period_s = period_s
        # Exactly discretised, so that the noise's spread is the configured one whatever the period.
        self._kept = math.exp(-period_s / config.noise_time_s)
        linear, turn = config.velocity_std_m_s, config.yaw_rate_std_rad_s
        self._spread: Array = np.array([linear, linear, linear, turn, 0.0])
        self._noise: Array = np.zeros(5)
        self._shove: Array = np.zeros(5)
        self._shove_left_s = 0.0

    def next_command_error(self) -> Command:
        """What is added to the command in the step that begins."""
        config, rng = self._config, self._rng
        fresh = math.sqrt(1.0 - self._kept**2)
        self._noise = self._kept * self._noise + fresh * self._spread * rng.standard_normal(5)
        self._shove_left_s -= self._period_s
        if rng.random() < config.shoves_per_s * self._period_s:
            bearing = rng.uniform(-math.pi, math.pi)
            self._shove = config.shove_m_s * np.array([math.cos(bearing), math.sin(bearing), 0.0, 0.0, 0.0])
            self._shove_left_s = config.shove_s
        added = self._noise + self._shove if self._shove_left_s > 0.0 else self._noise
        x, y, z, yaw, gap = added.tolist()
        return x, y, z, yaw, gap

    def next_knock(self, objects: int) -> tuple[int, tuple[float, float, float]] | None:
        """Which object is knocked in the step that begins, and the velocity (m/s) that it gets; mostly ``None``."""
        config, rng = self._config, self._rng
        if rng.random() >= config.knocks_per_s * self._period_s:
            return None
        index = 0 if rng.random() < 0.5 else int(rng.integers(objects))
        bearing = rng.uniform(-math.pi, math.pi)
        return index, (config.knock_m_s * math.cos(bearing), config.knock_m_s * math.sin(bearing), 0.0)
