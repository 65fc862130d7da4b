"""The world: physics that is plausible, the same every time, and refuses what it cannot do."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pybullet
import pytest

from models.errors import SimulationError
from sim.driving.cameras import CameraConfig
from sim.driving.car import MASS_KG, TRACK_WIDTH_M, WHEEL_RADIUS_M, WHEELBASE_M, CarConfig
from sim.driving.track import Track
from sim.driving.world import PERIOD_S, DrivingConfig, DrivingState, DrivingWorld

pytestmark = pytest.mark.sim


def drive(world: DrivingWorld, speed: float, yaw_rate: float, seconds: float) -> DrivingState:
    """Hold a command; the state after it."""
    for _ in range(round(seconds / PERIOD_S)):
        world.step(speed, yaw_rate)
    return world.state


def scripted(world: DrivingWorld, ticks: int = 60) -> list[bytes]:
    """Drive a fixed pattern; every state and some frames as bytes."""
    seen = []
    for tick in range(ticks):
        state = world.step(3.0 + math.sin(tick / 7.0), 0.8 * math.sin(tick / 5.0))
        car = state.car
        seen.append(
            np.array([*car.position_m, *car.quaternion, *car.velocity_m_s, *car.angular_velocity_rad_s]).tobytes()
        )
        if tick % 15 == 0:
            seen += [world.render(camera).tobytes() for camera in ("front", "left")]
    return seen


@pytest.mark.parametrize("speed", [1.0, 4.0, 7.5])
def test_drives_straight_and_reaches_its_speed(speed: float) -> None:
    """Catches a pull to one side, a drive that stays short of its command, and a car that sinks or hops."""
    with DrivingWorld(seed=4) as world:
        start = world.state.car
        car = drive(world, speed, 0.0, 4.0).car
        assert car.speed_m_s == pytest.approx(speed, rel=0.01)
        dx, dy = car.position_m[0] - start.position_m[0], car.position_m[1] - start.position_m[1]
        assert abs(-math.sin(start.yaw_rad) * dx + math.cos(start.yaw_rad) * dy) < 0.02
        assert abs(car.position_m[2]) < 0.005
        assert abs(car.velocity_m_s[1]) < 0.01


def test_acceleration_and_braking_are_limited() -> None:
    """Catches a car that jumps to its speed: 3.5 m/s² up and down is what the drive's torque allows."""
    with DrivingWorld(seed=4) as world:
        assert drive(world, 7.0, 0.0, 1.0).car.speed_m_s == pytest.approx(3.5, abs=0.35)
        drive(world, 7.0, 0.0, 2.0)
        assert drive(world, 0.0, 0.0, 1.0).car.speed_m_s == pytest.approx(3.5, abs=0.5)
        stopped = drive(world, 0.0, 0.0, 2.0).car
        assert abs(stopped.speed_m_s) < 0.01
        assert drive(world, -3.0, 0.0, 1.0).car.speed_m_s == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize(("speed", "yaw_rate"), [(1.0, 0.4), (3.0, 0.9), (5.0, -0.8), (7.0, 0.5), (4.0, -1.0)])
def test_turns_with_the_commanded_yaw_rate(speed: float, yaw_rate: float) -> None:
    """Catches a wrong wheelbase, a mirrored Ackermann geometry and tyres that slide in a normal bend."""
    with DrivingWorld(seed=4) as world:
        car = drive(world, speed, yaw_rate, 3.0).car
        assert car.speed_m_s == pytest.approx(speed, rel=0.02)
        assert car.yaw_rate_rad_s == pytest.approx(yaw_rate, rel=0.03)
        assert world.car.steering_rad() == pytest.approx(math.atan(WHEELBASE_M * yaw_rate / speed), abs=0.01)
        assert abs(car.velocity_m_s[1]) < 0.05  # the rear axle does not slide sideways


def test_tyres_hold_no_more_than_friction_allows() -> None:
    """Catches a car on rails: at 8 m/s and full lock it must slide, within about 1 g, and stay on its wheels."""
    with DrivingWorld(seed=4) as world:
        drive(world, 8.0, 0.0, 3.0)
        hardest = 0.0
        for _ in range(40):
            car = world.step(8.0, 5.0).car
            hardest = max(hardest, abs(car.speed_m_s * car.yaw_rate_rad_s))
        assert 5.0 < hardest < 14.0
        assert world.state.car.rotation[8] > 0.9  # its up axis still points up


