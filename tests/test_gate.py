"""The gate's logic, without ROS: who drives, halts, clocks, and properties of every output."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from gated_robot import CONTRACT, CRUISE, NAMES, PERIOD_NS, REPOSITORY, Robot, contract, driven_by_policy
from hypothesis import given, settings
from hypothesis import strategies as st

from il_nodes.gate.decision import Driver, Reason
from il_nodes.gate.gate import Gate
from il_nodes.gate.trust import SETTLE_PROPOSALS
from models.data import Action, Proposal
from models.errors import ContractError


def test_policy_drives_when_nothing_speaks_against_it() -> None:
    """Catches a gate that never trusts, and a command stamped otherwise than the observation it answers."""
    robot = Robot()
    robot.tick += 1
    robot.expert((1.0, 0.0))
    robot.propose((0.25, -0.5), unsafe=0.2)
    decision = robot.decide()
    assert (decision.source, decision.reason, decision.withheld) == (Driver.POLICY, Reason.TRUSTED, None)
    assert decision.stamp_ns == robot.clock_ns
    assert decision.command.tolist() == [0.25, -0.5]
    assert decision.unsafe_probability == pytest.approx(0.2)
    assert (decision.row, decision.clamped, decision.rate_limited, decision.handover) == (0, False, False, False)


def test_expert_drives_while_the_policy_is_disabled() -> None:
    """Recording: a proposing policy must not get near the wheels, and the reason must be that it is disabled."""
    robot = Robot(policy_enabled=False)
    decision = robot.step()
    assert (decision.source, decision.reason, decision.latched) == (Driver.EXPERT, Reason.DISABLED, Reason.DISABLED)
    assert decision.command.tolist() == pytest.approx(CRUISE)
    assert decision.stamp_ns == robot.clock_ns
    assert not robot.gate.expects_policy(robot.now_s)


def test_a_new_gate_lets_no_policy_drive() -> None:
    """Whoever makes a gate has to say so in so many words."""
    assert Gate(CONTRACT).latched is Reason.DISABLED


def test_what_is_sound_is_not_counted_as_refused() -> None:
    robot = driven_by_policy()
    robot.step(unsafe=0.9)
    assert {name: count for name, count in robot.gate.counts.items() if count} == {
        "ticks.policy": 1,
        "ticks.expert": 1,
        "handovers": 1,
    }


def test_no_proposal_ever_leaves_the_expert_driving() -> None:
    decision = Robot().step(unsafe=None)
    assert (decision.source, decision.reason) == (Driver.EXPERT, Reason.PROPOSAL_MISSING)
    assert math.isnan(decision.unsafe_probability)
    assert math.isnan(decision.proposal_age_s)


def test_enabling_and_disabling_at_run_time() -> None:
    robot = Robot(policy_enabled=False)
    robot.step()
    assert robot.gate.enable_policy() is None
    assert robot.step().source is Driver.POLICY
    robot.gate.disable_policy()
    decision = robot.step()
    assert (decision.reason, decision.handover) == (Reason.DISABLED, True)


def test_without_an_expert_the_robot_stands() -> None:
    """Nothing has been heard from anybody: the stop command on every tick, stamped with the gate's now."""
    robot = Robot()
    decision = robot.decide()
    assert (decision.source, decision.reason) == (Driver.HALT, Reason.EXPERT_MISSING)
    assert decision.withheld is Reason.PROPOSAL_MISSING
    assert decision.command.tolist() == [0.0, 0.0]
    assert decision.stamp_ns == robot.clock_ns
    assert math.isnan(decision.expert_age_s)


def test_losing_the_expert_ramps_down_within_the_ramp_and_holds() -> None:
    """FAULTS 16: bounded halt, then the stop command on every tick; the first halt command slows down already."""
    robot = Robot(policy_enabled=False)
    for _ in range(30):
        robot.tick += 1
        robot.expert((6.0, -1.0))
        before = robot.decide().command
    assert before[0] == pytest.approx(6.0)
    robot.tick += 3
    assert robot.decide().source is Driver.EXPERT
    speeds, previous = [], 6.0
    for _ in range(25):
        robot.tick += 1
        decision = robot.decide()
        assert (decision.source, decision.reason) == (Driver.HALT, Reason.EXPERT_STALE)
        assert 0.0 <= decision.command[0] <= previous
        previous = float(decision.command[0])
        speeds.append(previous)
    assert speeds[0] == pytest.approx(5.7)
    assert speeds[19] == 0.0
    assert robot.gate.is_stopped
    assert set(speeds[19:]) == {0.0}
    robot.tick += 1
    robot.expert((1.0, 0.0))
    assert robot.decide().source is Driver.EXPERT
    robot.tick += 20
    assert robot.decide().command[0] == pytest.approx(0.5 - 0.5 / 20, abs=1e-6)


