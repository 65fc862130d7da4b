"""A kart on the same tracks without PyBullet: ten times as fast, for experiments of many thousand frames.

It has the interface of ``DrivingWorld`` as far as ``InProcessDriving`` needs it: the same tracks, metrics, cameras and
colours. The car is a kinematic bicycle whose steering and drive are as slow as those of the car in PyBullet
(``sim.driving.car``) and whose tyres hold what those hold; it neither slides nor rolls. A picture is drawn pixel by
pixel: where its ray meets the ground, and what lies there. Tests hold both against PyBullet's car and renderer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from models.errors import SimulationError
from sim.camera import CameraConfig, Image
from sim.driving.car import STEERING_GAIN, WHEELBASE_M, CarConfig, CarState, steering_of
from sim.driving.config import DrivingConfig
from sim.driving.metrics import DrivingMetrics, DrivingStatus
from sim.driving.road_map import RoadMap
from sim.driving.track import Projection, Track, wrap_angle
from sim.driving.world import PERIOD_S, PHYSICS_STEPS, DrivingState
from sim.simulated_world import PERIOD_NS

__all__ = ["GRIP_M_S2", "KartWorld"]

_STEP_S = PERIOD_S / PHYSICS_STEPS
#: What the tyres of friction 1 hold sideways, m/s²; beyond it the kart turns less than it steers.
GRIP_M_S2 = 9.0


class KartWorld:
    """A kart on a track.

    Args:
        config: its track, car and cameras; looks, disturbances and starts beside the first point are not for karts.
        seed: of the first track.

    Raises:
        SimulationError: a configuration that wants what a kart does not have.
    """

    def __init__(self, config: DrivingConfig | None = None, seed: int = 0) -> None:
        self.config = config or DrivingConfig()
        plain = DrivingConfig(self.config.track, self.config.track_seed, self.config.car, self.config.cameras)
        if self.config != plain:
            raise SimulationError("a kart has one look, no disturbance and one start", found=self.config)
        self._rays = {camera.name: _ground_rays(camera) for camera in self.config.cameras}
        self._maps: dict[int, RoadMap] = {}
        self.reset(seed)

    def close(self) -> None:
        """Nothing to close."""

    @property
    def camera_names(self) -> Sequence[str]:
        """What ``render`` accepts."""
        return tuple(self._rays)

    def reset(self, seed: int, *, track: Track | None = None) -> DrivingState:
        """Stand at the start of a track, that of the seed if none is given."""
        track_seed = seed if self.config.track_seed is None else self.config.track_seed
        self.track = track or Track.from_seed(track_seed, self.config.track)
        if id(self.track) not in self._maps:
            self._maps[id(self.track)] = RoadMap(self.track)
        self._map = self._maps[id(self.track)]
        self._tick = 0
        self.metrics = DrivingMetrics(self.track.length_m, self.track.width_m, PERIOD_S)
        return self._stand(0.0, self.metrics.reset)

    def place_on_track(self, arc_length_m: float) -> DrivingState:
        """Put the kart on the centre line, standing still; takes no time and makes no progress."""
        return self._stand(arc_length_m, self.metrics.moved)

    def recover(self) -> DrivingState:
        """Put it back on the centre line where it is along the track."""
        return self.place_on_track(self.status.arc_length_m)

    def _stand(self, arc_length_m: float, count: object) -> DrivingState:
        self._x, self._y, self._yaw = self.track.pose_at(arc_length_m)
        self._speed = self._steering = self._yaw_rate = 0.0
        assert callable(count)
        count(*self._locate(arc_length_m))
        return self.state

    def step(self, speed_m_s: float, yaw_rate_rad_s: float) -> DrivingState:
        """Drive for one control step (50 ms).

        Raises:
            SimulationError: a command that is not finite; the step was not taken.
        """
        if not (math.isfinite(speed_m_s) and math.isfinite(yaw_rate_rad_s)):
            raise SimulationError("a command must be finite", found=f"{speed_m_s} m/s, {yaw_rate_rad_s} rad/s")
        car: CarConfig = self.config.car
        wanted_speed, wanted_steering = steering_of(car, speed_m_s, yaw_rate_rad_s)
        turn, gain = car.steering_rate_rad_s * _STEP_S, car.acceleration_m_s2 * _STEP_S
        for _ in range(PHYSICS_STEPS):
            self._steering += min(turn, max(-turn, STEERING_GAIN * (wanted_steering - self._steering)))
            self._speed += min(gain, max(-gain, wanted_speed - self._speed))
            sharpest = car.friction * GRIP_M_S2 / max(self._speed, 0.1) ** 2
            curvature = min(sharpest, max(-sharpest, math.tan(self._steering) / WHEELBASE_M))
            self._yaw_rate, way = self._speed * curvature, self._speed * _STEP_S
            middle = self._yaw + 0.5 * way * curvature
            self._x, self._y = self._x + way * math.cos(middle), self._y + way * math.sin(middle)
            self._yaw += way * curvature
        self._yaw = wrap_angle(self._yaw)
        self._tick += 1
        self.metrics.update(*self._locate(self.status.arc_length_m), self._speed)
        return self.state

    def render(self, camera: str) -> Image:
        """``(height, width, 3)`` uint8 RGB of what a camera sees now."""
        shape, sees_ground, points = self._rays[camera]
        cos, sin = math.cos(self._yaw), math.sin(self._yaw)
        east = self._x + cos * points[0] - sin * points[1]
        north = self._y + sin * points[0] + cos * points[1]
        return self._map.picture(shape, sees_ground, east, north)

    @property
    def state(self) -> DrivingState:
        """The kart after the last step."""
        cos, sin = math.cos(self._yaw), math.sin(self._yaw)
        car = CarState(
            position_m=(self._x, self._y, 0.0),
            quaternion=(0.0, 0.0, math.sin(self._yaw / 2.0), math.cos(self._yaw / 2.0)),
            yaw_rad=self._yaw,
            rotation=(cos, -sin, 0.0, sin, cos, 0.0, 0.0, 0.0, 1.0),
            velocity_m_s=(self._speed, 0.0, 0.0),
            angular_velocity_rad_s=(0.0, 0.0, self._yaw_rate),
        )
        return DrivingState(self._tick, self._tick * PERIOD_NS, car, 0.0)

    @property
    def status(self) -> DrivingStatus:
        """The metrics after the last step."""
        return self.metrics.status

    @property
    def projection(self) -> Projection:
        """The centre line's nearest point to the kart."""
        return self._projection

    def _locate(self, hint_m: float) -> tuple[float, float, float]:
        self._projection = found = self.track.project(self._x, self._y, hint_m)
        return found.arc_length_m, found.cross_track_m, wrap_angle(self._yaw - found.heading_rad)