def test_steering_moves_at_a_limited_speed() -> None:
    """Catches steering that jumps, which no servo does: 3.5 rad/s is 0.175 rad a step."""
    with DrivingWorld(seed=4) as world:
        drive(world, 3.0, 0.0, 1.5)
        angles = []
        for _ in range(12):
            world.step(3.0, 1.4)
            angles.append(world.car.steering_rad())
        assert max(np.diff([0.0, *angles])) < 0.2
        assert angles[0] < 0.2
        assert angles[-1] == pytest.approx(math.atan(WHEELBASE_M * 1.4 / 3.0), abs=0.01)


def test_a_standing_car_takes_a_turn_command_calmly() -> None:
    """Catches a division by a speed of zero, and a standing car that creeps."""
    with DrivingWorld(seed=4) as world:
        before = world.state.car.position_m
        car = drive(world, 0.0, 1.0, 1.0).car
        assert math.dist(before, car.position_m) < 0.05
        assert abs(world.car.steering_rad()) <= CarConfig().largest_steering_rad + 0.01


def test_the_description_and_the_constants_agree() -> None:
    """Catches a car.urdf that was changed without car.py: commands would turn on another radius."""
    with DrivingWorld() as world:
        client, body = world.client, world.car.body
        links = {}
        total = pybullet.getDynamicsInfo(body, -1, physicsClientId=client)[0]
        for index in range(pybullet.getNumJoints(body, physicsClientId=client)):
            total += pybullet.getDynamicsInfo(body, index, physicsClientId=client)[0]
            name = pybullet.getJointInfo(body, index, physicsClientId=client)[12].decode()
            links[name] = np.array(pybullet.getLinkState(body, index, physicsClientId=client)[0])
        assert total == pytest.approx(MASS_KG)
        front, rear = links["front_left_wheel"], links["rear_left_wheel"]
        assert math.dist(front, rear) == pytest.approx(WHEELBASE_M)
        assert math.dist(rear, links["rear_right_wheel"]) == pytest.approx(TRACK_WIDTH_M)
        assert rear[2] == pytest.approx(WHEEL_RADIUS_M)
        middle = (rear + links["rear_right_wheel"]) / 2.0
        assert middle[:2] == pytest.approx(world.state.car.position_m[:2], abs=1e-9)


def test_velocity_is_that_of_the_rear_axle() -> None:
    """Catches a twist of the centre of mass sent as base_link's: it must equal the pose's own change."""
    with DrivingWorld(seed=4) as world:
        drive(world, 4.0, 1.0, 2.0)
        before = world.state.car
        after = world.step(4.0, 1.0).car
        moved = np.subtract(after.position_m, before.position_m) / PERIOD_S
        middle = (before.yaw_rad + after.yaw_rad) / 2.0
        assert moved[:2] @ [math.cos(middle), math.sin(middle)] == pytest.approx(after.speed_m_s, abs=0.01)
        assert moved[:2] @ [-math.sin(middle), math.cos(middle)] == pytest.approx(after.velocity_m_s[1], abs=0.03)
        assert (after.yaw_rad - before.yaw_rad) / PERIOD_S == pytest.approx(after.yaw_rate_rad_s, abs=0.01)


def test_equal_worlds_are_equal_bit_for_bit() -> None:
    """Catches shared state between worlds, an episode that depends on the one before, and an unseeded draw."""
    config = DrivingConfig(
        disturbance_std_rad=0.1, start_lateral_m=0.5, start_heading_rad=0.2, start_anywhere=True, color_strength=0.2
    )
    with DrivingWorld(config, 3) as one, DrivingWorld(config, 9) as other:
        first = scripted(one)
        scripted(other)
        other.reset(3)
        mixed = scripted(other)
        assert first == mixed
        one.reset(3)
        assert scripted(one) == first
        one.reset(4)
        assert scripted(one) != first


def test_resets_give_their_memory_back() -> None:
    """Catches a world that grows with every episode, as with meshes that PyBullet never lets go of."""

    def own_kib() -> int:
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(status["RssAnon"].split()[0])

    with DrivingWorld(seed=0) as world:
        for seed in range(20):
            world.reset(seed % 5)
        before = own_kib()
        for seed in range(40):
            world.reset(seed % 5)
        assert own_kib() - before < 40 * 30


def test_the_road_is_shown_after_the_last_reset_not_the_first() -> None:
    """Catches files of the scenery that are kept by their names."""
    with DrivingWorld(seed=0) as used, DrivingWorld(seed=1) as fresh:
        used.reset(1)
        assert np.array_equal(used.render(), fresh.render())


