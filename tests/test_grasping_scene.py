"""Scenes by seed: what lies where, and what counts as free ground."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.errors import SimulationError
from sim.grasping.disturbances import DisturbanceConfig
from sim.grasping.footprints import Footprints, clearances_m, gaps_m, rectangle_reach
from sim.grasping.grasps import Grasps
from sim.grasping.look import HELD_OUT_LOOK, Look, LookConfig
from sim.grasping.objects import ObjectPose, ObjectShape, SceneObject, extents
from sim.grasping.scene import SceneConfig, draw_scene

YAW_RANGE = (-1.0, 2.3)


def standing(shape: ObjectShape, x: float, y: float, yaw: float = 0.0) -> SceneObject:
    """An object on the table."""
    quaternion = (0.0, 0.0, math.sin(yaw / 2.0), math.cos(yaw / 2.0))
    return SceneObject(shape, ObjectPose((x, y, shape.size_m[2] / 2.0), quaternion))


def surface(item: SceneObject, rng: np.random.Generator, count: int = 4000) -> np.ndarray:
    """``(count, 3)`` points of an object, in the base frame."""
    points = rng.uniform(-0.5, 0.5, (count, 3)) * item.shape.size_m
    if item.shape.kind == "cylinder":
        angles = rng.uniform(-math.pi, math.pi, count)
        radius = item.shape.size_m[0] / 2.0
        points[:, :2] = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return points @ item.pose.rotation().T + np.array(item.pose.position_m)


def test_a_seed_is_a_scene() -> None:
    """Catches an unseeded draw, and seeds that all give one scene."""
    config = SceneConfig()
    assert draw_scene(5, config) == draw_scene(5, config)
    assert len({draw_scene(seed, config)[0].pose.position_m for seed in range(50)}) == 50
    with pytest.raises(SimulationError, match="negative"):
        draw_scene(-1, config)


def test_scenes_are_what_the_configuration_says() -> None:
    """Catches objects inside each other, off the reachable table, too few or too many, and targets no gripper holds."""
    config = SceneConfig(leaning=0.0)
    touching = 0
    for seed in range(100):
        target, *clutter = draw_scene(seed, config)
        assert len(clutter) <= config.most
        assert max(target.shape.size_m[:2]) <= 0.05
        for item in (target, *clutter):
            assert config.x_m[0] <= item.pose.position_m[0] <= config.x_m[1]
            assert config.y_m[0] <= item.pose.position_m[1] <= config.y_m[1]
            assert item.pose.position_m[2] == pytest.approx(item.shape.size_m[2] / 2.0)
        for index, item in enumerate(clutter):
            assert clearances_m(item, [target, *clutter[:index]]).min() > 0.0
        touching += clearances_m(target, clutter).min() < 0.008
    assert 50 <= touching <= 80
    assert np.mean([len(draw_scene(seed, config)) >= 5 for seed in range(100)]) > 0.95


def test_leaning_objects_lean() -> None:
    """Catches plates that stand upright or start inside the table."""
    for seed in range(20):
        plate = draw_scene(seed, SceneConfig(leaning=1.0))[1]
        assert 0.25 < math.acos(plate.pose.rotation()[2, 2]) < 0.5
        lowest = plate.pose.position_m[2] - extents([plate], np.array([[0.0, 0.0, 1.0]]))[0, 0]
        assert 0.0 < lowest < 0.005


def test_extents_are_how_far_objects_reach() -> None:
    """Catches a wrong support function, which would let the expert put its fingers into things."""
    rng = np.random.default_rng(2)
    directions = rng.normal(size=(20, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for kind, size in (("box", (0.03, 0.05, 0.07)), ("cylinder", (0.04, 0.04, 0.09))):
        quaternion = rng.normal(size=4)
        quaternion /= np.linalg.norm(quaternion)
        item = SceneObject(ObjectShape(kind, size), ObjectPose((0.4, 0.1, 0.05), tuple(quaternion.tolist())))
        points = surface(item, rng, 200_000) - np.array(item.pose.position_m)
        assert extents([item], directions)[0] == pytest.approx((points @ directions.T).max(axis=0), abs=2e-3)


def test_free_ground_is_the_distance_between_footprints() -> None:
    """Catches a gap that is larger than the true one, which would promise room that is not there."""
    can, block = ObjectShape("cylinder", (0.04, 0.04, 0.05)), ObjectShape("box", (0.04, 0.06, 0.05))
    for bearing in np.linspace(0.0, 6.0, 13).tolist():
        other = standing(can, 0.5 + 0.10 * math.cos(bearing), 0.10 * math.sin(bearing))
        assert clearances_m(standing(can, 0.5, 0.0), [other])[0] == pytest.approx(0.06, abs=6e-4)
    assert clearances_m(standing(block, 0.5, 0.0), [standing(block, 0.55, 0.0)])[0] == pytest.approx(0.01)
    assert clearances_m(standing(block, 0.5, 0.0), [standing(block, 0.5, 0.05)])[0] == pytest.approx(-0.01)
    assert clearances_m(standing(block, 0.5, 0.0, math.pi / 2), [standing(block, 0.5, 0.06)])[0] == pytest.approx(0.01)
    reach = rectangle_reach(np.array([0.0, 1.0]), 0.03, 0.02) + rectangle_reach(np.array([1.0, 0.0]), 0.01, 0.01)
    assert gaps_m(np.array([0.05, 0.0]), reach) == pytest.approx(0.02)
    assert gaps_m(np.array([0.0, 0.05]), reach) == pytest.approx(0.01)
    assert Footprints([standing(block, 0.5, 0.0)]).reach_along(0, np.array([[1.0, 0.0]]))[0] == pytest.approx(0.02)


@pytest.mark.parametrize("turn", [0.0, 0.5, 1.2])
def test_a_box_is_grasped_across_its_sides(turn: float) -> None:
    """Catches pads that would meet edges, and grasps beyond the arm's range of yaw."""
    box = standing(ObjectShape("box", (0.03, 0.05, 0.05)), 0.5, 0.0, turn)
    grasps = Grasps.around(box, Footprints([box]), 0.0, YAW_RANGE)
    assert all(YAW_RANGE[0] <= yaw <= YAW_RANGE[1] for yaw in grasps.yaws_rad)
    assert np.sin(2.0 * (grasps.yaws_rad - turn)) == pytest.approx(0.0, abs=1e-9)
    assert len(grasps.yaws_rad) == 2
    assert np.isinf(grasps.free_m()).all()
    long_box = standing(ObjectShape("box", (0.03, 0.09, 0.05)), 0.5, 0.0, turn)
    only = Grasps.around(long_box, Footprints([long_box]), 0.0, YAW_RANGE).yaws_rad
    # The fingers close along x of the box: the hand's own x axis lies along the box's y.
    assert np.cos(only - turn) == pytest.approx([0.0], abs=1e-9)


