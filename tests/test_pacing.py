"""When the gate answers: once a tick, and in lock-step once all have answered."""

from __future__ import annotations

import math

import pytest

from il_nodes.pacing import Latencies, LockStepBarrier, TickGrid


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


def test_latencies() -> None:
    latencies = Latencies(size=3)
    assert math.isnan(latencies.percentile_ms(50))
    for value in (9.0, 0.001, 0.002, 0.003):
        latencies.add(value)
    assert latencies.percentile_ms(50) == pytest.approx(2.0)