def test_the_track_can_stay_while_starts_vary() -> None:
    """Catches a track_seed that is ignored, and starts outside their range."""
    config = DrivingConfig(track_seed=5, start_anywhere=True, start_lateral_m=0.6, start_heading_rad=0.3)
    expected = Track.from_seed(5).points
    places = set()
    with DrivingWorld(config) as world:
        for seed in range(8):
            world.reset(seed)
            assert np.array_equal(world.track.points, expected)
            assert abs(world.status.cross_track_m) <= 0.6 + 1e-3
            assert abs(world.status.heading_error_rad) <= 0.3 + 0.15  # the road bends between foot and start
            places.add(round(world.status.arc_length_m, 3))
    assert len(places) == 8


def test_the_disturbance_moves_the_car_not_the_command() -> None:
    """Catches noise of another strength than configured, or none, or noise after it was switched off."""
    with DrivingWorld(DrivingConfig(disturbance_std_rad=0.1), 1) as world:
        values = np.array([world.step(3.0, 0.0).disturbance_rad for _ in range(1200)])
        assert np.std(values) == pytest.approx(0.1, rel=0.25)
        correlation = float(np.corrcoef(values[:-10], values[10:])[0, 1])
        assert 0.1 < correlation < 0.6  # exp(-1) after its 0.5 s
    with DrivingWorld(seed=1) as world:
        assert world.step(3.0, 0.0).disturbance_rad == 0.0


def test_frames_show_the_road_from_each_camera() -> None:
    """Catches a mirrored or blind camera: the car is red only from behind, and side cameras see the line move."""
    with DrivingWorld(seed=0) as world:
        frames = {name: world.render(name).astype(int) for name in world.camera_names}
        for name in ("front", "left", "right"):
            assert frames[name].shape == (64, 96, 3)
        assert frames["chase"].shape == (240, 320, 3)

        def columns(frame: np.ndarray) -> float:
            yellow = (frame[..., 0] > 180) & (frame[..., 1] > 140) & (frame[..., 2] < 90)
            assert yellow.any()
            rows, found = np.nonzero(yellow)
            return float(found[rows > 40].mean())

        assert columns(frames["left"]) > columns(frames["front"]) + 5.0
        assert columns(frames["right"]) < columns(frames["front"]) - 5.0
        for name, frame in frames.items():
            red = (frame[..., 0] > 90) & (frame[..., 1] < 50) & (frame[..., 2] < 50)
            assert red.any() == (name == "chase"), name
        front = frames["front"]
        assert front[0].mean(axis=0)[2] > 200  # sky above
        assert np.all(front[-1, 40:56].mean(axis=0) < 80)  # asphalt below
        white = (front.min(axis=2) > 215).sum()
        assert 20 < white < 600  # edge lines


def test_a_turned_car_sees_another_picture() -> None:
    """Catches a view that is not tied to the car: turned left, the centre line moves right in the picture."""
    with DrivingWorld(seed=0) as world:
        straight = world.render()
        world.place_on_track(0.0, heading_error_rad=0.3)
        turned = world.render()
        assert not np.array_equal(straight, turned)
        yellow = [np.nonzero((f[..., 0] > 180) & (f[..., 2] < 90))[1].mean() for f in (straight, turned)]
        assert yellow[1] > yellow[0] + 10.0


def test_recovery_puts_the_car_back_where_it_left() -> None:
    """Catches a recovery that loses or gains progress, keeps the old speed, or leaves the excursion open."""
    with DrivingWorld(seed=2) as world:
        before = world.status
        while not before.off_track:
            assert before.elapsed_s < 20.0
            world.step(4.0, 0.0)
            before = world.status
        assert before.off_track_events == before.interventions == 1
        assert before.damage > 0.0
        state = world.recover()
        assert world.status.progress_m == before.progress_m
        assert world.status.elapsed_s == before.elapsed_s
        assert not world.status.off_track
        assert abs(world.status.cross_track_m) < 1e-6
        assert abs(state.car.speed_m_s) < 1e-9
        assert world.step(0.0, 0.0).car.speed_m_s == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize(("arc", "lateral", "turned"), [(0.0, 0.7, 0.2), (31.0, -1.2, -0.4), (-5.0, 0.3, 3.0)])
