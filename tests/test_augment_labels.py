"""Labels of moved vehicles: what the closed form says, in the action's own units, within the vehicle's limits."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from augment_samples import (
    FRONT,
    FRONT_KEY,
    LEFT,
    LEFT_KEY,
    PERIOD_S,
    RIGHT,
    RIGHT_KEY,
    STATE_KEY,
    VEHICLE,
    YAW_RATE,
    examples,
    ground_camera,
)

from models.augment import CameraStream, Examples, Poses, ShiftAndRotate, SideCameras, TrailCameras, Vehicle
from models.augment.recovery import return_path, steering_curvature
from models.augment.relabel import recovering_actions
from models.augment.side_cameras import stand_in_motion
from models.errors import TrainingError


def _moved(left_m: float, turn_rad: float, recorded: Examples, recovery_m: float = 16.0) -> np.ndarray:
    count = len(recorded)
    return recovering_actions(
        recorded, np.full(count, left_m), np.full(count, turn_rad), np.full(count, recovery_m), VEHICLE
    )


def test_the_label_is_the_closed_form_s() -> None:
    """Catches a curvature that is not multiplied by the speed, or by another one than is commanded."""
    recorded = examples(1, chunk=1, speed=4.0, yaw_rate=0.4)
    actions = _moved(0.5, 0.1, recorded)
    expected = float(steering_curvature(*return_path(0.5, 0.1, 0.1, 8.0), 0.1))
    assert actions[0, 0, 0] == pytest.approx(4.0)
    assert actions[0, 0, 1] == pytest.approx(4.0 * expected, rel=1e-5)
    assert actions[0, 0, 1] < 0.4  # from the left, to the right


def test_a_chunk_is_one_return() -> None:
    """Catches steps that all begin a return of their own: step i is where the vehicle then is on the first plan."""
    recorded = examples(1, chunk=50, speed=4.0, yaw_rate=0.0)
    actions = _moved(0.6, 0.0, recorded, recovery_m=12.0)
    travelled = 4.0 * PERIOD_S * np.arange(50)
    expected = 4.0 * steering_curvature(*return_path(0.6, 0.0, 0.0, 6.0, travelled), 0.0)
    np.testing.assert_allclose(actions[0, :, 1], expected, atol=1e-5)
    assert actions[0, 0, 1] < 0.0 < actions[0, 25, 1]  # first towards the path, then along it again
    assert np.all(actions[0, 30:, 1] == 0.0)


def test_without_a_shift_nothing_changes_to_the_bit() -> None:
    """Catches a label that passes through a division and comes back another number, or cut to the vehicle's limits."""
    hard = VEHICLE.lateral_acceleration_m_s2 / 6.0 + 0.3
    for recorded in (examples(3, chunk=4, speed=3.3, yaw_rate=0.77), examples(3, speed=6.0, yaw_rate=hard)):
        assert np.array_equal(_moved(0.0, 0.0, recorded), recorded.actions)


def test_a_hard_return_costs_speed_and_respects_the_steering() -> None:
    """Catches labels that no car can drive: on a short distance the lateral acceleration must stay what it may be."""
    recorded = examples(1, chunk=1, speed=6.0, yaw_rate=0.0)
    actions = _moved(0.8, 0.2, recorded, recovery_m=5.0)
    speed, yaw_rate = actions[0, 0].tolist()
    assert speed < 6.0
    assert abs(yaw_rate * speed) <= VEHICLE.lateral_acceleration_m_s2 * 1.001
    assert abs(yaw_rate) <= VEHICLE.largest_yaw_rate_rad_s * 1.001
    assert abs(yaw_rate / speed) <= math.tan(VEHICLE.largest_steering_rad) / VEHICLE.wheelbase_m * 1.001


@pytest.mark.parametrize("steering", ["yaw_rate", "steering_angle", "curvature"])
def test_every_kind_of_steering_says_the_same_curvature(steering: str) -> None:
    """Catches a unit: writing a curvature and reading it again must give it back, at any speed."""
    vehicle = replace(VEHICLE, steering=steering, speed_dimension=1, steering_dimension=0)  # type: ignore[arg-type]
    speeds, curvatures = np.array([2.0, 3.0, 4.0]), np.array([-0.1, 0.0, 0.2])
    actions = np.stack([np.zeros(3), speeds], axis=1).astype(np.float32)
    written = vehicle.steer(actions, curvatures)
    read_speeds, read = vehicle.read(written)
    np.testing.assert_allclose(read_speeds, speeds, rtol=1e-6)
    np.testing.assert_allclose(read, curvatures, atol=1e-6)
    if steering == "steering_angle":
        assert written[2, 0] == pytest.approx(math.atan(1.2 * 0.2), rel=1e-5)


