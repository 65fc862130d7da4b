"""The way back: closed forms, signs, and a kinematic bicycle that drives it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.augment.recovery import return_path, steering_curvature

STEP_M = 0.005


def curvature(left_m: float, turn_rad: float, road_per_m: float, distance_m: float, travelled_m: float = 0.0) -> float:
    path = return_path(left_m, turn_rad, road_per_m, distance_m, travelled_m)
    return float(steering_curvature(*path, road_per_m))


class Bicycle:
    """The rear axle of a kinematic bicycle beside a circular path (straight where the curvature is 0)."""

    def __init__(self, left_m: float, turn_rad: float, road_per_m: float) -> None:
        self.road, self.x, self.y, self.yaw, self.arc = road_per_m, 0.0, left_m, turn_rad, 0.0

    def drive(self, curvature_per_m: float) -> None:
        """One short arc, then where that is along the path."""
        before = self.along()
        self.yaw += 0.5 * STEP_M * curvature_per_m
        self.x, self.y = self.x + STEP_M * math.cos(self.yaw), self.y + STEP_M * math.sin(self.yaw)
        self.yaw += 0.5 * STEP_M * curvature_per_m
        self.arc += self.along() - before

    def along(self) -> float:
        """Arc length of the path's nearest point."""
        if self.road == 0.0:
            return self.x
        return math.atan2(self.x * self.road, 1.0 - self.y * self.road) / self.road

    @property
    def left_m(self) -> float:
        if self.road == 0.0:
            return self.y
        return 1.0 / self.road - math.copysign(math.hypot(self.x, self.y - 1.0 / self.road), self.road)

    @property
    def turn_rad(self) -> float:
        return self.yaw - self.along() * self.road


STARTS = [(0.8, 0.0), (-0.8, 0.0), (0.0, 0.2), (0.0, -0.2), (0.6, 0.15), (-0.6, 0.15), (0.8, -0.2)]


def test_on_a_straight_road_it_is_the_cubic_s_own_bend() -> None:
    """Catches a wrong coefficient: ``-6 d / L^2`` for a shift, ``-4 tan(psi) cos(psi)^3 / L`` for a turn."""
    assert curvature(0.6, 0.0, 0.0, 6.0) == pytest.approx(-6.0 * 0.6 / 36.0)
    assert curvature(0.0, 0.1, 0.0, 6.0) == pytest.approx(-4.0 * math.tan(0.1) * math.cos(0.1) ** 3 / 6.0)


def test_beside_a_circle_the_concentric_one_is_driven_where_nothing_is_left_to_do() -> None:
    """Catches a path's curvature that is taken for the vehicle's: a metre inside a bend of 5 m it turns on 4 m."""
    zero = np.zeros(1)
    assert steering_curvature(np.array([1.0]), zero, zero, 0.2) == pytest.approx(1.0 / 4.0)
    assert steering_curvature(np.array([-1.0]), zero, zero, 0.2) == pytest.approx(1.0 / 6.0)
    assert steering_curvature(zero, zero, zero, 0.2) == pytest.approx(0.2)


@pytest.mark.parametrize("road", [0.0, 0.15, -0.15])
def test_it_steers_to_the_other_side(road: float) -> None:
    """Catches a sign: from the left it must steer further right than the road, turned to the left likewise."""
    assert curvature(0.5, 0.0, road, 8.0) < road - 0.02
    assert curvature(-0.5, 0.0, road, 8.0) > road + 0.02
    assert curvature(0.0, 0.15, road, 8.0) < road - 0.02
    assert curvature(0.0, -0.15, road, 8.0) > road + 0.02
    assert curvature(0.5, 0.1, road, 8.0) + curvature(-0.5, -0.1, -road, 8.0) == pytest.approx(0.0, abs=1e-12)
    assert curvature(0.0, 0.0, road, 8.0) == pytest.approx(road)


@pytest.mark.parametrize("road", [0.0, 0.15, -0.15])
@pytest.mark.parametrize(("left_m", "turn_rad"), STARTS)
def test_a_bicycle_that_drives_the_plan_is_back_after_the_distance(left_m: float, turn_rad: float, road: float) -> None:
    """Catches anything wrong in the geometry: back means within a centimetre and half a degree of the path."""
    distance = 7.0
    bicycle = Bicycle(left_m, turn_rad, road)
    while bicycle.arc < distance - STEP_M:
        bicycle.drive(curvature(left_m, turn_rad, road, distance, bicycle.arc))
    assert abs(bicycle.left_m) < 0.01
    assert abs(bicycle.turn_rad) < 0.01


@pytest.mark.parametrize("road", [0.0, 0.15, -0.15])
@pytest.mark.parametrize(("left_m", "turn_rad"), STARTS)
def test_a_bicycle_that_asks_anew_at_every_step_settles(left_m: float, turn_rad: float, road: float) -> None:
    """Catches a law that oscillates or creeps: what a policy does, of which a hundredth is left after two distances."""
    distance, largest = 6.0, 0.0
    bicycle = Bicycle(left_m, turn_rad, road)
    while bicycle.arc < 2.0 * distance:
        bicycle.drive(curvature(bicycle.left_m, bicycle.turn_rad, road, distance))
        largest = max(largest, abs(bicycle.left_m))
    assert abs(bicycle.left_m) < 0.04
    assert abs(bicycle.turn_rad) < 0.04
    assert largest < abs(left_m) + 0.2 * distance * abs(math.tan(turn_rad)) + 0.01


def test_after_the_distance_the_road_is_followed() -> None:
    """Catches a cubic that is drawn on beyond its end."""
    assert curvature(0.8, 0.1, 0.1, 5.0, 5.0) == pytest.approx(0.1)
    assert curvature(0.8, 0.1, 0.1, 5.0, 50.0) == pytest.approx(0.1)
