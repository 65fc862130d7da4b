"""Warped pictures against the simulator: the camera really moved, and what was made of the picture from before."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pybullet
import pytest

from models.augment import GroundCamera, Motion, View
from models.augment.ground_plane import ground_points, pixels_of
from models.augment.side_cameras import stand_in_motion
from sim.driving.cameras import CAMERAS, Camera, CameraConfig
from sim.driving.world import DrivingWorld

pytestmark = pytest.mark.sim

FRONT, LEFT, RIGHT = (camera.ground_camera for camera in CAMERAS)
# Shift (m) and turn (rad), to either side, apart and together.
POSES = [(0.6, 0.0), (-0.6, 0.0), (0.0, 0.2), (0.0, -0.2), (0.8, -0.15), (-0.8, 0.15), (0.4, 0.2)]


@pytest.fixture(scope="module")
def world() -> Iterator[DrivingWorld]:
    with DrivingWorld(seed=3) as world:
        yield world


def _error(one: np.ndarray, other: np.ndarray, where: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other)[where].mean())


@pytest.mark.parametrize(("left_m", "turn_rad"), POSES)
def test_a_warped_picture_is_what_the_moved_camera_sees(world: DrivingWorld, left_m: float, turn_rad: float) -> None:
    """Catches any wrong sign, frame, focal length or height: where the ground was seen, little may differ."""
    seen_errors, unwarped_errors, filled_errors, border_errors = [], [], [], []
    for arc_m in (5.0, 20.0, 33.0, 47.0, 60.0, 75.0):
        world.place_on_track(arc_m)
        recorded, bend = world.render(), world.projection.curvature_per_m
        world.place_on_track(arc_m, left_m, turn_rad)
        moved = world.render()
        view = View(FRONT, FRONT, Motion(left_m, turn_rad), bend)
        border = View(FRONT, FRONT, Motion(left_m, turn_rad), bend, "border")
        _, is_ground = ground_points(FRONT)
        _, was_seen = view.sources()
        warped = view.warp(recorded)
        seen_errors.append(_error(warped, moved, is_ground & was_seen))
        unwarped_errors.append(_error(recorded, moved, is_ground & was_seen))
        filled_errors.append(_error(warped, moved, ~was_seen))
        border_errors.append(_error(border.warp(recorded), moved, ~was_seen))
    # What is left is the renderer's aliasing of thin lines: 3 grey levels of 255, where not warping leaves 10 to 20.
    assert np.mean(seen_errors) < 5.0
    assert np.mean(seen_errors) < 0.4 * np.mean(unwarped_errors)
    assert np.mean(filled_errors) < np.mean(border_errors)


def test_a_wrong_camera_is_told_from_the_right_one(world: DrivingWorld) -> None:
    """The control of the test above: half a metre or five degrees beside the truth must show."""
    world.place_on_track(20.0)
    recorded = world.render()
    world.place_on_track(20.0, 0.6, 0.1)
    moved = world.render()
    _, is_ground = ground_points(FRONT)
    errors = {
        motion: _error(View(FRONT, FRONT, motion).warp(recorded), moved, is_ground)
        for motion in (Motion(0.6, 0.1), Motion(0.1, 0.1), Motion(0.6, 0.0), Motion(-0.6, -0.1))
    }
    right = errors.pop(Motion(0.6, 0.1))
    assert right < 0.7 * min(errors.values())


@pytest.mark.parametrize(("name", "camera"), [("left", LEFT), ("right", RIGHT)])
def test_a_side_camera_sees_what_the_front_one_would(world: DrivingWorld, name: str, camera: GroundCamera) -> None:
    """Catches a left camera that is taken for a vehicle on the right."""
    motion = stand_in_motion(FRONT, camera)
    world.place_on_track(30.0)
    from_side = world.render(name)
    world.place_on_track(30.0, motion.left_m, motion.turn_rad)
    # A shift of 0.6 m is not exact in floating point: single pixels on an edge may fall to the other side.
    assert np.mean(np.any(from_side != world.render(), axis=-1)) < 0.003


def test_the_renderer_puts_points_where_the_camera_says() -> None:
    """Catches a principal point half a pixel off, which tilts the ground: a small box must be drawn where it is."""
    client = pybullet.connect(pybullet.DIRECT)
    try:
        config = CameraConfig("probe", (0.0, 0.0, 0.7))
        camera, random, offsets = Camera(config, client), np.random.default_rng(0), []
        shape = pybullet.createVisualShape(
            pybullet.GEOM_BOX, halfExtents=[0.3, 0.3, 0.001], rgbaColor=[0, 0, 0, 1], physicsClientId=client
        )
        box = pybullet.createMultiBody(0.0, -1, shape, physicsClientId=client)
        upright = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
        for x, y in zip(random.uniform(2.0, 4.0, 60), random.uniform(-1.0, 1.0, 60), strict=True):
            pybullet.resetBasePositionAndOrientation(box, (x, y, 0.0), (0, 0, 0, 1), physicsClientId=client)
            picture = camera.render((0.0, 0.0, 0.0), upright, (1.0, 1.0, 1.0))
            rows, columns = np.nonzero(picture[..., 0] < 128)
            square = np.meshgrid(np.linspace(x - 0.3, x + 0.3, 25), np.linspace(y - 0.3, y + 0.3, 25))
            inside = np.stack(square, axis=-1)
            weights = _area_per_pixel(config, inside)
            expected, _ = pixels_of(config.ground_camera, inside)
            middle = (expected * weights[..., None]).sum(axis=(0, 1)) / weights.sum()
            offsets.append((columns.mean() - middle[0], rows.mean() - middle[1]))
        assert np.abs(np.mean(offsets, axis=0)).max() < 0.12
    finally:
        pybullet.disconnect(client)


def _area_per_pixel(config: CameraConfig, points: np.ndarray) -> np.ndarray:
    """How many pixels a square of ground covers, up to a factor: it falls with the cube of its depth."""
    camera = config.ground_camera
    depth = (points[..., 0] - camera.position_m[0]) * math.cos(camera.pitch_rad)
    return 1.0 / (depth + camera.position_m[2] * math.sin(camera.pitch_rad)) ** 3