def test_the_car_stands_where_it_was_put(arc: float, lateral: float, turned: float) -> None:
    """Catches a place on the wrong side of the centre line, turned the wrong way, or before the start line."""
    with DrivingWorld(seed=6) as world:
        world.place_on_track(arc, lateral, turned)
        assert world.status.arc_length_m == pytest.approx(arc % world.track.length_m, abs=0.02)
        assert world.status.cross_track_m == pytest.approx(lateral, abs=1e-3)
        assert world.status.heading_error_rad == pytest.approx(turned, abs=0.01)
        assert world.status.progress_m == 0.0


@pytest.mark.parametrize(("lateral", "turned"), [(0.7, 0.2), (-0.8, -0.15), (0.0, 0.3)])
def test_a_pushed_car_drives_on_from_there(lateral: float, turned: float) -> None:
    """Catches a push that stops the car, that keeps its old direction of travel, or that counts as progress."""
    with DrivingWorld(seed=6) as world:
        before = drive(world, 4.0, 0.2, 2.0).car
        status = world.status
        car = world.push(lateral, turned).car
        assert world.status.cross_track_m == pytest.approx(lateral, abs=1e-3)
        assert world.status.heading_error_rad == pytest.approx(turned, abs=0.01)
        assert world.status.progress_m == status.progress_m
        assert world.status.elapsed_s == status.elapsed_s
        assert car.velocity_m_s == pytest.approx(before.velocity_m_s, abs=1e-6)
        assert car.angular_velocity_rad_s == pytest.approx(before.angular_velocity_rad_s, abs=1e-6)
        after = world.step(4.0, 0.2).car
        assert after.speed_m_s == pytest.approx(before.speed_m_s, abs=0.05)
        assert after.yaw_rate_rad_s == pytest.approx(before.yaw_rate_rad_s, abs=0.03)
        assert world.car.steering_rad() == pytest.approx(math.atan(WHEELBASE_M * 0.2 / 4.0), abs=0.01)
        with pytest.raises(SimulationError, match="place"):
            world.push(math.inf)


def test_time_is_exact() -> None:
    """Catches stamps that drift from the number of ticks."""
    with DrivingWorld() as world:
        drive(world, 1.0, 0.0, 1.5)
        assert (world.state.tick, world.state.stamp_ns) == (30, 1_500_000_000)
        assert world.status.elapsed_s == pytest.approx(1.5)
        assert world.reset(0).stamp_ns == 0


@pytest.mark.parametrize("command", [(math.nan, 0.0), (1.0, math.inf), (-math.inf, 0.0)])
def test_a_command_that_is_not_finite_is_refused_and_changes_nothing(command: tuple[float, float]) -> None:
    """Catches NaN that reaches the physics engine, from where no state ever comes back."""
    with DrivingWorld() as world:
        before = world.step(2.0, 0.0)
        with pytest.raises(SimulationError, match="must be finite"):
            world.step(*command)
        assert world.state is before
        assert math.isfinite(world.step(2.0, 0.0).car.speed_m_s)


def test_mistakes_are_named() -> None:
    """Catches bare KeyErrors and PyBullet errors where a person needs to know what to write instead."""
    with DrivingWorld() as world:
        with pytest.raises(SimulationError, match="did you mean 'front'"):
            world.render("fornt")
        with pytest.raises(SimulationError, match="seed"):
            world.reset(-1)
        with pytest.raises(SimulationError, match="place"):
            world.place_on_track(math.nan)
    for act in (lambda: world.step(0.0, 0.0), world.render, lambda: world.reset(0), world.recover):
        with pytest.raises(SimulationError, match="closed"):
            act()
    world.close()
    with pytest.raises(SimulationError, match="share a name"):
        DrivingConfig(cameras=(CameraConfig("a", (0.0, 0.0, 1.0)), CameraConfig("a", (0.0, 0.0, 2.0))))
    with pytest.raises(SimulationError, match="disturbance_std_rad"):
        DrivingConfig(disturbance_std_rad=-0.1)
    with pytest.raises(SimulationError, match="cannot be turned that far"):
        CarConfig(largest_steering_rad=0.7)
    with pytest.raises(SimulationError, match="no pixels"):
        CameraConfig("front", (0.0, 0.0, 1.0), width=0)


def test_closing_releases_the_client() -> None:
    """Catches a leak: PyBullet has room for about a thousand clients, a test run opens hundreds of worlds."""
    world = DrivingWorld()
    client = world.client
    assert pybullet.isConnected(client)
    world.close()
    assert not pybullet.isConnected(client)
    with pytest.raises(SimulationError), DrivingWorld(seed=-1):
        raise AssertionError("a world with a negative seed must not open")
