"""How the gate holds a robot in place, waits before its first command, and rests: what is sent, and what is not."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from gated_robot import ARM, CRUISE, NAMES, Robot, contract, driven_by_policy

from il_nodes.gate.decision import Driver, Reason
from il_nodes.gate.limiter import CommandLimiter
from models.contract import Contract


def arm(**options: object) -> Robot:
    return Robot(ARM, **options)


def place(robot: Robot, *positions: float) -> None:
    robot.gate.place(np.array(positions, np.float32))


def test_a_position_is_held_where_the_halt_found_it() -> None:
    """An arm that is sent to its zero pose on a halt hits what stands there; its base must stop all the same."""
    robot = arm(policy_enabled=False)
    for _ in range(30):
        robot.tick += 1
        robot.expert((1.0, 0.3))
        decision = robot.decide()
    assert decision.command.tolist() == pytest.approx([1.0, 0.3])
    robot.tick += 4
    robot.decide()
    seen = []
    for _ in range(12):
        robot.tick += 1
        seen.append(robot.decide().command.tolist())
    assert {elbow for elbow, _ in seen} == {1.0}
    assert seen[0][1] < 0.3
    assert seen[-1] == [1.0, 0.0]
    assert robot.gate.is_stopped
    assert robot.gate.halt_duration_s == pytest.approx(0.5), "the elbow has no way to go, the base less than the ramp"


def test_nothing_is_sent_before_somebody_says_where_the_arm_is() -> None:
    """The stop command of nowhere would be a pose, and the first command would be a jump to it."""
    robot = arm()
    for _ in range(3):
        robot.tick += 1
        robot.propose((2.0, 0.0))
        decision = robot.decide()
        assert (decision.source, decision.reason, decision.sent) == (Driver.HALT, Reason.POSITION_UNKNOWN, False)
    assert (decision.withheld, decision.clamped, decision.rate_limited) == (None, False, False)
    place(robot, 1.5, math.nan)
    place(robot, 1.25, math.nan)
    robot.tick += 1
    robot.propose((2.0, 0.0))
    decision = robot.decide()
    assert (decision.source, decision.sent) == (Driver.POLICY, True)
    assert decision.command[0] == pytest.approx(1.25 + 0.1), "the newest measurement counts, then the rate limit"
    place(robot, -2.0, math.nan)
    robot.tick += 1
    robot.propose((2.0, 0.0))
    assert robot.decide().command[0] == pytest.approx(1.25 + 0.2), "a measurement moved the command"


def test_a_halt_holds_what_was_measured_before_anybody_drove() -> None:
    robot = arm()
    place(robot, 0.7, math.nan)
    decision = robot.decide()
    assert (decision.source, decision.reason, decision.sent) == (Driver.HALT, Reason.EXPERT_MISSING, True)
    assert decision.command.tolist() == pytest.approx([0.7, 0.0])


def test_where_nothing_measures_the_expert_says_where_the_arm_is() -> None:
    """Its leader arm stands as the robot does; a policy's first wish says no such thing."""
    robot = arm(policy_enabled=False)
    robot.tick += 1
    robot.expert((1.9, 0.3))
    decision = robot.decide()
    assert (decision.source, decision.sent) == (Driver.EXPERT, True)
    assert decision.command.tolist() == pytest.approx([1.9, 0.05])
    stale = arm(policy_enabled=False)
    stale.expert((1.9, 0.3))
    stale.tick += 5
    assert stale.decide().reason is Reason.POSITION_UNKNOWN


def test_a_joint_that_is_measured_is_waited_for() -> None:
    """Heard before the joint's own sensor, a leader arm that stands elsewhere must not make the arm jump to it."""
    robot = arm(policy_enabled=False, measured=np.array([True, False]))
    robot.expert((1.9, 0.3))
    first = robot.decide()
    assert (first.reason, first.sent) == (Reason.POSITION_UNKNOWN, False)
    place(robot, -1.5, math.nan)
    robot.tick += 1
    robot.expert((1.9, 0.3))
    assert robot.decide().command[0] == pytest.approx(-1.5 + 0.1)


def test_the_expert_says_nothing_of_a_joint_that_is_measured() -> None:
    """Two joints, one measured: a leader arm that stands elsewhere must not make the measured one jump to it."""
    first, second = ARM.limits
    two = replace(ARM, limits=(first, replace(second, is_position=True)))
    limiter = CommandLimiter(two)
    limiter.place(np.array([0.5, math.nan], np.float32))
    limiter.place(np.array([1.5, 0.25], np.float32), guessed=True)
    assert limiter.is_placed
    assert limiter.last.tolist() == [0.5, 0.25]
    robot = Robot(two, policy_enabled=False)
    place(robot, 0.5, math.nan)
    robot.tick += 1
    robot.expert((1.5, 0.25))
    assert robot.decide().command.tolist() == pytest.approx([0.6, 0.25])