def test_the_shift_that_is_seen_is_the_shift_that_is_labelled() -> None:
    """Catches pictures and labels that belong to different draws, with one pose that is the only one."""
    poses = Poses(0.8, 0.2, count=1)
    (left, turn), recorded = poses.all()[0], examples(4, chunk=1)
    augmentation = ShiftAndRotate(FRONT_KEY, FRONT.camera, VEHICLE, poses, recovery_m=6.0, share=1.0)
    changed = augmentation(recorded, np.random.default_rng(0))
    np.testing.assert_array_equal(changed.actions, _moved(left, turn, recorded, 6.0))
    assert not np.array_equal(changed.observations[FRONT_KEY], recorded.observations[FRONT_KEY])
    none = replace(augmentation, share=0.0)(recorded, np.random.default_rng(0))
    assert np.array_equal(none.actions, recorded.actions)
    assert np.array_equal(none.observations[FRONT_KEY], recorded.observations[FRONT_KEY])


def test_poses_cover_both_sides_evenly() -> None:
    """Catches a spread that is lopsided, or that never comes near its edge."""
    left, turn = Poses(0.8, 0.2, 256).all().T
    for values, furthest in ((left, 0.8), (turn, 0.2)):
        assert np.abs(values).max() <= furthest
        counts, _ = np.histogram(values, bins=8, range=(-furthest, furthest))
        assert counts.min() >= 30
    assert abs(np.corrcoef(left, turn)[0, 1]) < 0.05


def test_the_measured_yaw_rate_lies_between_what_was_and_what_will_be() -> None:
    """Catches a state that still says "I follow the path" while the picture says otherwise: see YawRateReading."""
    poses = Poses(0.8, 0.2, count=1)
    recorded = examples(64, chunk=1, yaw_rate=0.4)
    augmentation = ShiftAndRotate(FRONT_KEY, FRONT.camera, VEHICLE, poses, share=1.0, yaw_rate=YAW_RATE)
    changed = augmentation(recorded, np.random.default_rng(0))
    state = changed.observations[STATE_KEY]
    assert np.array_equal(state[..., 0], recorded.observations[STATE_KEY][..., 0])
    assert np.array_equal(state[:, 0], state[:, 2])
    _, bends = VEHICLE.read(changed.actions)
    low, high = sorted((0.4, 4.0 * float(bends[0, 0])))
    assert state[..., 1].min() >= low - 1e-6
    assert state[..., 1].max() <= high + 1e-6
    assert np.ptp(state[..., 1]) > 0.6 * (high - low)


def _through(picture: str, recorded: Examples, augmentation: SideCameras | TrailCameras) -> np.ndarray:
    """Actions of the examples that are seen through that camera."""
    changed = augmentation(recorded, np.random.default_rng(1))
    same = (changed.observations[FRONT_KEY] == recorded.observations[picture]).all(axis=(1, 2, 3, 4))
    assert same.any(), picture
    return changed.actions[same]


def test_side_cameras_are_labelled_by_their_place_and_alike() -> None:
    """Catches the left camera labelled as the right one, and labels that are not each other's mirror image."""
    recorded = examples(60, frames=1, chunk=1, speed=4.0, yaw_rate=0.0)
    augmentation = SideCameras(FRONT, (LEFT, RIGHT), VEHICLE, recovery_s=3.0)
    from_left, from_right = (_through(key, recorded, augmentation) for key in (LEFT_KEY, RIGHT_KEY))
    assert np.ptp(from_left, axis=0).max() == 0.0
    np.testing.assert_allclose(from_left[0, 0, 1], -from_right[0, 0, 1], rtol=1e-6)
    # 0.6 m, back within 3 s at 4 m/s: a plan of 6 m.
    assert from_left[0, 0, 1] == pytest.approx(4.0 * -6.0 * 0.6 / 36.0, rel=1e-5)
    assert np.array_equal(_through(FRONT_KEY, recorded, augmentation)[0], recorded.actions[0])
    assert set(augmentation(recorded, np.random.default_rng(0)).observations) == {FRONT_KEY, STATE_KEY}


def test_in_a_bend_side_cameras_mirror_each_other_with_it() -> None:
    """Catches a road curvature that is left out: the left camera in a left bend is the right one in a right bend."""
    augmentation = SideCameras(FRONT, (LEFT, RIGHT), VEHICLE)
    in_left = examples(60, frames=1, chunk=1, yaw_rate=0.6)
    in_right = examples(60, frames=1, chunk=1, yaw_rate=-0.6)
    one, other = _through(LEFT_KEY, in_left, augmentation), _through(RIGHT_KEY, in_right, augmentation)
    np.testing.assert_allclose(one[0, 0, 1], -other[0, 0, 1], rtol=1e-6)
    assert one[0, 0, 1] < 0.6


def test_a_turned_camera_stands_for_a_turned_vehicle() -> None:
    """Catches the arm between camera and axle: a lens 1.4 m ahead swings to the side when the vehicle turns."""
    motion = stand_in_motion(ground_camera(), ground_camera(0.6, 0.3))
    assert motion.turn_rad == pytest.approx(0.3)
    assert motion.left_m == pytest.approx(0.6 - 1.4 * math.sin(0.3))
    assert motion.forward_m == pytest.approx(1.4 - 1.4 * math.cos(0.3))
    with pytest.raises(TrainingError, match="cannot stand for the other"):
        stand_in_motion(ground_camera(), replace(ground_camera(0.6), pitch_rad=0.3))


