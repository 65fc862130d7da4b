"""Warped pictures against geometry: what must agree whatever a renderer draws."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from augment_samples import ground_camera, noise_pictures

from models.augment import GroundCamera, Motion, View
from models.augment.ground_plane import far_homography, ground_homography, ground_points, pixels_of
from models.errors import TrainingError

MOTIONS = [Motion(0.6), Motion(-0.6, 0.1), Motion(0.0, -0.2), Motion(0.8, 0.2, 0.3)]


def _apply(homography: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    found = np.concatenate([pixels, np.ones((len(pixels), 1))], axis=1) @ homography.T
    return found[:, :2] / found[:, 2:]


def test_pixels_and_ground_points_are_each_others_inverse() -> None:
    """Catches a transposed rotation, a pitch of the wrong sign, and half a pixel lost on the way."""
    for camera in (ground_camera(), ground_camera(0.6, 0.3), replace(ground_camera(), principal_point_px=(50.0, 30.0))):
        points, below = ground_points(camera)
        pixels, inside = pixels_of(camera, points[below])
        assert inside.all()
        rows, columns = np.nonzero(below)
        np.testing.assert_allclose(pixels, np.stack([columns, rows], axis=1), atol=1e-9)


def test_a_camera_sees_what_geometry_says() -> None:
    """Catches an axis that points the wrong way, against numbers worked out by hand."""
    camera = GroundCamera((1.0, 0.0, 1.0), math.radians(45.0), math.radians(90.0), 101, 101)
    pixels, inside = pixels_of(camera, np.array([[2.0, 0.0], [2.0, 1.0], [0.5, 0.0], [-3.0, 0.0]]))
    # A metre ahead and a metre below lies on the axis of a camera that looks down by 45 degrees.
    np.testing.assert_allclose(pixels[0], [50.0, 50.0], atol=1e-9)
    # A metre to the left of that, at a depth of sqrt(2): to the left in the picture, in the same row.
    np.testing.assert_allclose(pixels[1], [50.0 - 50.5 / math.sqrt(2.0), 50.0], atol=1e-9)
    assert inside.tolist() == [True, True, False, False]


@pytest.mark.parametrize("motion", MOTIONS)
def test_the_homography_follows_a_point_through_both_cameras(motion: Motion) -> None:
    """Catches a motion that is applied backwards, and one that turns about the camera instead of the vehicle."""
    recorded, seen = ground_camera(0.2, 0.1), ground_camera()
    in_moved = np.array([[4.0, 0.5], [6.0, -1.0], [9.0, 2.0]])
    cos, sin = math.cos(motion.turn_rad), math.sin(motion.turn_rad)
    in_recorded = in_moved @ np.array([[cos, sin], [-sin, cos]]) + [motion.forward_m, motion.left_m]
    expected, _ = pixels_of(recorded, in_recorded)
    here, _ = pixels_of(seen, in_moved)
    np.testing.assert_allclose(_apply(ground_homography(recorded, seen, motion), here), expected, atol=1e-9)


@pytest.mark.parametrize("motion", MOTIONS)
def test_ground_and_sky_meet_without_a_seam(motion: Motion) -> None:
    """Catches a sky that shifts with the vehicle: on the horizon both homographies must agree."""
    camera = ground_camera()
    horizon = (camera.height - 1) / 2.0 - camera.focal_px * math.tan(camera.pitch_rad)
    pixels = np.array([[10.0, horizon], [47.5, horizon], [90.0, horizon]])
    near, far = (_apply(find(camera, camera, motion), pixels) for find in (ground_homography, far_homography))
    np.testing.assert_allclose(near, far, atol=1e-6)


def test_the_sky_turns_and_does_not_shift() -> None:
    """Catches clouds that move to the side with the vehicle, and a turn to the wrong side."""
    camera, sky = ground_camera(), np.array([[20.0, 2.0], [70.0, 10.0]])
    np.testing.assert_allclose(_apply(far_homography(camera, camera, Motion(0.8, 0.0, 0.5)), sky), sky, atol=1e-9)
    turned = _apply(far_homography(camera, camera, Motion(0.0, 0.2)), sky)
    assert np.all(turned[:, 0] < sky[:, 0] - 5.0)


def test_shift_and_back_is_where_it_was() -> None:
    """Catches a view whose inverse motion is not its inverse."""
    camera = ground_camera()
    there = ground_homography(camera, camera, Motion(0.5, 0.0))
    back = ground_homography(camera, camera, Motion(-0.5, 0.0))
    product = there @ back
    np.testing.assert_allclose(product / product[2, 2], np.eye(3), atol=1e-9)


def test_standing_still_changes_nothing() -> None:
    """Catches an interpolation that blurs what was not moved."""
    pictures = noise_pictures(1, 2)
    assert np.array_equal(View(ground_camera(), ground_camera(), Motion(0.0), 0.1).warp(pictures), pictures)


def test_frames_of_a_stack_are_warped_alike() -> None:
    """Catches a map of its own for every frame: the difference would look like motion."""
    stack = np.repeat(noise_pictures(1, 1), 3, axis=1)[0]
    warped = View(ground_camera(), ground_camera(), Motion(0.4, -0.1), 0.05).warp(stack)
    assert not np.array_equal(warped, stack)
    assert np.array_equal(warped[0], warped[1])
    assert np.array_equal(warped[0], warped[2])


def test_a_shift_to_the_left_moves_the_road_to_the_right() -> None:
    """Catches a mirrored warp, with a line on the ground straight ahead of the recorded vehicle."""
    camera = ground_camera()
    points, below = ground_points(camera)
    line = np.zeros((64, 96, 1), np.uint8)
    line[below & (np.abs(points[..., 1]) < 0.15)] = 255
    columns = {}
    for name, motion in {"left": Motion(0.5), "right": Motion(-0.5), "turned left": Motion(0.0, 0.15)}.items():
        warped = View(camera, camera, motion).warp(line)[..., 0]
        columns[name] = float(np.nonzero(warped[40:] > 127)[1].mean())
    assert columns["left"] > 47.5 + 8.0
    assert columns["right"] == pytest.approx(95.0 - columns["left"], abs=0.6)
    assert columns["turned left"] > 47.5 + 5.0


def test_unseen_ground_continues_the_road() -> None:
    """Catches corners that tell how far a picture was shifted: an edge line must go on to the picture's border."""
    camera = ground_camera()
    points, below = ground_points(camera)
    road = np.full((64, 96, 1), 60, np.uint8)
    road[below & (points[..., 1] > 1.5)] = 200  # a verge on the left, which runs straight ahead
    motion = Motion(0.8)
    expected = np.where(below & (points[..., 1] + motion.left_m > 1.5), 200, 60)
    errors = {}
    for fill in ("road", "border", "black"):
        view = View(camera, camera, motion, 0.0, fill)  # type: ignore[arg-type]
        _, seen = view.sources()
        assert 0.05 < np.mean(~seen) < 0.3
        errors[fill] = float(np.abs(view.warp(road)[..., 0].astype(float) - expected)[~seen].mean())
    assert errors["road"] < 0.15 * errors["border"]
    assert errors["road"] < 0.1 * errors["black"]


