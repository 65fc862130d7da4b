"""Looks drawn from a seed: what they change, and that they change nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.errors import SimulationError
from sim.camera import Light
from sim.driving.cameras import CAMERAS, CHASE_CAMERA
from sim.driving.look import Look, LookConfig
from sim.driving.road_mesh import Appearance
from sim.driving.world import DrivingConfig, DrivingWorld

pytestmark = pytest.mark.sim

CAMERAS_OF_A_CAR = (*CAMERAS, CHASE_CAMERA)
NOTHING = LookConfig(
    colors=0.0,
    brightness=0.0,
    light_color=0.0,
    light_tilt_rad=0.0,
    camera_shift_m=0.0,
    camera_turn_rad=0.0,
    field_of_view_rad=0.0,
)


def _frames(config: DrivingConfig, seed: int = 3) -> list[np.ndarray]:
    with DrivingWorld(config, seed) as world:
        return [world.render(name) for name in world.camera_names]


def test_without_a_look_everything_is_the_default() -> None:
    """Catches a default look that was moved along with the randomised one."""
    look = Look.from_seed(5, CAMERAS_OF_A_CAR)
    assert look == Look(Appearance(), Light(), CAMERAS_OF_A_CAR)
    plain, unmoved = _frames(DrivingConfig(track_seed=1)), _frames(DrivingConfig(track_seed=1, look=NOTHING))
    assert all(np.array_equal(one, other) for one, other in zip(plain, unmoved, strict=True))


@pytest.mark.parametrize("option", ["colors", "brightness", "light_color", "light_tilt_rad", "camera_shift_m"])
def test_every_option_shows(option: str) -> None:
    """Catches an option that nothing reads: alone it must change the front camera's picture, and by its seed."""
    config = replace(NOTHING, **{option: getattr(LookConfig(), option) or 0.1})
    plain = _frames(DrivingConfig(track_seed=1))[0]
    first, second = (_frames(DrivingConfig(track_seed=1, look=config), seed)[0] for seed in (3, 4))
    assert not np.array_equal(plain, first)
    assert not np.array_equal(first, second)


def test_cameras_are_moved_within_their_bounds_and_one_by_one() -> None:
    """Catches a rig that moves as one, a lens that is not drawn, and a camera for people that shakes."""
    config, default = LookConfig(), CAMERAS[0]
    shifts, turns, lenses = [], [], []
    for seed in range(60):
        look = Look.from_seed(seed, CAMERAS_OF_A_CAR, config)
        front, left, _, chase = look.cameras
        assert chase == CHASE_CAMERA
        moved = np.subtract(front.position_m, default.position_m)
        assert not np.allclose(moved, np.subtract(left.position_m, CAMERAS[1].position_m))
        shifts.append(moved)
        turns.append((front.yaw_rad - default.yaw_rad, front.pitch_rad - default.pitch_rad))
        lenses.append(front.vertical_field_of_view_rad - default.vertical_field_of_view_rad)
    for values, bound in ((shifts, 0.03), (turns, 0.02), (lenses, 0.03)):
        assert 0.8 * bound < np.abs(values).max() <= bound
        assert np.min(values) < 0.0 < np.max(values)


def test_a_look_never_touches_the_drive() -> None:
    """Catches a drawing that takes its numbers from the same generator as starts and disturbances."""
    config = DrivingConfig(disturbance_std_rad=0.1, start_lateral_m=0.5, start_heading_rad=0.2, start_anywhere=True)
    with DrivingWorld(config, 3) as plain, DrivingWorld(replace(config, look=LookConfig()), 3) as other:
        for _ in range(20):
            assert plain.step(3.0, 0.4) == other.step(3.0, 0.4)
        assert not np.array_equal(plain.render(), other.render())


def test_equal_seeds_draw_equal_looks() -> None:
    one, same, other = (Look.from_seed(seed, CAMERAS_OF_A_CAR, LookConfig()) for seed in (7, 7, 8))
    assert one == same
    assert one != other
    dimmer = Look.from_seed(7, CAMERAS_OF_A_CAR, replace(LookConfig(), camera_shift_m=0.0))
    assert dimmer.light == one.light


def test_contradictions_are_rejected() -> None:
    with pytest.raises(SimulationError, match="colours are drawn twice"):
        DrivingConfig(color_strength=0.1, look=LookConfig())
    with pytest.raises(SimulationError, match="light_tilt_rad"):
        LookConfig(light_tilt_rad=2.0)
    with pytest.raises(SimulationError, match="colors"):
        LookConfig(colors=-0.1)
