"""The kart without PyBullet, held against the car and the renderer in PyBullet."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from models.errors import SimulationError
from sim.camera import CameraConfig
from sim.driving.config import DrivingConfig
from sim.driving.expert import Expert
from sim.driving.kart import KartWorld
from sim.driving.world import DrivingWorld

pytestmark = pytest.mark.sim

CAMERAS = (
    CameraConfig("front", (1.4, 0.0, 1.0), width=25, height=19),
    CameraConfig("left", (1.0, 0.6, 1.2), yaw_rad=0.4, width=25, height=19),
)
CONFIG = DrivingConfig(cameras=CAMERAS)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_sees_what_pybullets_renderer_draws(seed: int) -> None:
    """Catches another lens, another sampling of pixels, other colours, dashes that begin elsewhere."""
    with DrivingWorld(CONFIG, seed) as world:
        kart = KartWorld(CONFIG, seed)
        for place_m in np.linspace(0.0, world.track.length_m, 8, endpoint=False).tolist():
            world.place_on_track(place_m)
            kart.place_on_track(place_m)
            for camera in world.camera_names:
                drawn, seen = world.render(camera).astype(int), kart.render(camera).astype(int)
                assert seen.shape == drawn.shape
                alike = (np.abs(drawn - seen).max(axis=2) <= 2).mean()
                # The rest are pixels on a line's border, and far away, where triangles are coarser than the road.
                assert alike > 0.95


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_drives_as_the_car_in_pybullet_does(seed: int) -> None:
    """Catches a kart that turns or accelerates otherwise: the same commands for four seconds, from a standing start."""
    with DrivingWorld(CONFIG, seed) as world:
        kart = KartWorld(CONFIG, seed)
        expert, apart = Expert(world.track), []
        for _ in range(80):
            command = expert.command_at(world.projection, world.state.car.yaw_rad, world.state.car.speed_m_s)
            car, other = world.step(*command).car, kart.step(*command).car
            apart.append(math.dist(car.position_m[:2], other.position_m[:2]))
        assert world.status.distance_m > 8.0
        assert max(apart) < 0.05 * world.status.distance_m
        assert other.speed_m_s == pytest.approx(car.speed_m_s, abs=0.15)


def test_it_is_put_back_and_counts_like_the_other_world() -> None:
    """Catches falls that are not counted, and a kart that keeps its speed when it is put back."""
    kart = KartWorld(CONFIG, 3)
    while not kart.status.off_track:
        kart.step(5.0, 2.0)
    assert kart.status.off_track_events == 1
    before = kart.status.arc_length_m
    kart.recover()
    assert (kart.status.off_track, kart.state.car.speed_m_s) == (False, 0.0)
    assert kart.status.arc_length_m == pytest.approx(before, abs=1e-6)
    assert abs(kart.status.cross_track_m) < 1e-6


def test_it_refuses_what_it_does_not_have() -> None:
    with pytest.raises(SimulationError, match="one look"):
        KartWorld(replace(CONFIG, disturbance_std_rad=0.1), 0)
    with pytest.raises(SimulationError, match="finite"):
        KartWorld(CONFIG, 0).step(math.nan, 0.0)
