"""Tracks: a bad one would teach bends that the car cannot drive, or score a car on the wrong stretch of road."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import SimulationError
from sim.driving.road_mesh import Appearance, road_meshes
from sim.driving.track import Projection, Track, TrackConfig, wrap_angle

SEEDS = st.integers(0, 2**32 - 1)


def brute_force(track: Track, x: float, y: float, pieces: int = 40) -> tuple[float, float]:
    """Arc length of, and distance to, the nearest of many points between the centre line's points."""
    following = np.roll(track.points, -1, axis=0)
    fractions = np.arange(pieces)[:, None, None] / pieces
    dense = (track.points + fractions * (following - track.points)).transpose(1, 0, 2).reshape(-1, 2)
    gaps = np.linalg.norm(following - track.points, axis=1)
    arcs = (track.arc_lengths_m[:, None] + gaps[:, None] * np.arange(pieces) / pieces).ravel()
    distances = np.hypot(dense[:, 0] - x, dense[:, 1] - y)
    best = int(np.argmin(distances))
    return float(arcs[best]), float(distances[best])


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_a_drawn_track_is_closed_smooth_and_drivable(seed: int) -> None:
    """Catches kinks, bends tighter than asked for, lengths out of range, and stretches that run into each other."""
    config = TrackConfig()
    track = Track.from_seed(seed, config)
    assert config.shortest_m * 0.999 <= track.length_m <= config.longest_m * 1.001
    assert track.minimum_radius_m >= config.minimum_radius_m
    assert track.gap_m() >= config.clearance_m
    gaps = np.linalg.norm(np.roll(track.points, -1, axis=0) - track.points, axis=1)
    assert np.ptp(gaps) < 0.01 * config.spacing_m  # evenly spaced, across the start too
    # C2: over one spacing of 0.25 m curvature changes by little of its largest value, 1 / 5 m, across the start too.
    assert np.max(np.abs(np.roll(track.curvatures_per_m, -1) - track.curvatures_per_m)) < 0.04
    assert abs(np.sum(track.curvatures_per_m * gaps)) == pytest.approx(2.0 * math.pi, abs=1e-3)  # one turn, no loop
    for edge, offset in ((track.left_edge, 2.0), (track.right_edge, -2.0)):
        lengths = np.linalg.norm(np.roll(edge, -1, axis=0) - edge, axis=1)
        assert lengths.min() > 0.0
        assert track.project(*edge[7].tolist()).cross_track_m == pytest.approx(offset, abs=1e-3)


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, place=st.floats(0.0, 1.0), lateral=st.floats(-3.0, 3.0), error_m=st.floats(-2.0, 2.0))
def test_projection_agrees_with_brute_force(seed: int, place: float, lateral: float, error_m: float) -> None:
    """Catches a wrong side, a jump at the start line, and a hint that hides the nearest point."""
    track = Track.from_seed(seed)
    arc = place * track.length_m
    x, y, heading = track.pose_at(arc)
    x, y = x - lateral * math.sin(heading), y + lateral * math.cos(heading)
    nearest_arc, distance = brute_force(track, x, y)
    for hint in (None, arc + error_m):
        found = track.project(x, y, hint)
        along = abs(found.arc_length_m - nearest_arc)
        assert min(along, track.length_m - along) < 0.05
        # The exact foot is never farther than a sampled one, and samples lie 6 mm apart.
        assert distance - 3.2e-3 <= abs(found.cross_track_m) <= distance + 1e-9
        assert 0.0 <= found.arc_length_m < track.length_m
        assert abs(wrap_angle(found.heading_rad - track.pose_at(found.arc_length_m)[2])) < 1e-6
        assert found.curvature_per_m == pytest.approx(track.curvature_at(found.arc_length_m), abs=1e-6)
        if abs(lateral) > 0.01:
            assert math.copysign(1.0, found.cross_track_m) == math.copysign(1.0, lateral)


def test_geometry_of_a_circle_is_exact() -> None:
    """Catches wrong units or signs of curvature and heading: a left circle of radius 10 m bends by +0.1 per metre."""
    angles = np.linspace(0.0, 2.0 * math.pi, 400, endpoint=False)
    circle = Track(10.0 * np.stack([np.cos(angles), np.sin(angles)], axis=1), width_m=3.0)
    assert circle.length_m == pytest.approx(20.0 * math.pi, rel=1e-4)
    assert np.allclose(circle.curvatures_per_m, 0.1, atol=1e-4)
    found = circle.project(0.0, 9.0)
    assert found.cross_track_m == pytest.approx(1.0, abs=2e-3)
    assert abs(found.heading_rad) == pytest.approx(math.pi, abs=0.01)
    assert found.arc_length_m == pytest.approx(circle.length_m / 4.0, abs=0.01)  # a polygon's foot is beside its corner
    assert circle.curvature_at(-1.0) == pytest.approx(0.1, abs=1e-4)
    right = Track(circle.points[::-1])
    assert np.allclose(right.curvatures_per_m, -0.1, atol=1e-4)
    assert right.project(0.0, 9.0).cross_track_m < 0.0


def test_the_gap_is_measured_between_edges_of_different_stretches() -> None:
    """Catches neighbours of one bend taken for two stretches, and centre lines taken for edges."""
    bend = np.linspace(-math.pi / 2.0, math.pi / 2.0, 64)
    right = np.stack([15.0 + 5.0 * np.cos(bend), 5.0 * np.sin(bend)], axis=1)
    upper = np.stack([np.linspace(14.75, -14.75, 119), np.full(119, 5.0)], axis=1)
    stadium = Track(np.concatenate([right, upper, -right, -upper]), width_m=4.0)
    assert stadium.gap_m() == pytest.approx(10.0 - 4.0, abs=0.1)


