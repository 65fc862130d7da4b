"""Metrics: a count that is off by one excursion changes every comparison between policies."""

from __future__ import annotations

import pytest

from models.errors import SimulationError
from sim.driving.metrics import DrivingMetrics, DrivingStatus


def drive(metrics: DrivingMetrics, offsets: list[float], speed: float = 4.0, period: float = 0.05) -> DrivingStatus:
    """Go straight on at ``speed`` with these cross-track errors, one a step."""
    arc = metrics.status.arc_length_m
    for offset in offsets:
        arc = (arc + speed * period) % 100.0
        metrics.update(arc, offset, 0.0, speed)
    return metrics.status


@pytest.fixture
def metrics() -> DrivingMetrics:
    """A road 4 m wide on a loop of 100 m, control at 20 Hz."""
    return DrivingMetrics(100.0, 4.0, 0.05)


def test_progress_goes_on_across_the_start_line(metrics: DrivingMetrics) -> None:
    """Catches a lap that counts as minus 100 m, and one that counts early."""
    metrics.reset(99.0, 0.0, 0.0)
    status = drive(metrics, [0.0] * 10)
    assert status.progress_m == pytest.approx(2.0)
    assert status.arc_length_m == pytest.approx(1.0)
    assert status.laps == 0
    assert drive(metrics, [0.0] * 489).laps == 0
    assert drive(metrics, [0.0] * 2).laps == 1
    assert metrics.status.elapsed_s == pytest.approx(501 * 0.05)
    assert metrics.status.distance_m == pytest.approx(501 * 0.2)


def test_driving_backwards_loses_progress_and_no_lap_is_negative(metrics: DrivingMetrics) -> None:
    """Catches a car that earns a lap by crossing the line backwards."""
    metrics.reset(1.0, 0.0, 0.0)
    metrics.update(99.0, 0.0, 3.1, 0.5)
    assert metrics.status.progress_m == pytest.approx(-2.0)
    assert metrics.status.laps == 0


def test_an_excursion_counts_once_until_the_car_is_back(metrics: DrivingMetrics) -> None:
    """Catches one event a step, and a car that trembles on the limit counting many times."""
    assert drive(metrics, [0.5, 1.01, 0.99, 1.01, 1.5, 0.9, 1.1]).interventions == 1
    assert drive(metrics, [0.79, 1.01]).interventions == 2
    assert metrics.status.off_track_events == 0
    status = drive(metrics, [-1.9, -2.01, -1.99, -2.3, -1.7, -2.1])
    assert status.off_track_events == 1
    assert status.off_track
    assert drive(metrics, [1.5]).off_track is False
    assert drive(metrics, [2.1]).off_track_events == 2
    assert metrics.status.interventions == 2  # it never came back to the centre in between


def test_limits_themselves_are_still_inside(metrics: DrivingMetrics) -> None:
    """Pins the comparisons: exactly 1 m off centre and exactly on the edge are no events."""
    status = drive(metrics, [1.0, -1.0])
    assert status.interventions == 0
    status = drive(metrics, [2.0, -2.0])
    assert (status.off_track, status.off_track_events, status.interventions) == (False, 0, 1)


def test_damage_is_metres_driven_off_the_road(metrics: DrivingMetrics) -> None:
    """Catches damage that grows on the road, or that a standing car keeps adding."""
    assert drive(metrics, [0.0, 1.9]).damage == 0.0
    assert drive(metrics, [2.5] * 5).damage == pytest.approx(1.0)
    assert drive(metrics, [2.5] * 5, speed=0.0).damage == pytest.approx(1.0)
    assert drive(metrics, [0.0] * 5).damage == pytest.approx(1.0)


def test_cross_track_statistics_ignore_the_side(metrics: DrivingMetrics) -> None:
    """Catches a mean in which left and right cancel."""
    status = drive(metrics, [0.5, -0.5, 0.1, -0.9])
    assert status.mean_abs_cross_track_m == pytest.approx(0.5)
    assert status.max_abs_cross_track_m == pytest.approx(0.9)
    assert status.cross_track_m == -0.9


def test_autonomy_is_the_formula_of_the_paper(metrics: DrivingMetrics) -> None:
    """Catches another cost than six seconds, and an autonomy below zero: two events in 600 s give 0.98."""
    assert metrics.status.autonomy == 1.0
    drive(metrics, [1.2, 0.0, 1.2])
    assert metrics.status.autonomy == 0.0
    assert drive(metrics, [0.0] * 11_997).autonomy == pytest.approx(0.98)


def test_putting_the_car_back_ends_the_excursion_and_earns_nothing(metrics: DrivingMetrics) -> None:
    """Catches progress, time or a second event that come from a recovery, and one that hides the next excursion."""
    drive(metrics, [2.5, 2.6])
    before = metrics.status
    after = metrics.moved(before.arc_length_m, 0.0, 0.0)
    assert (after.off_track, after.off_track_events, after.interventions) == (False, 1, 1)
    assert (after.progress_m, after.elapsed_s, after.damage) == (before.progress_m, before.elapsed_s, before.damage)
    moved = metrics.moved(60.0, 0.0, 0.0)
    assert moved.progress_m == before.progress_m
    assert drive(metrics, [2.5]).off_track_events == 2
    assert metrics.status.progress_m == pytest.approx(before.progress_m + 0.2)


def test_a_start_beside_the_centre_is_no_event_of_its_own(metrics: DrivingMetrics) -> None:
    """Catches randomised starts that count against the policy; leaving again after a return does count."""
    metrics.reset(0.0, 1.3, 0.0)
    assert drive(metrics, [1.3, 1.2, 0.5]).interventions == 0
    assert drive(metrics, [1.2]).interventions == 1


@pytest.mark.parametrize("values", [(0.0, 4.0, 0.05), (100.0, -1.0, 0.05), (100.0, 4.0, float("nan"))])
def test_sizes_must_be_positive(values: tuple[float, float, float]) -> None:
    """Catches a division by zero far from its cause."""
    with pytest.raises(SimulationError, match="must be positive"):
        DrivingMetrics(*values)
