"""When the gate answers: once a tick, and in lock-step once all have answered."""

from __future__ import annotations

import math

import pytest

from il_nodes.gate.pacing import DEADLINE_PERIODS, Latencies, LockStepBarrier, Pauses, Rate, TickGrid


def commands_of(stamps_ms: list[float]) -> list[float]:
    grid, answered = TickGrid(0.05), []
    for stamp in stamps_ms:
        if grid.is_due(round(stamp * 1e6)):
            grid.answered(round(stamp * 1e6))
            answered.append(stamp)
    return answered


def test_each_tick_is_answered_once() -> None:
    """The same stamp from expert and policy is one tick; jitter loses none; a faster sender is thinned to 20 Hz."""
    assert commands_of([0, 0, 50, 50, 100]) == [0, 50, 100]
    assert commands_of([0, 58, 93, 151, 199]) == [0, 58, 93, 151, 199]
    assert len(commands_of([20.0 * k for k in range(500)])) == pytest.approx(200, abs=2)
    assert commands_of([0, 1000, 1010, 1050]) == [0, 1000, 1050]


def test_a_grid_survives_a_reset_clock_but_no_old_stamp() -> None:
    assert commands_of([10_000, 10_050, 9_950, 10_100]) == [10_000, 10_050, 10_100]
    assert commands_of([10_000, 0, 50, 100]) == [10_000, 0, 50, 100]
    grid = TickGrid(0.05)
    grid.answered(100_000_000)
    grid.answered(50_000_000)
    assert not grid.is_due(110_000_000)
    assert grid.is_due(150_000_000)


def test_the_next_tick_is_due_half_a_period_later() -> None:
    """To the nanosecond, for a period that is no fraction of a second too; a stamp on the boundary is a tick."""
    for period_ns in (50_000_000, 2_000_000_002):
        grid = TickGrid(period_ns * 1e-9)
        grid.answered(0)
        assert [grid.is_due(period_ns // 2 + late_ns) for late_ns in (-1, 0)] == [False, True]
        grid.answered(period_ns // 2)
        assert [grid.is_due(3 * period_ns // 2 + late_ns) for late_ns in (-1, 0)] == [False, True]


def test_ten_periods_back_are_another_time_line() -> None:
    """There the grid begins anew at once: the stamp that showed it is a tick, and the same tick is no second one."""
    grid = TickGrid(0.05)
    grid.answered(10_000_000_000)
    due_ns = 10_025_000_000
    assert [grid.is_due(due_ns - 500_000_000 + late_ns) for late_ns in (0, -1)] == [False, True]
    grid.answered(0)
    assert [grid.is_due(stamp_ns) for stamp_ns in (10_000_000, 50_000_000)] == [False, True]


def test_half_a_period_of_grace() -> None:
    """Less would answer late frames with old commands, more would leave the robot without one for two ticks."""
    assert DEADLINE_PERIODS == 1.5


def test_a_barrier_opens_once_all_answered_one_stamp() -> None:
    """Lock-step: exactly one decision a tick, in whatever order the answers come."""
    barrier: LockStepBarrier[str] = LockStepBarrier(["expert", "policy"])
    assert barrier.answer("expert", 1, "e1") is None
    assert barrier.answer("somebody", 1, "x") is None
    assert barrier.answer("policy", 1, "p1") == {"expert": "e1", "policy": "p1"}
    assert barrier.answer("policy", 1, "again") is None
    assert barrier.answer("policy", 2, "p2") is None
    assert barrier.answer("expert", 2, "e2") == {"expert": "e2", "policy": "p2"}
    assert barrier.answer("expert", 1, "e1") is None
    assert barrier.answer("policy", 1, "p1") == {"expert": "e1", "policy": "p1"}


def test_a_pause_is_found_at_its_first_tick() -> None:
    """Lock-step: exactly the gap is none yet, and neither is the very first tick or the same stamp again."""
    pauses = Pauses(0.5)
    steps_ms = [1000, 1050, 1050, 1550, 2051, 2101, 2100, 2600]
    assert [pauses.is_over(ms * 1_000_000) for ms in steps_ms] == [False] * 4 + [True, False, True, False]
    exact = Pauses(2.0)
    assert [exact.is_over(stamp) for stamp in (0, 2_000_000_000, 4_000_000_001)] == [False, False, True]


def test_latencies() -> None:
    latencies = Latencies(size=3)
    assert math.isnan(latencies.percentile_ms(50))
    for value in (9.0, 0.001, 0.002, 0.003):
        latencies.add(value)
    assert latencies.percentile_ms(50) == pytest.approx(2.0)
    usual = Latencies()
    for value in (9.0, *[0.001] * 999):
        usual.add(value)
    assert usual.percentile_ms(100) == 9e3
    usual.add(0.001)
    assert usual.percentile_ms(100) == 1.0, "more than a thousand are kept"


def test_a_rate_is_over_half_a_second_at_least() -> None:
    rate = Rate(10.0)
    assert math.isnan(rate.report_hz(10.0)), "nobody has stalled yet"
    for _ in range(3):
        rate.add()
    assert math.isnan(rate.report_hz(10.25))
    rate.add()
    assert rate.report_hz(10.5) == pytest.approx(8.0), "since the beginning"
    assert rate.report_hz(10.75) == pytest.approx(2.0), "since the report of half a second ago"
    assert rate.report_hz(11.5) == 0.0
    rate.add()
    assert rate.report_hz(12.5) == pytest.approx(1.0)
    rate.restart(20.0)
    assert math.isnan(rate.report_hz(20.25))
    rate.add()
    assert rate.report_hz(20.5) == pytest.approx(2.0), "what was before the restart is in it"
