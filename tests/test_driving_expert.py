"""The expert: what it does wrong, every policy learns."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from models.errors import SimulationError
from sim.driving.expert import Expert, ExpertConfig
from sim.driving.track import Track
from sim.driving.world import DrivingConfig, DrivingWorld

pytestmark = pytest.mark.sim


def drive_lap(world: DrivingWorld, expert: Expert, time_limit_s: float = 45.0) -> float:
    """Drive until a lap is done; the largest lateral acceleration on the way, m/s²."""
    hardest = 0.0
    while world.status.laps < 1 and world.status.elapsed_s < time_limit_s:
        car = world.state.car
        world.step(*expert.command(car.position_m[0], car.position_m[1], car.yaw_rad, car.speed_m_s))
        hardest = max(hardest, abs(world.state.car.speed_m_s * world.state.car.yaw_rate_rad_s))
    return hardest


@pytest.mark.parametrize("seed", [0, 1, 2, 7, 8])
def test_drives_a_lap_close_to_the_centre(seed: int) -> None:
    """Catches an expert that cuts bends, oscillates, crawls, or asks for more grip than it plans with."""
    with DrivingWorld(seed=seed) as world:
        hardest = drive_lap(world, Expert(world.track))
        assert world.status.laps == 1
        assert world.status.max_abs_cross_track_m < 0.2
        assert world.status.interventions == world.status.off_track_events == 0
        assert 14.0 < world.status.elapsed_s < 28.0
        assert hardest < 4.0


@pytest.mark.parametrize("seed", [3, 4])
def test_stays_on_the_road_from_bad_starts_and_under_disturbance(seed: int) -> None:
    """Catches recoveries that overshoot, which is what a disturbed recording is there to show."""
    config = DrivingConfig(disturbance_std_rad=0.1, start_lateral_m=1.0, start_heading_rad=0.4, start_anywhere=True)
    with DrivingWorld(config, seed) as world:
        started = abs(world.status.cross_track_m)
        drive_lap(world, Expert(world.track))
        assert world.status.laps == 1
        assert world.status.off_track_events == 0
        assert world.status.max_abs_cross_track_m < max(1.0, started + 0.3)
        assert world.status.max_abs_cross_track_m > 0.2  # the disturbance does show states beside the line


def test_steers_towards_the_road_from_everywhere() -> None:
    """Catches a wrong sign, and a car that faces backwards and never turns round."""
    angles = np.linspace(0.0, 2.0 * math.pi, 4000, endpoint=False)
    wide = Track(400.0 * np.stack([np.cos(angles), np.sin(angles)], axis=1))
    expert = Expert(wide)
    x, y, heading = wide.pose_at(100.0)

    def yaw_rate(lateral: float, turned: float) -> float:
        at = (x - lateral * math.sin(heading), y + lateral * math.cos(heading))
        return expert.command(*at, heading + turned, 4.0)[1]

    for lateral in (0.3, 1.0, 3.0):
        assert yaw_rate(lateral, 0.0) < 0.0 < yaw_rate(-lateral, 0.0)
    for turned in (0.2, 1.0, 2.0, 3.0):
        assert yaw_rate(0.0, turned) < 0.0 < yaw_rate(0.0, -turned)
    assert abs(yaw_rate(0.0, 0.0)) < 0.05
    # Facing backwards it turns at its tightest, 0.5 per metre: the sine of the error alone would let it drive away.
    speed, fastest = expert.command(x, y, heading + 3.1, 4.0)
    assert fastest / speed == pytest.approx(-0.5)


def test_speed_plan_keeps_its_limits_around_the_whole_lap() -> None:
    """Catches a plan that brakes too late before a bend or jumps at the start line."""
    config = ExpertConfig()
    for seed in range(10):
        track = Track.from_seed(seed)
        speed = Expert(track, config).speed_profile_m_s
        assert np.all(speed**2 * np.abs(track.curvatures_per_m) <= config.lateral_acceleration_m_s2 + 1e-9)
        assert config.slowest_m_s <= speed.min() < speed.max() <= config.top_speed_m_s
        spacing = track.length_m / len(track.points)
        acceleration = (np.roll(speed, -1) ** 2 - speed**2) / (2.0 * spacing)
        assert -config.braking_m_s2 * 1.01 <= acceleration.min()
        assert acceleration.max() <= config.acceleration_m_s2 * 1.01


def test_commands_keep_the_contracts_limits_and_are_repeatable() -> None:
    """Catches labels that the gate would have to cut, and a hidden memory between calls."""
    track = Track.from_seed(11)
    expert, again = Expert(track), Expert(Track(track.points.tolist()))
    rng = np.random.default_rng(0)
    for _ in range(500):
        x, y, heading = track.pose_at(float(rng.uniform(0.0, track.length_m)))
        state = (x + rng.normal(0, 2), y + rng.normal(0, 2), heading + rng.normal(0, 1), float(rng.uniform(0, 8)))
        speed, yaw_rate = expert.command(*state)
        assert 0.0 <= speed <= 8.0
        assert abs(yaw_rate) <= 2.5
        assert speed <= state[3] + 1.5 + 1e-9
        assert again.command(*state) == (speed, yaw_rate)


def test_where_the_yaw_rate_is_limited_speed_yields() -> None:
    """Catches a fast expert whose yaw rate the gate would cut, so that the car would leave the bend."""
    fast = ExpertConfig(slowest_m_s=6.0, lateral_acceleration_m_s2=9.0, launch_margin_m_s=8.0)
    track = Track.from_seed(11)
    x, y, heading = track.pose_at(20.0)
    speed, yaw_rate = Expert(track, fast).command(x, y, heading + 1.2, 6.0)
    assert yaw_rate == pytest.approx(-fast.highest_yaw_rate_rad_s)
    assert yaw_rate / speed == pytest.approx(-fast.highest_curvature_per_m)


def test_a_state_that_is_not_finite_is_refused() -> None:
    """Catches NaN odometry that would become a NaN label."""
    expert = Expert(Track.from_seed(0))
    for position in range(4):
        state = [0.0, 0.0, 0.0, 3.0]
        state[position] = math.nan
        with pytest.raises(SimulationError, match="finite"):
            expert.command(*state)


def test_a_bolder_configuration_is_faster() -> None:
    """Catches settings that change nothing."""
    track = Track.from_seed(2)
    bold = replace(ExpertConfig(), lateral_acceleration_m_s2=5.0, top_speed_m_s=7.5)
    assert Expert(track, bold).speed_profile_m_s.mean() > Expert(track).speed_profile_m_s.mean() + 0.3


def test_the_expert_needs_no_simulator() -> None:
    """Catches an import that would load PyBullet into the expert's ROS 2 node."""
    program = "import sys, sim.driving.expert; sys.exit('pybullet' in sys.modules or 'gymnasium' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