def test_the_nearest_camera_s_picture_is_warped() -> None:
    """Catches far warps of the front camera where a side camera stood: its picture must be taken, hardly moved."""
    recorded = examples(40, frames=1, chunk=1)
    constant = {
        key: np.full_like(recorded.observations[key], level)
        for key, level in zip((FRONT_KEY, LEFT_KEY, RIGHT_KEY), (100, 150, 50), strict=True)
    }
    recorded = Examples(dict(recorded.observations) | constant, recorded.actions, PERIOD_S)
    augmentation = SideCameras(FRONT, (LEFT, RIGHT), VEHICLE, between=Poses(0.8, 0.0))
    changed = augmentation(recorded, np.random.default_rng(0))
    levels = changed.observations[FRONT_KEY][:, 0, 40, 48, 0]
    yaw_rates = changed.actions[:, 0, 1]
    assert set(levels.tolist()) == {50, 100, 150}
    assert yaw_rates[levels == 150].max() < yaw_rates[levels == 100].min() + 0.05
    assert yaw_rates[levels == 50].min() > yaw_rates[levels == 100].max() - 0.05


def test_trail_cameras_say_only_which_side() -> None:
    """Catches a swapped class: what the left camera sees calls for a right turn, at the recorded speed."""
    recorded = examples(60, frames=1, chunk=2, yaw_rate=0.3)
    augmentation = TrailCameras(FRONT, LEFT, RIGHT, 1.5)
    for key, command in ((LEFT_KEY, -1.5), (FRONT_KEY, 0.0), (RIGHT_KEY, 1.5)):
        found = _through(key, recorded, augmentation)
        assert np.all(found[..., 1] == command)
        assert np.all(found[..., 0] == 4.0)
    with pytest.raises(TrainingError, match="left camera neither"):
        TrailCameras(FRONT, RIGHT, LEFT, 1.5)
    turned = CameraStream(LEFT_KEY, ground_camera(0.6, -0.3))
    with pytest.raises(TrainingError, match="left camera neither"):
        TrailCameras(FRONT, turned, RIGHT, 1.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Vehicle(0.0, 0.6, 3.5, 2.4), "wheelbase_m"),
        (lambda: Vehicle(1.2, 0.6, 3.5, math.nan), "largest_yaw_rate"),
        (lambda: replace(VEHICLE, steering="wheel"), "unknown steering"),  # type: ignore[arg-type]
        (lambda: replace(VEHICLE, largest_steering_rad=2.0), "quarter turn"),
        (lambda: replace(VEHICLE, speed_dimension=1), "two different numbers"),
        (lambda: replace(VEHICLE, steering_dimension=-1), "counted from 0"),
        (lambda: TrailCameras(FRONT, LEFT, RIGHT, 1.0, steering_dimension=-1), "counts from 0"),
        (lambda: Poses(-0.1), "furthest_left_m"),
        (lambda: Poses(0.5, 2.0), "furthest_turn_rad"),
        (lambda: Poses(count=0), "count"),
        (lambda: ShiftAndRotate(FRONT_KEY, FRONT.camera, VEHICLE, recovery_m=0.0), "recovery_m"),
        (lambda: ShiftAndRotate(FRONT_KEY, FRONT.camera, VEHICLE, share=1.5), "share"),
        (lambda: SideCameras(FRONT, (), VEHICLE), "side cameras are missing"),
        (lambda: SideCameras(FRONT, (LEFT,), VEHICLE, recovery_s=-1.0), "recovery_s"),
        (lambda: TrailCameras(FRONT, LEFT, RIGHT, 0.0), "turn"),
    ],
)
def test_contradictions_are_rejected_at_construction(make: object, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        make()  # type: ignore[operator]


def test_a_small_vehicle_comes_back_within_the_time() -> None:
    """Catches a shortest distance that is the simulated car's: a robot of a third of its size needs a third of it."""
    small = replace(VEHICLE, wheelbase_m=0.4)
    recorded = examples(60, frames=1, chunk=1, speed=1.0, yaw_rate=0.0)
    label = _through(LEFT_KEY, recorded, SideCameras(FRONT, (LEFT, RIGHT), small))[0, 0]
    # 0.6 m, back within 2 s at 1 m/s: a plan of 1 m, at a curvature of -3.6 / m, which its steering cuts.
    assert label[1] / label[0] == pytest.approx(-small.largest_curvature_per_m, rel=1e-5)
    car = _through(LEFT_KEY, recorded, SideCameras(FRONT, (LEFT, RIGHT), VEHICLE))[0, 0]
    # 5 m at least: a plan of 2.5 m.
    assert car[1] / car[0] == pytest.approx(max(-6.0 * 0.6 / 2.5**2, -VEHICLE.largest_curvature_per_m), rel=1e-5)