def test_rate_limits_win_over_a_ramp_that_is_too_steep() -> None:
    """10 m/s^2 at most, whatever the ramp says; and the gate knows how long that takes."""
    robot = Robot(contract(halt_ramp_s=0.0), policy_enabled=False)
    for _ in range(40):
        robot.tick += 1
        robot.expert((8.0, 0.0))
        robot.decide()
    robot.tick += 4
    robot.decide()
    speeds = []
    for _ in range(16):
        robot.tick += 1
        speeds.append(float(robot.decide().command[0]))
    assert max(-np.diff(speeds)) <= 0.5 + 1e-5
    assert speeds[-1] == 0.0
    assert robot.gate.halt_duration_s == pytest.approx(0.8)
    assert Robot().gate.halt_duration_s == 1.0
    forward, turn = CONTRACT.limits
    backward = replace(forward, minimum=-20.0)
    assert Gate(replace(CONTRACT, limits=(backward, turn))).halt_duration_s == pytest.approx(2.0)
    offset = replace(forward, minimum=2.0, maximum=30.0, stop=4.0)
    assert Gate(replace(CONTRACT, limits=(offset, turn))).halt_duration_s == pytest.approx(2.6)


def test_the_policy_drives_without_an_expert() -> None:
    """An expert is needed to hand back to, not to be handed from; losing both halts."""
    robot = driven_by_policy()
    for _ in range(10):
        assert robot.step(expert=False).source is Driver.POLICY
    decision = robot.step(expert=False, unsafe=1.0)
    assert (decision.source, decision.reason, decision.withheld) == (Driver.HALT, Reason.EXPERT_STALE, Reason.UNSAFE)


def test_a_fault_halts_whoever_drives_and_takes_the_policy_away() -> None:
    """FAULTS 17."""
    robot = driven_by_policy()
    robot.gate.raise_fault(Reason.SECOND_PUBLISHER)
    assert robot.gate.fault is Reason.SECOND_PUBLISHER
    assert not robot.gate.expects_policy(robot.now_s)
    decision = robot.step()
    assert (decision.source, decision.reason) == (Driver.HALT, Reason.SECOND_PUBLISHER)
    assert robot.gate.enable_policy() is Reason.SECOND_PUBLISHER
    robot.gate.clear_fault()
    assert robot.step().reason is Reason.DISABLED


@pytest.mark.parametrize("bad", [(math.nan, 0.0), (0.0, math.inf)])
def test_an_expert_that_is_not_finite_is_rejected_never_clamped(bad: tuple[float, ...]) -> None:
    robot = Robot()
    assert robot.expert(bad) is Reason.EXPERT_NOT_FINITE
    assert robot.decide().reason is Reason.EXPERT_NOT_FINITE
    assert robot.decide().source is Driver.HALT
    robot.step(unsafe=None)
    robot.tick += 1
    robot.expert(bad)
    decision = robot.decide()
    assert (decision.source, decision.stamp_ns) == (Driver.EXPERT, robot.clock_ns - PERIOD_NS)
    assert robot.gate.counts["refused.expert_not_finite"] == 2


def test_an_expert_of_another_size_is_refused() -> None:
    robot = Robot()
    assert robot.expert((0.0, 0.0, 0.0)) is Reason.EXPERT_MISMATCH
    assert robot.decide().reason is Reason.EXPERT_MISMATCH
    assert robot.gate.expert_stamp_ns is None
    robot.expert()
    assert robot.gate.expert_stamp_ns == robot.clock_ns


def test_a_contract_without_limits_is_refused() -> None:
    with pytest.raises(ContractError, match="no limits"):
        Gate(replace(CONTRACT, limits=()))


def test_a_clock_that_goes_back_starts_anew() -> None:
    """FAULTS 28: the simulator was reset. What was stamped before must not make everything after it 'backwards'."""
    robot = driven_by_policy()
    before = robot.tick
    robot.tick = 10
    assert robot.decide().source is Driver.HALT
    assert robot.step().source is Driver.POLICY
    # The robot's clock alone goes back; the monotonic one does not.
    robot = driven_by_policy()
    gate, now_s = robot.gate, before * 0.05 + 1.0
    gate.offer_expert(Action(PERIOD_NS, np.array(CRUISE, np.float32)), PERIOD_NS, now_s)
    assert (
        gate.offer_proposal(Proposal(PERIOD_NS, np.array([CRUISE], np.float32), 0.0, NAMES), PERIOD_NS, now_s) is None
    )
    assert gate.decide(PERIOD_NS, now_s).source is Driver.POLICY


