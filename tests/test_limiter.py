"""Limits, rate limits, and who is to blame for breaking them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from gated_robot import CONTRACT, Robot, contract, driven_by_policy

from il_nodes.gate.decision import Driver, Reason
from il_nodes.gate.limiter import CommandLimiter, HaltRamp


def test_a_large_step_is_rate_limited_without_blaming_the_policy() -> None:
    """FAULTS 20: the transfer after a hand-over is slow; the policy itself asked for one and the same command."""
    robot = driven_by_policy()
    for _ in range(12):
        robot.tick += 1
        robot.expert()
        robot.propose((6.0, 0.0))
        decision = robot.decide()
        assert decision.source is Driver.POLICY
    assert decision.command[0] == pytest.approx(6.0)
    assert robot.gate.counts["rate_limited"] == 11
    assert robot.gate.counts["clamped"] == 0


@pytest.mark.parametrize("wish", [((9.0, 0.0), (9.0, 0.0)), ((0.0, 2.0), (0.0, -2.0))], ids=["range", "rate"])
def test_limits_broken_again_and_again_hand_over(wish: tuple[tuple[float, float], tuple[float, float]]) -> None:
    """FAULTS 5: clamped and counted at first, then the expert for the dwell time."""
    robot = driven_by_policy()
    sources = []
    for tick in range(25):
        robot.tick += 1
        robot.expert()
        robot.propose(wish[tick % 2])
        decision = robot.decide()
        sources.append(decision.source)
        if decision.source is Driver.EXPERT:
            assert decision.reason is Reason.LIMITED_REPEATEDLY
            assert not robot.gate.expects_policy(robot.now_s)
    broken = sources.index(Driver.EXPERT)
    assert broken == 10
    assert sources[broken : broken + 9] == [Driver.EXPERT] * 9
    assert sources[broken + 10 : broken + 13] == [Driver.POLICY] * 3, "the count goes on where it was"


def test_each_time_on_the_bench_takes_a_full_count() -> None:
    """The count begins at nothing, at the start and after every bench, and the bench ends with the dwell time."""
    robot = Robot(contract(limited_after_ticks=2))
    robot.tick = 198
    drivers = []
    for _ in range(15):
        robot.tick += 1
        robot.expert()
        robot.propose((9.0, 0.0))
        drivers.append(robot.decide().source)
    # Ticks 199 and 200, where the dwell of half a second begins; 210 ends it to the last bit.
    assert drivers == [Driver.POLICY] * 2 + [Driver.EXPERT] * 9 + [Driver.POLICY] * 2 + [Driver.EXPERT] * 2


def test_a_hand_over_in_between_is_no_step_of_the_policy() -> None:
    """Only two wishes on consecutive ticks are a step; what the policy wanted before the expert drove is past."""
    robot = driven_by_policy(contract(limited_after_ticks=1))
    robot.tick += 1
    robot.expert()
    robot.propose((math.nan, 0.0))
    assert robot.decide().source is Driver.EXPERT
    drivers = []
    for _ in range(5):
        robot.tick += 1
        robot.expert()
        robot.propose((6.0, 0.0))
        drivers.append(robot.decide().source)
    assert drivers == [Driver.EXPERT] * 2 + [Driver.POLICY] * 3


def test_what_counts_as_too_fast() -> None:
    """Exactly the rate is allowed, over one period at least, and over the time that passed; anything more is not."""
    limiter = CommandLimiter(CONTRACT)

    def too_fast(change: float, elapsed_s: float) -> bool:
        earlier = np.array([1.0, 0.0], np.float32)
        return limiter.exceeds_rate(earlier, earlier + np.array([change, 0.0], np.float32), elapsed_s)

    assert [too_fast(0.5, 0.05), too_fast(-0.5, 0.05), too_fast(0.5, 0.01), too_fast(1.0, 0.1)] == [False] * 4
    assert [too_fast(0.51, 0.05), too_fast(-0.51, 0.05), too_fast(1.02, 0.1)] == [True] * 3


def test_rounding_is_not_too_fast() -> None:
    """A thousandth of the step and a millionth (5.105e-5 here): steps are differences of float32."""
    slow = replace(CONTRACT, limits=tuple(replace(limit, rate=1e-3) for limit in CONTRACT.limits))
    limiter, zero = CommandLimiter(slow), np.zeros(2, np.float32)

    def too_fast(change: float) -> bool:
        return limiter.exceeds_rate(zero, np.array([change, 0.0], np.float32), 0.05)

    assert [too_fast(5.08e-5), too_fast(5.13e-5)] == [False, True]


def test_now_and_then_a_limit_is_forgiven_and_zero_turns_the_count_off() -> None:
    robot, patient = driven_by_policy(), driven_by_policy(contract(limited_after_ticks=0))
    for tick in range(100):
        for one, wish in ((robot, 8.0 if tick % 9 == 0 else 7.9), (patient, 9.0)):
            one.tick += 1
            one.propose((wish + 0.001 * (tick % 9 == 0), 0.0))
            assert one.decide().source is Driver.POLICY
    assert robot.gate.counts["clamped"] > 5
    assert patient.gate.counts["clamped"] == 100


def test_the_expert_is_clamped_but_keeps_the_wheel() -> None:
    robot = Robot(policy_enabled=False)
    for _ in range(40):
        robot.tick += 1
        robot.expert((100.0, -100.0))
        decision = robot.decide()
    assert decision.source is Driver.EXPERT
    assert decision.clamped
    assert decision.command.tolist() == [8.0, -2.5]
    assert not decision.command.flags.writeable


def test_rate_limit_counts_real_time_up_to_two_periods() -> None:
    """A long pause must not allow a jump, and two commands in quick succession no double step."""
    limiter = CommandLimiter(CONTRACT)
    far = np.array([8.0, 0.0], np.float32)
    assert limiter.limit(far, 10.0).values[0] == pytest.approx(0.5)
    assert limiter.limit(far, 10.01).values[0] == pytest.approx(0.6)
    assert limiter.limit(far, 20.0).values[0] == pytest.approx(1.6)
    assert limiter.limit(far, 20.0).values[0] == pytest.approx(1.6)
    assert limiter.limit(far, 5.0).values[0] == pytest.approx(2.1)


def test_a_dimension_without_a_rate_limit() -> None:
    """Infinity times no time at all must not become NaN."""
    free = replace(CONTRACT, limits=tuple(replace(limit, rate=math.inf) for limit in CONTRACT.limits))
    limiter = CommandLimiter(free)
    for _ in range(2):
        assert limiter.limit(np.array([8.0, 2.5], np.float32), 1.0).values.tolist() == [8.0, 2.5]


def test_no_time_at_all_counts_as_a_billionth_of_a_second() -> None:
    """The largest rate that a contract may have, twice in one instant: the step stays finite and small."""
    fast = replace(CONTRACT, limits=tuple(replace(limit, rate=1e9) for limit in CONTRACT.limits))
    limiter = CommandLimiter(fast)
    limiter.limit(np.zeros(2, np.float32), 1.0)
    assert limiter.limit(np.array([8.0, 0.0], np.float32), 1.0).values[0] == pytest.approx(1.0)


def test_halt_ramp_is_a_line_between_its_ends() -> None:
    ramp = HaltRamp(np.array([4.0], np.float32), np.array([0.0], np.float32), 10.0, 2.0)
    assert [float(ramp.wish(now)[0]) for now in (9.0, 10.0, 10.5, 12.0, 99.0)] == [4.0, 4.0, 3.0, 0.0, 0.0]
    steep = HaltRamp(np.array([1e8], np.float32), np.array([0.25], np.float32), 10.0, 2.0)
    assert steep.wish(12.0)[0] == 0.25, "the end of a ramp is the stop command to the last bit"
