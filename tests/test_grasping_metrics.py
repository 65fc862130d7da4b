"""What counts as grasped."""

from __future__ import annotations

import pytest

from models.errors import SimulationError
from sim.grasping.metrics import Contacts, GraspingMetrics, GraspingStatus

CALM = Contacts()


def follow(heights: list[float], metrics: GraspingMetrics | None = None) -> GraspingStatus:
    """Updates with these heights, 20 a second, of a target that lay at 3 cm."""
    metrics = metrics or GraspingMetrics(0.03, 0.05)
    for height in heights:
        status = metrics.update(height, CALM, 0.0, lost=False)
    return status


def test_success_is_ten_centimetres_for_one_second() -> None:
    """Catches success by being lifted too little, too briefly, or twice for half a second."""
    assert not follow([0.131] * 19).success
    assert follow([0.131] * 20).success
    assert not follow([0.1299] * 100).success
    assert not follow([0.15] * 15 + [0.12] + [0.15] * 15).success
    held = follow([0.03] * 10 + [0.15] * 20 + [0.03] * 5)
    assert (held.success, held.held_s, held.elapsed_s) == (True, 0.0, pytest.approx(1.75))
    assert held.success_s == pytest.approx(1.5)


def test_pick_ups_and_drops_are_counted_once() -> None:
    """Catches a target that trembles at the threshold and counts every tremble."""
    status = follow([0.03, 0.07, 0.055, 0.065, 0.08])
    assert (status.pick_ups, status.drops) == (1, 0)
    status = follow([0.03, 0.07, 0.04, 0.046, 0.04, 0.09])
    assert (status.pick_ups, status.drops) == (2, 1)
    assert status.lift_m == pytest.approx(0.06)


def test_touches_are_counted_when_they_begin() -> None:
    """Catches a push of one second that counts as twenty."""
    metrics = GraspingMetrics(0.03, 0.05)
    for pushing, colliding in (
        (True, False),
        (True, False),
        (False, True),
        (True, True),
        (False, False),
        (False, True),
    ):
        status = metrics.update(0.03, Contacts(pushing, colliding), 0.02, lost=False)
    assert (status.pushes, status.collisions, status.clutter_moved_m) == (2, 2, 0.02)


def test_a_lost_target_is_not_held() -> None:
    """Catches success for a target that flew off the table."""
    metrics = GraspingMetrics(0.03, 0.05)
    for _ in range(30):
        status = metrics.update(0.2, CALM, 0.0, lost=True)
    assert (status.success, status.held_s, status.pick_ups, status.lost) == (False, 0.0, 0, True)


def test_a_period_is_needed() -> None:
    """Catches a division of time by nothing."""
    with pytest.raises(SimulationError, match="period_s"):
        GraspingMetrics(0.03, 0.0)
