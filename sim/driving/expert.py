"""The driver to learn from: it knows the centre line and the car's exact pose. Plain NumPy, no PyBullet, no ROS.

Steering follows a path in the path's own frame (De Luca, Oriolo and Samson 1998, "Feedback Control of a Nonholonomic
Car-Like Robot", section 4, with arc length in place of time). With cross-track error ``e`` (m), heading error ``psi``
(rad) and the path's curvature ``k`` (1/m), it drives the curvature::

    k cos(psi) / (1 - e k) - e / l**2 - 2 sin(psi) / l

for which ``e'' + 2 e'/l + e/l**2 = 0`` to first order: the error dies out without overshoot over the length ``l``.
Speed follows a profile over the whole lap, held down by lateral acceleration in bends and by braking before them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.errors import SimulationError
from sim.driving.track import Projection, Track, wrap_angle
from sim.driving.track_shape import Array

__all__ = ["Expert", "ExpertConfig"]


@dataclass(frozen=True, slots=True)
class ExpertConfig:
    """How the expert drives.

    Attributes:
        top_speed_m_s: on a straight.
        slowest_m_s: in the tightest bend, and when far from the centre.
        lateral_acceleration_m_s2: what bends are driven at; tyres hold about 9.
        acceleration_m_s2: out of bends.
        braking_m_s2: before bends.
        convergence_time_s: the length ``l`` over which errors die out is this long at the current speed.
        shortest_convergence_m: the least ``l``, for low speeds.
        preview_s: curvature and speed are read this far ahead, for the delay of steering and drive.
        launch_margin_m_s: the commanded speed is at most this much above the measured one.
        highest_curvature_per_m: the car's steering stops (it turns on 1.8 m).
        highest_yaw_rate_rad_s: the contract's limit; where it binds, the speed yields, not the curvature.
    """

    top_speed_m_s: float = 6.5
    slowest_m_s: float = 3.0
    lateral_acceleration_m_s2: float = 3.5
    acceleration_m_s2: float = 2.5
    braking_m_s2: float = 2.5
    convergence_time_s: float = 0.35
    shortest_convergence_m: float = 1.2
    preview_s: float = 0.1
    launch_margin_m_s: float = 1.5
    highest_curvature_per_m: float = 0.5
    highest_yaw_rate_rad_s: float = 2.4


class Expert:
    """Commands from exact state. Equal inputs give equal commands: nothing is remembered between calls."""

    def __init__(self, track: Track, config: ExpertConfig | None = None) -> None:
        """Plan the speed over a lap; ``Track(points)`` makes a track from the points of a ``nav_msgs/Path``."""
        self.track = track
        self.config = config or ExpertConfig()
        self.speed_profile_m_s = _speed_profile(track, self.config)
        self._speeds: list[float] = [*self.speed_profile_m_s.tolist(), float(self.speed_profile_m_s[0])]

    def command(self, x_m: float, y_m: float, yaw_rad: float, speed_m_s: float) -> tuple[float, float]:
        """Return the intended speed (m/s) and yaw rate (rad/s).

        Args:
            x_m: of ``base_link`` (the middle of the rear axle) in the track's frame.
            y_m: of ``base_link`` in the track's frame.
            yaw_rad: of the car in the track's frame.
            speed_m_s: forward speed.

        Raises:
            SimulationError: when an argument is not finite.
        """
        return self.command_at(self.track.project(x_m, y_m), yaw_rad, speed_m_s)

    def command_at(self, here: Projection, yaw_rad: float, speed_m_s: float) -> tuple[float, float]:
        """The same, for who knows already where on the track the car is."""
        if not (math.isfinite(yaw_rad) and math.isfinite(speed_m_s)):
            raise SimulationError("the expert needs a finite state", found=f"yaw {yaw_rad}, speed {speed_m_s}")
        config = self.config
        heading_error = wrap_angle(yaw_rad - here.heading_rad)
        ahead_m = here.arc_length_m + max(0.0, speed_m_s) * config.preview_s
        curvature = self._curvature(here.cross_track_m, heading_error, self.track.curvature_at(ahead_m), speed_m_s)
        # A car on its way back to the centre steers more than the road bends: it must not be as fast.
        bend = max(abs(curvature), 0.01)
        speed = min(self._planned_speed(ahead_m), math.sqrt(config.lateral_acceleration_m_s2 / bend))
        speed = min(max(config.slowest_m_s, speed), max(0.0, speed_m_s) + config.launch_margin_m_s)
        speed = min(speed, config.highest_yaw_rate_rad_s / bend)
        return speed, speed * curvature

    def _curvature(self, cross_track_m: float, heading_error_rad: float, road_per_m: float, speed_m_s: float) -> float:
        length = max(self.config.shortest_convergence_m, self.config.convergence_time_s * speed_m_s)
        # Beyond the bend's centre the formula has no meaning: 0.5 keeps it on this side of it.
        stretch = max(0.5, 1.0 - cross_track_m * road_per_m)
        # More than one length away, head for the road at one radian instead of turning in circles.
        error = max(-length, min(length, cross_track_m))
        curvature = road_per_m * math.cos(heading_error_rad) / stretch
        curvature -= error / length**2 + 2.0 * math.sin(heading_error_rad) / length
        if abs(heading_error_rad) > math.pi / 2.0:  # facing backwards the sine falls again: turn as hard as it goes
            curvature = -math.copysign(self.config.highest_curvature_per_m, heading_error_rad)
        return max(-self.config.highest_curvature_per_m, min(self.config.highest_curvature_per_m, curvature))

    def _planned_speed(self, arc_length_m: float) -> float:
        index, fraction = self.track.locate(arc_length_m)
        return self._speeds[index] + fraction * (self._speeds[index + 1] - self._speeds[index])


def _speed_profile(track: Track, config: ExpertConfig) -> Array:
    """``(n,)`` m/s at every centre line point: as fast as bends, acceleration and braking allow."""
    bend = np.sqrt(config.lateral_acceleration_m_s2 / np.maximum(np.abs(track.curvatures_per_m), 1e-6))
    squared = np.clip(bend, config.slowest_m_s, config.top_speed_m_s) ** 2
    gaps = np.diff(np.append(track.arc_lengths_m, track.length_m))
    count = len(squared)
    # v1**2 = v0**2 + 2 a s, forwards for acceleration and backwards for braking; twice around closes the lap.
    for index in range(2 * count):
        here, after = index % count, (index + 1) % count
        squared[after] = min(squared[after], squared[here] + 2.0 * config.acceleration_m_s2 * gaps[here])
    for index in range(2 * count, 0, -1):
        here, before = index % count, (index - 1) % count
        squared[before] = min(squared[before], squared[here] + 2.0 * config.braking_m_s2 * gaps[before])
    profile: Array = np.sqrt(squared)
    return profile
