"""The car by its state: many at once, held against the kart, the car in PyBullet, and what the simulator publishes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from models.errors import SimulationError
from sim.control import ControlBatch, returns
from sim.control.driving import CROSS, DRIVING, HEADING, SPEED, Driving, demonstrate
from sim.control.task import Floats
from sim.driving.config import DrivingConfig
from sim.driving.expert import Expert
from sim.driving.kart import KartWorld
from sim.driving.lane import OBSERVED, lane_numbers
from sim.driving.roads import Roads
from sim.driving.track import Track
from sim.driving.world import DrivingWorld

pytestmark = pytest.mark.sim

SEEDS = (3, 4)
TASK = replace(DRIVING, tracks=SEEDS)
BLIND = DrivingConfig(cameras=())


def states_of(world: KartWorld | DrivingWorld, road: int) -> Floats:
    """The world's car as one state of the task, its steering straight."""
    car, here = world.state.car, world.projection
    motion = (car.speed_m_s, 0.0, car.yaw_rate_rad_s)
    place = (here.arc_length_m, here.cross_track_m, world.status.heading_error_rad)
    return np.array([[*car.position_m[:2], car.yaw_rad, *motion, float(road), *place]])


def test_many_places_are_those_of_one_track_each() -> None:
    """Catches another neighbour at the seam of a track, points of the wrong track, and another side of the line."""
    tracks, random = [Track.from_seed(seed) for seed in SEEDS], np.random.default_rng(0)
    roads, numbers = Roads(tracks), random.integers(2, size=400)
    arcs = random.uniform(0.0, 90.0, 400)
    # Around the seam, where the last point's successor is the first.
    arcs[:20] = np.linspace(-0.5, 0.5, 20)
    x, y, heading = roads.poses(numbers, arcs)
    bends = roads.curvatures(numbers, arcs)
    x, y = x + random.uniform(-2.5, 2.5, 400), y + random.uniform(-2.5, 2.5, 400)
    hints = arcs + random.uniform(-0.4, 0.4, 400)
    found = np.stack(roads.project(numbers, x, y, hints), axis=1)
    near = 0
    for index, (number, arc) in enumerate(zip(numbers, arcs, strict=True)):
        track = tracks[number]
        assert bends[index] == pytest.approx(track.curvature_at(arc), abs=1e-12)
        assert heading[index] == pytest.approx(track.pose_at(arc)[2], abs=1e-12)
        one = track.project(x[index], y[index], hints[index])
        if abs((one.arc_length_m - hints[index] + 40.0) % track.length_m - 40.0) < 1.5:
            near += 1
            assert found[index] == pytest.approx((one.arc_length_m, one.cross_track_m, one.heading_rad), abs=1e-9)
    assert near > 200


def test_it_drives_as_the_kart_does() -> None:
    """Catches another order of steering and moving, another grip, and a place on the road that is not followed."""
    random = np.random.default_rng(0)
    karts = [KartWorld(BLIND, seed) for seed in SEEDS]
    states = np.concatenate([states_of(kart, road) for road, kart in enumerate(karts)])
    for tick in range(100):
        if tick % 5 == 0:
            # Beyond what the contract allows, too.
            commands = random.uniform((-1.0, -3.0), (9.0, 3.0), size=(2, 2))
        before = [kart.status.progress_m for kart in karts]
        states, progress, off = TASK.step(states, commands)
        for road, kart in enumerate(karts):
            low, high = TASK.action_low, TASK.action_high
            car = kart.step(*np.clip(commands[road], low, high).tolist()).car
            wanted = (*car.position_m[:2], car.yaw_rad, car.speed_m_s)
            assert states[road, :4] == pytest.approx(wanted, abs=1e-9)
            assert states[road, 5] == pytest.approx(car.yaw_rate_rad_s, abs=1e-9)
            assert states[road, CROSS] == pytest.approx(kart.status.cross_track_m, abs=1e-9)
            assert states[road, HEADING] == pytest.approx(kart.status.heading_error_rad, abs=1e-9)
            assert progress[road] == pytest.approx(kart.status.progress_m - before[road], abs=1e-9)
            assert off[road] == kart.status.off_track


@pytest.mark.parametrize("seed", [0, 1])
def test_it_drives_as_the_car_in_pybullet_does(seed: int) -> None:
    """Catches a car that turns or accelerates otherwise: the expert's commands for four seconds, from a standing start.

    Nobody corrects the second car; it comes as near as the kart's test asks, within a twentieth of the way.
    """
    task = replace(DRIVING, tracks=(seed,))
    with DrivingWorld(BLIND, seed) as world:
        states, expert = states_of(world, 0), Expert(world.track)
        for _ in range(80):
            command = expert.command_at(world.projection, world.state.car.yaw_rad, world.state.car.speed_m_s)
            world.step(*command)
            states, _, _ = task.step(states, np.array([command]))
        apart_m = math.dist(world.state.car.position_m[:2], states[0, :2].tolist())
        assert apart_m < 0.05 * world.status.distance_m
        assert states[0, SPEED] == pytest.approx(world.state.car.speed_m_s, abs=0.15)


def test_what_is_seen_is_what_the_simulator_publishes() -> None:
    """Catches another order or unit of the nine numbers than the topic's; every place, exactly."""
    with DrivingWorld(BLIND, SEEDS[1]) as world:
        for place_m, lateral_m, heading_rad in ((0.0, 0.5, 0.2), (31.0, -1.2, -0.3), (77.7, 0.0, 0.0)):
            world.place_on_track(place_m, lateral_m, heading_rad)
            numbers = lane_numbers(world)
            published = [getattr(numbers[name], kind) for kind, name in (one.split(".") for one in OBSERVED)]
            seen = TASK.observe(states_of(world, 1))[0]
            assert seen == pytest.approx(published, abs=1e-5)
            assert seen[:2] == pytest.approx((lateral_m, heading_rad), abs=0.02)


def test_the_expert_stays_on_the_road_and_who_does_not_look_leaves_it() -> None:
    shown = demonstrate(TASK, 20, seed=0)
    assert not shown.terminated.any()
    assert shown.returns.min() > 30.0
    assert shown.actions is not None
    assert shown.actions.shape == (int(shown.lengths.sum()), 2)
    again = demonstrate(TASK, 20, seed=0)
    np.testing.assert_array_equal(shown.observations, again.observations)
    blind = returns(TASK, lambda rows: np.tile(np.array([4.0, 0.0], np.float32), (len(rows), 1)), 20, seed=0)
    assert blind.mean() < 0.5 * shown.returns.mean()


def test_a_batch_begins_anew_where_a_car_left_the_road() -> None:
    """Catches a car that goes on beside the road, or begins off it."""
    batch = ControlBatch(TASK, 8, 0)
    ended = 0
    for _ in range(120):
        observations, rewards, terminated, truncated = batch.step(np.tile(np.array([5.0, 2.0], np.float32), (8, 1)))
        assert (np.abs(batch.final_observations[terminated][:, 0]) > 2.0).all()
        assert (np.abs(observations[terminated][:, 0]) <= 1.0).all()
        assert (np.abs(rewards) < 0.45).all()
        ended += int(terminated.sum())
        assert not truncated.any() or ended
    assert ended > 8


def test_where_a_car_is_cannot_be_told_from_what_it_sees() -> None:
    with pytest.raises(SimulationError, match="does not say where"):
        Driving().states_of(np.zeros((1, len(OBSERVED)), np.float32))
