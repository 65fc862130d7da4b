"""What a driving world is like: track, car, cameras, and what is left to chance."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from models.errors import SimulationError
from sim.driving.cameras import CAMERAS, CHASE_CAMERA, CameraConfig
from sim.driving.car import CarConfig
from sim.driving.look import LookConfig
from sim.driving.track_shape import TrackConfig

__all__ = ["DrivingConfig"]


@dataclass(frozen=True, slots=True)
class DrivingConfig:
    """What a world is like.

    Attributes:
        track: what drawn tracks are like.
        track_seed: draws the track; ``None`` draws another one for every reset's seed.
        car: actuators and tyres.
        cameras: on the car.
        start_anywhere: start at a seeded place of the track instead of its first point.
        start_lateral_m: a seeded start is up to this far to either side of the centre line.
        start_heading_rad: a seeded start is turned by up to this much to either side.
        disturbance_std_rad: standard deviation of an Ornstein-Uhlenbeck noise on the executed steering, 0 for none. It
            shows the states beside the perfect line (as in DART, Laskey et al. 2017): commands stay what they were.
        disturbance_time_s: time over which that noise forgets.
        color_strength: how far every reset's seed moves the colours, 0 for not at all.
        look: what else of the look every reset's seed draws; ``None`` for nothing.
    """

    track: TrackConfig = field(default_factory=TrackConfig)
    track_seed: int | None = None
    car: CarConfig = field(default_factory=CarConfig)
    cameras: tuple[CameraConfig, ...] = (*CAMERAS, CHASE_CAMERA)
    start_anywhere: bool = False
    start_lateral_m: float = 0.0
    start_heading_rad: float = 0.0
    disturbance_std_rad: float = 0.0
    disturbance_time_s: float = 0.5
    color_strength: float = 0.0
    look: LookConfig | None = None

    def __post_init__(self) -> None:
        """Reject contradictions.

        Raises:
            SimulationError: when a value is out of range or two cameras share a name.
        """
        for name in ("start_lateral_m", "start_heading_rad", "disturbance_std_rad", "color_strength"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise SimulationError(f"DrivingConfig.{name} must not be negative", found=value)
        if self.look is not None and self.color_strength > 0.0:
            raise SimulationError("colours are drawn twice", found="color_strength and look", fix="use look.colors")
        if not self.disturbance_time_s > 0.0:
            raise SimulationError("DrivingConfig.disturbance_time_s must be positive", found=self.disturbance_time_s)
        names = [camera.name for camera in self.cameras]
        if len(set(names)) != len(names):
            raise SimulationError("two cameras share a name", found=names)
