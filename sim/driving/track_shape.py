"""The shapes that tracks are drawn from, and what a track must be like.

The centre line is a polar curve ``r(theta) = R (1 + sum_k a_k cos(k theta + phi_k))``. It is smooth of every order, it
closes on itself, and because ``r > 0`` it cannot cross itself. The harmonics are damped until the smallest radius and
the gap between neighbouring stretches of road are what the configuration asks for; a circle meets both, so that ends.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.errors import SimulationError

__all__ = ["Array", "TrackConfig", "ever_calmer_lines"]

Array = npt.NDArray[np.float64]

# Harmonics 2 to 6: the first one only moves the centre, higher ones make bends tighter than a car wants.
_HARMONICS = np.arange(2, 7)
# Points on which the polar curve is measured before it is resampled: 3 cm apart on the longest track.
_DENSE_POINTS = 4096
# How much of their amplitude the harmonics keep after an attempt that was too tight.
_DAMPING = 0.9


@dataclass(frozen=True, slots=True)
class TrackConfig:
    """What a drawn track must be like.

    Attributes:
        width_m: from edge to edge.
        shortest_m: lower bound of the length that the seed draws.
        longest_m: upper bound of it.
        roughness: size of the bends, from 0 (a circle) to 1.
        minimum_radius_m: of the centre line. The simulated car turns on 1.8 m, so 5 m leaves room to correct.
        clearance_m: smallest gap between the edges of two stretches of road that run past each other.
        spacing_m: distance between centre line points.
    """

    width_m: float = 4.0
    shortest_m: float = 90.0
    longest_m: float = 135.0
    roughness: float = 0.6
    minimum_radius_m: float = 5.0
    clearance_m: float = 2.0
    spacing_m: float = 0.25

    def __post_init__(self) -> None:
        """Reject what no track can satisfy.

        Raises:
            SimulationError: when a value is out of range or two of them contradict each other.
        """
        positive = {"width_m": self.width_m, "minimum_radius_m": self.minimum_radius_m, "spacing_m": self.spacing_m}
        for name, value in positive.items():
            if not (math.isfinite(value) and value > 0.0):
                raise SimulationError(f"TrackConfig.{name} must be positive", found=value)
        if not 0.0 <= self.roughness <= 1.0:
            raise SimulationError("TrackConfig.roughness is out of range", found=self.roughness, expected="0 to 1")
        if not (math.isfinite(self.clearance_m) and self.clearance_m >= 0.0):
            raise SimulationError("TrackConfig.clearance_m must not be negative", found=self.clearance_m)
        if 2.0 * self.minimum_radius_m < self.width_m + self.clearance_m:
            raise SimulationError(
                "the tightest bend would make the road touch itself",
                found=f"minimum_radius_m {self.minimum_radius_m}",
                expected=f"at least half of width_m + clearance_m, {(self.width_m + self.clearance_m) / 2.0}",
            )
        # 10 % more than the tightest circle: a closed curve that is not a circle needs some.
        shortest = 1.1 * 2.0 * math.pi * self.minimum_radius_m
        if not shortest <= self.shortest_m <= self.longest_m < math.inf:
            raise SimulationError(
                "no track has such a length",
                found=f"shortest_m {self.shortest_m}, longest_m {self.longest_m}",
                expected=f"{shortest:.1f} <= shortest_m <= longest_m",
            )


def ever_calmer_lines(seed: int, config: TrackConfig) -> Iterator[Array]:
    """Closed lines ``(n, 2)`` of one length and direction, each with smaller bends than the one before.

    Half of the seeds run clockwise. The first line that meets ``config`` is the seed's track. The lines tend to a
    circle, which meets every configuration, so a search through them ends.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0x7261636B]))
    length = float(rng.uniform(config.shortest_m, config.longest_m))
    # Falling with the order, so that long bends dominate and short ones vary them.
    amplitudes = config.roughness * rng.uniform(0.3, 1.0, len(_HARMONICS)) / _HARMONICS
    phases = rng.uniform(0.0, 2.0 * math.pi, len(_HARMONICS))
    clockwise = bool(rng.integers(2))
    while True:
        line = _resampled_polar(amplitudes, phases, length, config.spacing_m)
        if line is not None:
            yield line[::-1] if clockwise else line
        amplitudes = amplitudes * _DAMPING


def _resampled_polar(amplitudes: Array, phases: Array, length_m: float, spacing_m: float) -> Array | None:
    """Points of the polar curve about ``spacing_m`` apart on a loop ``length_m`` long; ``None`` where r <= 0."""

    def curve(angles: Array) -> Array:
        waves = np.cos(np.outer(angles, _HARMONICS) + phases)
        radii = 1.0 + waves @ amplitudes
        points: Array = radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return points

    angles = np.linspace(0.0, 2.0 * math.pi, _DENSE_POINTS + 1)
    dense = curve(angles)
    if np.min(np.sum(dense * np.stack([np.cos(angles), np.sin(angles)], axis=1), axis=1)) <= 0.05:
        return None
    arcs = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(dense, axis=0), axis=1))])
    count = max(8, round(length_m / spacing_m))
    wanted = np.linspace(0.0, arcs[-1], count, endpoint=False)
    resampled: Array = curve(np.interp(wanted, arcs, angles)) * (length_m / arcs[-1])
    return resampled