def test_whatever_comes_first_after_a_reset_notices_it() -> None:
    """An expert's command of the new time must not be thrown away with the old ones by what comes after it."""
    robot = driven_by_policy()
    robot.tick = 10
    assert robot.propose() is None
    assert robot.decide().source is Driver.POLICY
    robot = Robot(policy_enabled=False)
    robot.step()
    robot.tick = 10
    robot.expert()
    assert robot.decide().source is Driver.EXPERT


def test_dwell_is_forgotten_with_the_clock_that_it_runs_on_and_no_other() -> None:
    """FAULTS 28: after a reset nobody waits out a dwell of the old time; a robot's clock alone cuts none short."""
    robot = driven_by_policy(contract(dwell_s=10.0))
    robot.step(unsafe=0.9)
    back = robot.clock_ns - 2 * PERIOD_NS
    for seconds in (0.0, 0.01):  # at the same moment, and later
        now_s = robot.now_s + seconds
        robot.gate.offer_expert(Action(back, np.array(CRUISE, np.float32)), back, now_s)
        robot.gate.offer_proposal(Proposal(back, np.array([CRUISE], np.float32), 0.0, NAMES), back, now_s)
        decision = robot.gate.decide(back, now_s)
        assert (decision.source, decision.withheld) == (Driver.EXPERT, Reason.UNSAFE)
        back -= 2 * PERIOD_NS
    robot.tick = 10
    assert robot.step().source is Driver.POLICY


def test_a_clock_that_trembles_is_not_reset() -> None:
    """Up to one period backwards is the noise of a clock that comes in messages."""
    robot = driven_by_policy()
    now_s = robot.now_s + 0.01
    assert robot.gate.decide(robot.clock_ns - PERIOD_NS, now_s).source is Driver.POLICY
    slow = driven_by_policy(replace(CONTRACT, fps=0.5))
    assert slow.gate.decide(slow.clock_ns - 2 * 10**9, slow.now_s).source is Driver.POLICY
    assert slow.gate.decide(slow.clock_ns - 4 * 10**9 - 1, slow.now_s).reason is Reason.EXPERT_MISSING


def test_a_monotonic_clock_that_goes_back_alone_starts_anew() -> None:
    robot = driven_by_policy()
    decision = robot.gate.decide(robot.clock_ns, robot.now_s - 0.001)
    assert (decision.source, decision.reason) == (Driver.HALT, Reason.EXPERT_MISSING)


def test_an_episode_that_begins_before_all_else_counts() -> None:
    """The latched announcement is there before the first message: what is older than it must not drive."""
    robot = Robot()
    robot.gate.start_episode(robot.clock_ns)
    robot.tick += 1
    assert robot.propose(stamp_ns=robot.clock_ns - PERIOD_NS - 1) is Reason.PROPOSAL_STALE
    assert robot.propose(stamp_ns=robot.clock_ns - PERIOD_NS) is None, "the episode's own first frame"
    robot.gate.end_episode()
    assert robot.propose() is None


def test_a_robot_clock_that_leaps_back_again_and_again_does_not_prolong_a_halt() -> None:
    """FAULTS 28: the halt is on the monotonic clock. On that one going back too (lock-step), it begins anew."""
    robot = Robot(policy_enabled=False)
    for _ in range(30):
        robot.tick += 1
        robot.expert((6.0, 0.0))
        robot.decide()
    now_s = robot.now_s + 0.5
    speeds = []
    for tick in range(20):
        robot.gate.decide(10**12, now_s + 0.05 * tick)
        speeds.append(float(robot.gate.decide(-tick * 10**9, now_s + 0.05 * tick).command[0]))
    assert speeds == pytest.approx([6.0 - 0.3 * (tick + 1) for tick in range(20)], abs=1e-5)
    assert speeds[-1] == 0.0
    robot.tick = 10
    robot.expert((0.5, 0.0))
    robot.decide()
    robot.tick = 20
    assert robot.decide().command[0] == pytest.approx(0.5 - 0.5 / 20, abs=1e-6)
    robot.tick = 2
    assert robot.decide().command[0] == pytest.approx((0.5 - 0.5 / 20) * 0.95, abs=1e-6)