def test_room_is_what_the_fingers_need() -> None:
    """Catches a grasp called free although a finger would come down on something, or blocked by what is far away."""
    can = standing(ObjectShape("cylinder", (0.04, 0.04, 0.05)), 0.5, 0.0)
    block = ObjectShape("box", (0.03, 0.03, 0.03))
    beside = [can, standing(block, 0.5, 0.045)]
    grasps = Grasps.around(can, Footprints(beside), 0.0, YAW_RANGE)
    along_y = np.abs(np.cos(grasps.yaws_rad)) > 0.9
    along_x = np.abs(np.sin(grasps.yaws_rad)) > 0.9
    assert (grasps.free_m()[along_y] < 0.0).all()
    assert (grasps.free_m()[along_x] > 0.01).all()
    far = Grasps.around(can, Footprints([can, standing(block, 0.5, 0.10)]), 0.0, YAW_RANGE)
    assert (far.free_m() > 0.02).all()


def test_looks_vary_by_seed_and_by_no_more_than_configured() -> None:
    """Catches randomisation that is always on, never on, or another one every time."""
    assert LookConfig().draw(3)[0] == Look() == LookConfig().draw(4)[0]
    varied = LookConfig(color_spread=0.1, light_spread=0.2)
    assert varied.draw(3)[0] == varied.draw(3)[0] != varied.draw(4)[0]
    for seed in range(20):
        look = varied.draw(seed)[0]
        assert np.abs(np.subtract(look.table, Look().table)).max() <= 0.1
        assert abs(look.ambient - Look().ambient) <= 0.2
    assert HELD_OUT_LOOK.target[0] > 2.0 * max(HELD_OUT_LOOK.target[1:])


def test_contradictions_are_named() -> None:
    """Catches configurations that would only fail deep inside PyBullet, or never."""
    with pytest.raises(SimulationError, match="no room for the target"):
        SceneConfig(x_m=(0.4, 0.45))
    with pytest.raises(SimulationError, match="number of clutter"):
        SceneConfig(fewest=5, most=4)
    with pytest.raises(SimulationError, match="probability"):
        SceneConfig(blocked=1.2)
    with pytest.raises(SimulationError, match="positive"):
        ObjectShape("box", (0.1, 0.0, 0.1))
    with pytest.raises(SimulationError, match="one diameter"):
        ObjectShape("cylinder", (0.1, 0.2, 0.1))
    with pytest.raises(SimulationError, match="light out"):
        LookConfig(light_spread=0.6)
    with pytest.raises(SimulationError, match="must not be negative"):
        DisturbanceConfig(knock_m_s=math.nan)
    with pytest.raises(SimulationError, match="must be positive"):
        DisturbanceConfig(noise_time_s=0.0)