def test_a_measurement_says_nothing_of_what_is_not_held_and_leads_back_inside() -> None:
    limiter = CommandLimiter(ARM)
    limiter.place(np.array([math.inf, 0.2], np.float32))
    assert not limiter.is_placed
    limiter.place(np.array([9.0, 0.2], np.float32))
    assert limiter.is_placed
    assert limiter.last.tolist() == [2.0, 0.0]
    assert limiter.last.dtype == np.float32
    limiter.limit(np.array([2.0, 0.2], np.float32), 1.0)
    assert limiter.stop.tolist() == [2.0, 0.0]
    assert not limiter.is_stopped
    limiter.reset()
    assert not limiter.is_placed


def test_zeros_stops_at_zero_whatever_the_limits_say() -> None:
    stops = tuple(replace(one, stop=one.maximum) for one in contract().limits)
    moving = replace(contract(), limits=stops)
    assert CommandLimiter(moving).stop.tolist() == [8.0, 2.5]
    still: Contract = replace(moving, gate=replace(moving.gate, halt_stop="zeros"))
    assert CommandLimiter(still).stop.tolist() == [0.0, 0.0]


def test_while_it_looks_around_nobody_drives_and_nothing_counts() -> None:
    """A command that was never sent must not be what the first one counts from."""
    robot = Robot()
    robot.gate.waiting = Reason.DISCOVERY
    for _ in range(20):
        decision = robot.step()
        assert (decision.source, decision.reason, decision.sent) == (Driver.HALT, Reason.DISCOVERY, False)
        assert decision.command.tolist() == [0.0, 0.0]
    assert not robot.gate.expects_policy(robot.now_s)
    assert robot.gate.enable_policy() is None
    robot.gate.raise_fault(Reason.SECOND_PUBLISHER)
    decision = robot.step()
    assert (decision.reason, decision.sent) == (Reason.SECOND_PUBLISHER, False)
    robot.gate.clear_fault()
    robot.gate.waiting = None
    robot.gate.enable_policy()
    robot.tick += 1
    robot.propose((4.0, 0.0))
    decision = robot.decide()
    assert (decision.source, decision.sent) == (Driver.POLICY, True)
    assert decision.command[0] == pytest.approx(0.5)


def test_after_a_rest_the_first_command_counts_from_standstill() -> None:
    """A robot that was put back at the start of an episode stands: the last episode's speed is not its speed."""
    robot = driven_by_policy()
    for _ in range(30):
        robot.tick += 1
        robot.propose((6.0, 0.0))
        robot.decide()
    robot.gate.rest()
    robot.tick += 20
    robot.expert((6.0, 0.0))
    robot.propose((6.0, 0.0))
    decision = robot.decide()
    assert decision.source is Driver.POLICY
    assert decision.command[0] == pytest.approx(0.5)


def test_a_resting_policy_is_not_silent() -> None:
    robot = driven_by_policy()
    robot.gate.rest()
    decision = robot.step(unsafe=None)
    assert (decision.reason, decision.proposal_age_s) == (Reason.PROPOSAL_MISSING, pytest.approx(math.nan, nan_ok=True))
    assert {robot.step(unsafe=None).latched for _ in range(40)} == {None}
    assert robot.step().source is Driver.POLICY


def test_a_rest_forgets_messages_and_keeps_latches() -> None:
    robot = driven_by_policy()
    robot.step()
    robot.gate.take_over()
    robot.gate.raise_fault(Reason.DEACTIVATED)
    robot.gate.rest()
    assert robot.gate.fault is Reason.DEACTIVATED
    robot.gate.clear_fault()
    decision = robot.decide()
    assert (decision.source, decision.reason, decision.latched) == (Driver.HALT, Reason.EXPERT_MISSING, Reason.DISABLED)
    assert robot.gate.enable_policy() is Reason.TAKEOVER
    robot.gate.release()
    robot.gate.enable_policy()
    assert {robot.step(unsafe=None).latched for _ in range(40)} == {Reason.POLICY_SILENT, None}


def test_a_rest_ends_a_halt_that_had_begun() -> None:
    robot = Robot(policy_enabled=False)
    for _ in range(30):
        robot.step()
    robot.tick += 5
    robot.decide()
    robot.gate.rest()
    robot.tick += 1
    assert robot.decide().command.tolist() == [0.0, 0.0]
    assert robot.gate.is_stopped


def test_names_of_the_arm_are_not_the_cars() -> None:
    """The two contracts of these tests must differ, or half of them would prove nothing."""
    assert ARM.action_names != NAMES
    assert ARM.action_held.tolist() == [True, False]
    assert not contract().action_held.any()
    assert len(CRUISE) == len(ARM.action_names)