def _ground_rays(
    camera: CameraConfig,
) -> tuple[
    tuple[int, int], np.ndarray[tuple[int, int], np.dtype[np.bool_]], np.ndarray[tuple[int, int], np.dtype[np.float64]]
]:
    """Size of the picture, which pixels look at the ground, and where in the kart's frame: ``(2, n)`` ahead and left.

    A pixel is sampled at its corner, as TinyRenderer does (see ``CameraConfig.ground_camera``).
    """
    focal = camera.height / 2.0 / math.tan(camera.vertical_field_of_view_rad / 2.0)
    right = (np.arange(camera.width) - camera.width / 2.0) / focal
    up = (camera.height / 2.0 - 1.0 - np.arange(camera.height)) / focal
    right, up = np.meshgrid(right, up)
    cos_yaw, sin_yaw = math.cos(camera.yaw_rad), math.sin(camera.yaw_rad)
    cos_pitch, sin_pitch = math.cos(camera.pitch_rad), math.sin(camera.pitch_rad)
    level = cos_pitch + up * sin_pitch  # along the ground, straight ahead of the camera
    rays = np.stack([cos_yaw * level + sin_yaw * right, sin_yaw * level - cos_yaw * right, up * cos_pitch - sin_pitch])
    sees_ground = rays[2] < 0.0
    down = rays[:, sees_ground]
    reach = camera.position_m[2] / -down[2]
    seen = np.linalg.norm(down * reach, axis=0) <= camera.far_m
    sees_ground[sees_ground] = seen
    points = (np.array(camera.position_m[:2])[:, None] + down[:2] * reach)[:, seen]
    return (camera.height, camera.width), sees_ground, points
