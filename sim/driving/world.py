"""A car on a track: the one simulated world behind the Gymnasium environment and the ROS 2 node.

Physics runs at 240 Hz, control at 20 Hz. Everything follows from the configuration and the seed: worlds that got the
same ones and the same commands have identical states and frames, bit for bit. Every world owns a PyBullet client of
its own (``DIRECT``, no window), so several can live at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from models.errors import SimulationError
from sim.camera import Camera, Color
from sim.driving.car import Car, CarState
from sim.driving.config import DrivingConfig
from sim.driving.look import Look
from sim.driving.metrics import DrivingMetrics, DrivingStatus
from sim.driving.road_mesh import road_meshes
from sim.driving.scenery import build_scenery
from sim.driving.track import Projection, Track, wrap_angle
from sim.simulated_world import CONTROL_HZ, PERIOD_NS, PERIOD_S, PHYSICS_STEPS, SimulatedWorld

__all__ = ["CONTROL_HZ", "PERIOD_S", "PHYSICS_STEPS", "DrivingConfig", "DrivingState", "DrivingWorld"]


@dataclass(frozen=True, slots=True)
class DrivingState:
    """The car at the end of a control step.

    Attributes:
        tick: control steps since the reset.
        stamp_ns: simulated time since the reset.
        car: exact pose and motion.
        disturbance_rad: what was added to the steering in this step.
    """

    tick: int
    stamp_ns: int
    car: CarState
    disturbance_rad: float


class DrivingWorld(SimulatedWorld):
    """A car on a track."""

    def __init__(self, config: DrivingConfig | None = None, seed: int = 0) -> None:
        """Open a world and reset it with ``seed``.

        Raises:
            SimulationError: when PyBullet gives no client.
        """
        super().__init__()
        self.config = config or DrivingConfig()
        try:
            self.reset(seed)
        except BaseException:
            self.close()
            raise

    def reset(self, seed: int, *, track: Track | None = None, start_m: float | None = None) -> DrivingState:
        """Build the world anew, with the car standing at the start.

        Args:
            seed: draws whatever the configuration leaves to chance.
            track: this one instead of a drawn one.
            start_m: arc length to start at, instead of the configured start.

        Raises:
            SimulationError: when the world is closed or the seed is negative.
        """
        self._check_reset(seed)
        track_seed = seed if self.config.track_seed is None else self.config.track_seed
        self.track = track or Track.from_seed(track_seed, self.config.track)
        start, noise = (np.random.default_rng(s) for s in np.random.SeedSequence([seed, 0x64726976]).spawn(2))
        client = self._empty()
        self.look = Look.from_seed(seed, self.config.cameras, self.config.look, self.config.color_strength)
        self._cameras = {camera.name: Camera(camera, client, self.look.light) for camera in self.look.cameras}
        build_scenery(client, road_meshes(self.track, self.look.appearance))
        self.car = Car(client, self.config.car)
        self._noise, self._tick = noise, 0
        self.metrics = DrivingMetrics(self.track.length_m, self.track.width_m, PERIOD_S)
        lateral, heading, place = start.uniform(-1.0, 1.0, 3).tolist()
        if start_m is None:
            start_m = (place + 1.0) / 2.0 * self.track.length_m if self.config.start_anywhere else 0.0
        offset = lateral * self.config.start_lateral_m, heading * self.config.start_heading_rad
        self._put(self.car.place, start_m, *offset, 0.0)
        self.metrics.reset(*self._locate(start_m))
        return self.state

    def step(self, speed_m_s: float, yaw_rate_rad_s: float) -> DrivingState:
        """Drive for one control step (50 ms) and return where that led.

        Args:
            speed_m_s: wanted forward speed; what the car cannot do is cut.
            yaw_rate_rad_s: wanted turning speed, positive to the left.

        Raises:
            SimulationError: when the world is closed, or the command is not finite (the car keeps its last one).
        """
        self._open_client()
        if not (math.isfinite(speed_m_s) and math.isfinite(yaw_rate_rad_s)):
            raise SimulationError(
                "a command must be finite",
                found=f"speed {speed_m_s} m/s, yaw rate {yaw_rate_rad_s} rad/s",
                fix="reject NaN and Inf before they reach the car; this step was not taken",
            )
        self._disturbance_rad = self._next_disturbance()
        self.car.drive(speed_m_s, yaw_rate_rad_s, self._disturbance_rad)
        self._advance()
        self._tick += 1
        self._read()
        self.metrics.update(*self._locate(self.status.arc_length_m), self.state.car.speed_m_s)
        return self.state

    def mount(self, camera: str) -> tuple[Sequence[float], Sequence[float]]:
        """All cameras are fixed to ``base_link``."""
        car = self.state.car
        return car.position_m, car.rotation

    @property
    def background(self) -> Color:
        """The sky."""
        return self.look.appearance.sky

    def place_on_track(
        self, arc_length_m: float, lateral_m: float = 0.0, heading_error_rad: float = 0.0
    ) -> DrivingState:
        """Put the car there, standing still. Takes no time, makes no progress, and ends an excursion.

        Args:
            arc_length_m: along the centre line, taken modulo its length.
            lateral_m: to the left of it.
            heading_error_rad: turned to the left of its direction.

        Raises:
            SimulationError: when the world is closed or an argument is not finite.
        """
        return self._put(self.car.place, arc_length_m, lateral_m, heading_error_rad, 0.0)

    def push(self, lateral_m: float, heading_error_rad: float = 0.0) -> DrivingState:
        """Put the moving car beside the centre line where it is along the track; it keeps its speed.

        Args:
            lateral_m: to the left of the centre line.
            heading_error_rad: turned to the left of its direction.

        Raises:
            SimulationError: when the world is closed or an argument is not finite.
        """
        here_m = self.status.arc_length_m
        return self._put(self.car.displace, here_m, lateral_m, heading_error_rad, self._disturbance_rad)

    def recover(self) -> DrivingState:
        """Put the car back on the centre line where it is along the track, standing still."""
        return self.place_on_track(self.status.arc_length_m)

    @property
    def state(self) -> DrivingState:
        """The car after the last step."""
        return self._state

    @property
    def status(self) -> DrivingStatus:
        """The metrics after the last step."""
        return self.metrics.status

    @property
    def projection(self) -> Projection:
        """The centre line's nearest point to the car after the last step."""
        return self._projection

    def _put(
        self,
        put: Callable[[float, float, float], None],
        arc_length_m: float,
        lateral_m: float,
        heading_error_rad: float,
        disturbance_rad: float,
    ) -> DrivingState:
        self._open_client()
        if not all(map(math.isfinite, (arc_length_m, lateral_m, heading_error_rad))):
            raise SimulationError("a place must be finite", found=(arc_length_m, lateral_m, heading_error_rad))
        self._disturbance_rad = disturbance_rad
        x, y, heading = self.track.pose_at(arc_length_m)
        put(x - lateral_m * math.sin(heading), y + lateral_m * math.cos(heading), heading + heading_error_rad)
        self._read()
        self.metrics.moved(*self._locate(arc_length_m))
        return self.state

    def _read(self) -> None:
        self._state = DrivingState(
            tick=self._tick,
            stamp_ns=self._tick * PERIOD_NS,
            car=self.car.state(),
            disturbance_rad=self._disturbance_rad,
        )

    def _locate(self, hint_m: float) -> tuple[float, float, float]:
        """Arc length, cross-track error and heading error of the car now."""
        car = self.state.car
        self._projection = found = self.track.project(car.position_m[0], car.position_m[1], hint_m)
        return found.arc_length_m, found.cross_track_m, wrap_angle(car.yaw_rad - found.heading_rad)

    def _next_disturbance(self) -> float:
        """One step of the Ornstein-Uhlenbeck noise, exactly discretised, so that its spread is the configured one."""
        if self.config.disturbance_std_rad == 0.0:
            return 0.0
        kept = math.exp(-PERIOD_S / self.config.disturbance_time_s)
        fresh = self.config.disturbance_std_rad * math.sqrt(1.0 - kept * kept)
        return kept * self._disturbance_rad + fresh * float(self._noise.standard_normal())
