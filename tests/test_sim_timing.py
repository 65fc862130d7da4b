"""Simulated time, the watchdog, latency and lock-step, without ROS and without a clock."""

from __future__ import annotations

import math

import pytest

from il_nodes.simulator.timing import CommandInput, LatencyMeter, LockStep, TickClock


def test_ticks_start_at_one_second_and_do_not_drift() -> None:
    """Would catch a stamp of zero, and a period that is rounded before it is added up."""
    clock = TickClock(30.0)
    assert clock.before_next_ns < 10**9
    assert clock.advance() == 10**9
    assert clock.advance(29_999) == 10**9 + round(29_999e9 / 30)
    assert clock.stamp_ns < clock.before_next_ns < clock.at(clock.index + 1)


def test_the_watchdog_stops_after_its_timeout_and_not_before() -> None:
    """Would catch a car that brakes while it is commanded, or that drives on without a command."""
    commands = CommandInput((0.0, 0.0), timeout_s=0.125)
    assert commands.current(0.0) == (0.0, 0.0)
    commands.receive((3.0, 0.5), 1.0)
    assert commands.current(1.125) == (3.0, 0.5)
    assert commands.current(1.126) == (0.0, 0.0)
    assert commands.current(9.0) == (0.0, 0.0)
    assert commands.timeouts == 1, "one silence is one timeout"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_command_that_is_not_finite_counts_as_none(bad: float) -> None:
    """Would catch NaN that reaches the physics, or that feeds the watchdog."""
    commands = CommandInput((0.0, 0.0), timeout_s=0.1)
    commands.receive((3.0, 0.0), 1.0)
    commands.receive((bad, 0.0), 1.09)
    commands.receive((3.0, bad), 1.09)
    assert commands.rejected == 2
    assert commands.current(1.05) == (3.0, 0.0)
    assert commands.current(1.11) == (0.0, 0.0)


def test_lock_step_has_no_watchdog() -> None:
    """Would catch wall time that changes what a lock-step run does."""
    commands = CommandInput((0.0, 0.0), timeout_s=None)
    commands.receive((3.0, 0.0), 1.0)
    assert commands.current(1e6) == (3.0, 0.0)


def test_latency_belongs_to_the_stamp_that_was_answered() -> None:
    """Would catch an age against the newest image, and a repeated command that is measured twice."""
    meter = LatencyMeter()
    meter.published(1, 10.0)
    meter.published(2, 10.05)
    meter.answered(1, 10.06)
    assert meter.take_age_ms() == pytest.approx(60.0)
    assert meter.take_age_ms() is None
    meter.answered(1, 10.07)
    meter.answered(99, 10.07)
    assert meter.take_age_ms() is None


def test_lock_step_waits_for_the_answer_to_this_tick_only() -> None:
    """Would catch a step taken on an old or repeated command."""
    lock = LockStep(0.05, recorder=False)
    lock.published(100, 0.0)
    assert not lock.command(50)
    assert not lock.may_advance()
    assert lock.command(100)
    assert not lock.command(100)
    assert lock.may_advance()


def test_lock_step_lets_the_recorder_lag_by_four_ticks() -> None:
    """Would catch a simulator that outruns the disk, and an episode that ends before its last tick is written."""
    lock, period_ns = LockStep(0.05, recorder=True), 50_000_000
    stamps = [10**9 + index * period_ns for index in range(6)]
    lock.start_episode(stamps[0])
    for index, stamp in enumerate(stamps):
        lock.published(stamp, 0.0)
        lock.command(stamp)
        assert lock.may_advance() == (index <= 4), index
    lock.recorded(stamps[1])
    assert lock.may_advance()
    assert not lock.may_advance(last=True)
    lock.recorded(stamps[5])
    assert lock.may_advance(last=True)


def test_lock_step_names_who_is_late() -> None:
    """Would catch a stalled run that blames the wrong node."""
    lock, period_ns = LockStep(0.05, recorder=True, timeout_s=10.0), 50_000_000
    lock.start_episode(0)
    lock.recorded(period_ns)
    lock.published(10 * period_ns, 100.0)
    assert lock.overdue(110.0) == []
    assert [line.split(" for")[0] for line in lock.overdue(110.1)] == ["no /cmd_vel", "no /recorder/ack"]
    lock.command(10 * period_ns)
    assert lock.overdue(110.1) == ["no /recorder/ack for 0.45 s of simulated time"]