def test_the_road_that_continues_may_bend() -> None:
    """Catches an arc of the wrong sign, with stripes along a right bend: straight on is worse, the other way worst."""
    camera, curvature = ground_camera(), -0.15
    points, below = ground_points(camera)

    def stripes(shifted_m: float) -> np.ndarray:
        left_of_path = np.hypot(points[..., 0], points[..., 1] + shifted_m - 1.0 / curvature) + 1.0 / curvature
        return np.where(below & (left_of_path % 1.2 > 0.6), 200, 60).astype(np.uint8)

    errors = {}
    for bend in (curvature, 0.0, -curvature):
        view = View(camera, camera, Motion(0.8), bend)
        _, seen = view.sources()
        warped = view.warp(stripes(0.0)[..., None])[..., 0]
        near = ~seen & (points[..., 0] < 6.0)
        errors[bend] = float(np.abs(warped.astype(float) - stripes(0.8))[near].mean())
    assert errors[curvature] < 0.5 * errors[0.0]
    assert errors[0.0] < errors[-curvature]


@pytest.mark.parametrize(
    "wrong",
    [
        {"position_m": (1.4, 0.0, 0.0)},
        {"width": 0},
        {"vertical_field_of_view_rad": math.pi},
        {"pitch_rad": -1.0},
        {"pitch_rad": math.nan},
    ],
)
def test_cameras_that_see_no_ground_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(TrainingError, match="ground camera"):
        replace(ground_camera(), **wrong)  # type: ignore[arg-type]