def test_a_hint_keeps_a_lost_car_on_its_stretch() -> None:
    """Catches progress that jumps to the other side of the loop when a car leaves the road inwards."""
    track = Track.from_seed(3)
    x, y, _ = track.pose_at(10.0)
    far_x, far_y, _ = track.pose_at(10.0 + track.length_m / 2.0)
    beyond = (0.4 * x + 0.6 * far_x, 0.4 * y + 0.6 * far_y)
    found: Projection = track.project(*beyond, 10.0)
    assert abs(found.arc_length_m - 10.0) < 5.0
    assert abs(track.project(*beyond).cross_track_m) < abs(found.cross_track_m)


def test_equal_seeds_give_equal_tracks_and_others_differ() -> None:
    """Catches hidden randomness, and seeds that are ignored."""
    assert Track.from_seed(5).points.tobytes() == Track.from_seed(5).points.tobytes()
    assert len({Track.from_seed(seed).points.tobytes() for seed in range(20)}) == 20
    turns = [float(np.sign(np.sum(Track.from_seed(seed).curvatures_per_m))) for seed in range(20)]
    assert {-1.0, 1.0} == set(turns)  # both directions, or a learner finds that left is always right


def test_a_path_becomes_the_same_track() -> None:
    """Catches an expert over ROS 2 that plans on another line than the simulator: points must survive a Path."""
    track = Track.from_seed(8)
    closed = [*track.points.tolist(), track.points[0].tolist()]
    again = Track(closed, track.width_m)
    assert again.points.tobytes() == track.points.tobytes()
    assert again.curvatures_per_m.tobytes() == track.curvatures_per_m.tobytes()


@settings(max_examples=20, deadline=None)
@given(
    width=st.floats(1.0, 8.0),
    radius=st.floats(3.0, 8.0),
    clearance=st.floats(0.0, 9.0),
    roughness=st.floats(0.0, 1.0),
    seed=SEEDS,
)
def test_every_accepted_configuration_can_be_drawn(
    width: float, radius: float, clearance: float, roughness: float, seed: int
) -> None:
    """Catches a configuration that passes its checks but makes the search run for ever."""
    radius = max(radius, (width + clearance) / 2.0)
    shortest = 1.1 * 2.0 * math.pi * radius + 1e-6
    config = TrackConfig(width, shortest, shortest + 20.0, roughness, radius, clearance)
    track = Track.from_seed(seed, config)
    assert track.minimum_radius_m >= radius
    assert track.gap_m() >= clearance


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width_m": 0.0}, "width_m"),
        ({"spacing_m": math.nan}, "spacing_m"),
        ({"roughness": 1.5}, "roughness"),
        ({"clearance_m": -1.0}, "clearance_m"),
        ({"width_m": 12.0}, "touch itself"),
        ({"shortest_m": 20.0}, "no track has such a length"),
        ({"shortest_m": 120.0, "longest_m": 100.0}, "no track has such a length"),
    ],
)
def test_impossible_configurations_are_refused(values: dict[str, float], message: str) -> None:
    """Catches a configuration that would fail later, or never, in the middle of a run."""
    with pytest.raises(SimulationError, match=message):
        TrackConfig(**values)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros((4, 2)), "at least 8 finite points"),
        (np.full((10, 2), math.nan), "20 values not finite"),
        (np.zeros((10, 3)), "shape"),
        (np.zeros((10, 2)), "are the same"),
    ],
)
def test_centre_lines_that_are_none_are_refused(points: np.ndarray, message: str) -> None:
    """Catches an empty or broken Path that would make an expert divide by zero."""
    with pytest.raises(SimulationError, match=message):
        Track(points)


def test_a_position_that_is_not_finite_is_refused() -> None:
    """Catches NaN odometry that would otherwise project to some point of the track."""
    with pytest.raises(SimulationError, match="finite position"):
        Track.from_seed(0).project(math.nan, 0.0)
    with pytest.raises(SimulationError, match="negative"):
        Track.from_seed(-1)


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_the_drawn_road_is_as_wide_as_the_track_and_closed(seed: int) -> None:
    """Catches a ribbon with a hole at the start, faces turned away from the camera, and lines beside the road."""
    track = Track.from_seed(seed)
    meshes = {mesh.name: mesh for mesh in road_meshes(track, Appearance())}
    road = meshes["road"]
    corners = road.vertices[road.indices]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    doubled_areas = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    assert np.all(doubled_areas > 0.0)
    assert np.sum(doubled_areas) / 2.0 == pytest.approx(track.length_m * track.width_m, rel=0.02)
    for name in ("left edge line", "right edge line"):
        for x, y, _ in meshes[name].vertices[::10].tolist():
            assert 1.75 < abs(track.project(x, y).cross_track_m) < 2.05
    assert len(meshes["centre line"].indices) < len(road.indices)


def test_colours_vary_only_with_their_seed() -> None:
    """Catches randomised colours that leave their range, ignore the seed or change by themselves."""
    one, same, other = Appearance.from_seed(1), Appearance.from_seed(1), Appearance.from_seed(2)
    assert one == same
    assert one != other
    for color in (one.ground, one.road, one.edge, one.centre, one.sky):
        assert all(0.0 <= channel <= 1.0 for channel in color)