def test_a_jump_forward_makes_only_what_is_old_stale() -> None:
    robot = driven_by_policy()
    robot.tick += 10_000
    assert robot.decide().source is Driver.HALT
    robot.gate.enable_policy()
    assert robot.step().source is Driver.EXPERT
    assert {robot.step().source for _ in range(SETTLE_PROPOSALS)} == {Driver.EXPERT, Driver.POLICY}


numbers = st.floats(width=32, allow_nan=True, allow_infinity=True) | st.floats(-10, 10, width=32)
events = st.one_of(
    st.tuples(st.just("expert"), st.tuples(numbers, numbers), st.integers(-8, 2)),
    st.tuples(st.just("expert"), st.just(CRUISE), st.just(0)),
    st.tuples(st.just("proposal"), st.tuples(numbers, numbers, st.floats()), st.integers(-8, 2)),
    st.tuples(st.just("proposal"), st.just((0.5, 0.1, 0.1)), st.just(0)),
    st.tuples(st.sampled_from(["enable", "disable", "takeover", "release", "restart", "episode", "fault", "clear"])),
    st.tuples(st.just("wait"), st.floats(0.0, 0.3)),
    st.tuples(st.just("rewind")),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(events, min_size=1, max_size=60))
def test_every_output_is_finite_inside_limits_and_rate(script: list[tuple[object, ...]]) -> None:
    """Whatever comes in, in whatever order: only commands that the robot's contract allows go out."""
    gate = Gate(CONTRACT, policy_enabled=True)
    clock_ns, now_s = 0, 0.0
    last, last_s = CONTRACT.action_stop, -0.05
    simple = {
        "enable": gate.enable_policy,
        "disable": gate.disable_policy,
        "takeover": gate.take_over,
        "release": gate.release,
        "restart": gate.policy_restarted,
        "episode": gate.start_episode,
        "fault": lambda: gate.raise_fault(Reason.SECOND_PUBLISHER),
        "clear": gate.clear_fault,
    }
    held = False
    for name, *arguments in script:
        if name in ("expert", "proposal"):
            values, ticks = arguments
            stamp_ns = clock_ns + ticks * PERIOD_NS  # type: ignore[operator]
            array = np.array(values[:2], np.float32)  # type: ignore[index]
            if name == "expert":
                gate.offer_expert(Action(stamp_ns, array), clock_ns, now_s)
            else:
                gate.offer_proposal(Proposal(stamp_ns, array[None], values[2], NAMES), clock_ns, now_s)  # type: ignore[index]
        elif name == "wait":
            now_s += arguments[0]  # type: ignore[operator]
            clock_ns += round(arguments[0] * 1e9)  # type: ignore[operator]
        elif name == "rewind":
            clock_ns = 0
        else:
            simple[name]()  # type: ignore[index]
        held = (held or name == "takeover") and name != "release"
        decision = gate.decide(clock_ns, now_s)
        command = decision.command
        assert command.dtype == np.float32
        assert np.isfinite(command).all()
        assert (command >= CONTRACT.action_minimum).all()
        assert (command <= CONTRACT.action_maximum).all()
        allowed = CONTRACT.action_rate * min(max(now_s - last_s, 1e-9), 0.1)
        assert (np.abs(command.astype(np.float64) - last) <= allowed + 1e-5).all()
        assert (decision.source is Driver.POLICY) == (decision.withheld is None and gate.fault is None)
        if decision.source is Driver.POLICY:
            assert decision.latched is None
            assert not held
            assert decision.proposal_age_s <= CONTRACT.gate.proposal_max_age_s + 1e-5
        if decision.source is Driver.EXPERT:
            assert decision.expert_age_s <= CONTRACT.gate.expert_max_age_s + 1e-5
        last, last_s = command, now_s


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=50, max_size=200))
def test_hand_overs_to_the_expert_are_never_closer_than_the_dwell(probabilities: list[float]) -> None:
    robot = driven_by_policy()
    taken = [robot.now_s for p in probabilities if (d := robot.step(unsafe=p)).handover and d.source is Driver.EXPERT]
    assert all(later - earlier >= CONTRACT.gate.dwell_s - 1e-9 for earlier, later in itertools.pairwise(taken))


def test_the_gates_logic_loads_no_framework() -> None:
    """It runs beside the robot's driver: it needs neither torch nor ONNX Runtime, OpenCV or rclpy."""
    code = (
        "import sys, il_nodes.gate.gate, il_nodes.gate.pacing\n"
        "print([m for m in ('torch','onnxruntime','cv2','rclpy','pybullet') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
