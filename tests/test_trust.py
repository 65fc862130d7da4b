"""Whether the policy may drive: proposals, the safety classifier, latches; each rule and each of its boundaries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gated_robot import CONTRACT, CRUISE, NAMES, PERIOD_NS, Robot, contract, driven_by_policy

from il_nodes.gate.decision import Driver, Reason
from il_nodes.gate.trust import SETTLE_PROPOSALS, Received
from il_nodes.gate.unsafe_monitor import UnsafeMonitor, accepted_hysteresis, accepted_threshold
from models.data import Proposal
from models.errors import DeploymentError


def bad_proposals() -> dict[Reason, list[dict[str, object]]]:
    now = 102 * PERIOD_NS
    return {
        Reason.PROPOSAL_MISMATCH: [
            {"names": NAMES[::-1]},
            {"names": NAMES[:1]},
            {"rows": ((0.1,),)},
            {"rows": ((0.1, 0.1, 0.1),)},
            {"rows": (0.1, 0.1)},
            {"rows": np.empty((0, 2))},
        ],
        Reason.PROPOSAL_NOT_FINITE: [
            {"rows": ((math.nan, 0.0),)},
            {"rows": ((0.0, math.inf),)},
            {"rows": ((0.0, 0.0), (0.0, -math.inf))},
        ],
        Reason.PROPOSAL_FUTURE: [{"stamp_ns": now + 2 * PERIOD_NS}, {"stamp_ns": now + 75_000_001}],
        Reason.PROPOSAL_STALE: [{"stamp_ns": now - 151_000_000}, {"stamp_ns": 0}],
        Reason.PROPOSAL_REPEATED: [{"stamp_ns": now - PERIOD_NS}],
        Reason.PROPOSAL_BACKWARDS: [{"stamp_ns": now - PERIOD_NS - 1}],
    }


@pytest.mark.parametrize(
    ("reason", "bad"), [(reason, bad) for reason, cases in bad_proposals().items() for bad in cases]
)
def test_a_bad_proposal_hands_over_at_once(reason: Reason, bad: dict[str, object]) -> None:
    """FAULTS 4, 6, 7, 8: refused, counted, and the expert's command on this very tick, not the old proposal's."""
    robot = driven_by_policy()
    robot.tick += 1
    robot.expert((0.5, 0.2))
    actions = np.array(bad.get("rows", (CRUISE,)), np.float32)
    proposal = Proposal(bad.get("stamp_ns", robot.clock_ns), actions, 0.0, bad.get("names", NAMES))  # type: ignore[arg-type]
    # A chunk that would still have had a row for this tick does not help either.
    assert robot.gate.offer_proposal(proposal, robot.clock_ns, robot.now_s) is reason
    decision = robot.decide()
    assert (decision.source, decision.reason) == (Driver.EXPERT, reason)
    assert decision.command.tolist() == pytest.approx([0.5, 0.2])
    assert robot.gate.counts[f"refused.{reason}"] == 1


def test_a_stamp_slightly_ahead_of_the_clock_is_no_future() -> None:
    """The clock's message of this tick may arrive after the frame's."""
    robot = Robot()
    robot.tick += 1
    assert robot.propose(stamp_ns=robot.clock_ns + PERIOD_NS) is None
    assert robot.propose(stamp_ns=robot.clock_ns + 3 * PERIOD_NS // 2) is None, "the limit itself"


def test_unreadable_proposal_counts_as_a_bad_one() -> None:
    robot = driven_by_policy()
    robot.tick += 1
    robot.expert()
    assert robot.gate.expects_policy(robot.now_s)
    robot.gate.refuse_proposal(Reason.PROPOSAL_UNREADABLE)
    assert not robot.gate.expects_policy(robot.now_s), "a gate that waits for a policy it does not trust"
    assert robot.decide().reason is Reason.PROPOSAL_UNREADABLE
    assert robot.gate.counts["refused.proposal_unreadable"] == 1


def test_a_proposal_as_old_as_the_limit_is_accepted() -> None:
    """Limits are often whole ticks; rounding must not decide about them."""
    robot = Robot()
    assert robot.propose(*[CRUISE] * 9, stamp_ns=robot.clock_ns - 150_000_000) is None
    assert robot.propose(*[CRUISE] * 9, stamp_ns=robot.clock_ns - 149_000_000) is None
    assert robot.decide().source is Driver.POLICY


def test_rounding_is_a_millionth_of_a_second() -> None:
    """More would make limits soft, less would let a float decide."""
    message = Proposal(0, np.zeros((1, 2), np.float32), 0.0, NAMES)
    received = Received.at(message, 100_000_000, 50.0)
    assert not received.is_older(0.1 - 0.8e-6, 50.0)
    assert received.is_older(0.1 - 1.2e-6, 50.0)
    assert received.age_s(49.0) == pytest.approx(0.1), "a clock that went back makes nothing younger"
    assert received.age_s(50.25) == pytest.approx(0.35)
    assert Received.at(message, -5, 50.0).age_s(50.0) == 0.0, "ahead of the clock is not older than now"


def test_control_comes_back_only_after_some_good_proposals_in_a_row() -> None:
    """A policy that fails every other tick must not toss the robot to and fro at every tick."""
    robot = driven_by_policy()
    robot.tick += 1
    robot.expert()
    robot.propose((math.nan, 0.0))
    assert robot.decide().source is Driver.EXPERT
    drivers = [robot.step().source for _ in range(SETTLE_PROPOSALS)]
    assert drivers == [Driver.EXPERT] * (SETTLE_PROPOSALS - 1) + [Driver.POLICY]


def test_a_chunk_is_followed_by_elapsed_ticks_and_then_used_up() -> None:
    """Row = whole periods since the stamp; the tick behind the last row is the expert's."""
    robot = Robot()
    robot.tick += 1
    robot.expert()
    robot.propose((0.1, 0.0), (0.2, 0.0), (0.3, 0.0))
    seen = []
    for _ in range(4):
        seen.append(robot.decide())
        robot.tick += 1
        robot.expert()
    assert [decision.row for decision in seen] == [0, 1, 2, -1]
    assert [float(decision.command[0]) for decision in seen[:3]] == pytest.approx([0.1, 0.2, 0.3])
    assert seen[0].stamp_ns == seen[2].stamp_ns
    assert seen[3].reason is Reason.CHUNK_USED_UP


def test_a_long_chunk_does_not_outlive_the_age_limit() -> None:
    """150 ms are the contract's limit: the row for 200 ms exists and must not be used."""
    robot = Robot()
    robot.tick += 1
    robot.propose(*[CRUISE] * 20)
    robot.tick += 3
    robot.expert()
    assert robot.decide().source is Driver.POLICY
    robot.tick += 1
    robot.expert()
    assert robot.decide().reason is Reason.PROPOSAL_STALE


def test_age_limit_holds_where_it_is_shorter_than_a_period() -> None:
    """20 ms at 20 Hz: usable at once, not 30 ms later; and a policy on time is trusted on every tick."""
    robot = Robot(contract(proposal_max_age_s=0.02))
    assert robot.step().source is Driver.POLICY
    assert robot.step().source is Driver.POLICY
    late = robot.gate.decide(robot.clock_ns, robot.now_s + 0.03)
    assert late.reason is Reason.PROPOSAL_STALE


def test_age_counts_the_stamp_and_the_monotonic_clock() -> None:
    """A robot clock that stands still must not keep a proposal young: FAULTS 28."""
    robot = Robot()
    robot.propose(*[CRUISE] * 20, stamp_ns=robot.clock_ns - 50_000_000)
    robot.expert()
    decision = robot.gate.decide(robot.clock_ns, robot.now_s + 0.04)
    assert decision.proposal_age_s == pytest.approx(0.09)
    assert decision.row == 1
    paused = robot.gate.decide(robot.clock_ns, robot.now_s + 0.12)
    assert paused.reason is Reason.PROPOSAL_STALE


@pytest.mark.parametrize("probability", [0.5000001, 1.0])
def test_unsafe_hands_over(probability: float) -> None:
    robot = driven_by_policy()
    assert robot.step(unsafe=probability).reason is Reason.UNSAFE
    assert not robot.gate.expects_policy(robot.now_s)


@pytest.mark.parametrize("probability", [0.0, 0.4, 0.5])
def test_up_to_the_threshold_the_policy_keeps_the_wheel(probability: float) -> None:
    robot = driven_by_policy()
    assert robot.step(unsafe=probability).source is Driver.POLICY


@pytest.mark.parametrize("probability", [math.nan, math.inf, -math.inf, -0.001, 1.001])
def test_what_is_no_probability_counts_as_unsafe(probability: float) -> None:
    """FAULTS 9."""
    robot = driven_by_policy()
    assert robot.step(unsafe=probability).reason is Reason.UNSAFE_INVALID


def test_hysteresis_and_dwell() -> None:
    """Back only below threshold - hysteresis, and not before the dwell time: each alone is not enough."""
    monitor = UnsafeMonitor(threshold=0.5, hysteresis=0.1, dwell_s=0.5)
    monitor.update(0.6, 10.0)
    monitor.update(0.0, 10.49)
    assert monitor.reason is Reason.UNSAFE
    monitor.update(0.45, 11.0)
    assert monitor.reason is Reason.UNSAFE
    monitor.update(0.4, 11.0)
    assert monitor.reason is None
    monitor.update(0.45, 11.1)
    assert monitor.reason is None
    monitor.update(0.9, 11.2)
    monitor.reset()
    assert monitor.reason is None
    monitor.update(0.6, 20.0)
    monitor.update(0.6, 20.25)
    monitor.update(0.0, 20.5)
    assert monitor.reason is None, "the dwell is over, and counts from the first alarm"


def test_chatter_is_bounded() -> None:
    """FAULTS 10: a classifier that flips every tick for ten seconds gives at most one hand-over each half second."""
    robot = driven_by_policy()
    handovers = sum(robot.step(unsafe=float(tick % 2)).handover for tick in range(200))
    assert 0 < handovers <= 2 * (10.0 / 0.5) + 1


def test_unsafe_is_watched_while_the_expert_drives() -> None:
    """Otherwise a policy enabled in an unsafe place would drive for one tick."""
    robot = Robot(policy_enabled=False)
    robot.step(unsafe=0.9)
    robot.gate.enable_policy()
    assert robot.step(unsafe=0.45).reason is Reason.UNSAFE


def test_a_policy_that_falls_silent_while_unsafe_is_no_longer_merely_unsafe() -> None:
    """Between two of the policy's ticks it is not stale, whatever the age limit; after one and a half periods it is."""
    robot = Robot(contract(proposal_max_age_s=0.02))
    robot.step()
    assert robot.step(unsafe=0.9).reason is Reason.UNSAFE
    assert robot.step(unsafe=None).reason is Reason.UNSAFE
    assert robot.step(unsafe=None).reason is Reason.PROPOSAL_STALE


def test_the_loosest_threshold_of_all() -> None:
    assert accepted_threshold(CONTRACT, 1.0, allow_looser=True) == 1.0


@pytest.mark.parametrize(("wanted", "expected"), [(None, 0.5), (0.2, 0.2), (0.5, 0.5), (0.001, 0.001)])
def test_stricter_thresholds_are_accepted(wanted: float | None, expected: float) -> None:
    assert accepted_threshold(CONTRACT, wanted) == expected


@pytest.mark.parametrize("wanted", [-0.1, 0.0, 1.1, math.nan, math.inf])
def test_a_threshold_that_is_no_probability_is_refused(wanted: float) -> None:
    with pytest.raises(DeploymentError) as caught:
        accepted_threshold(CONTRACT, wanted, allow_looser=True)
    assert caught.value.problem == "unsafe_threshold has to be a probability, and at 0 a policy could never come back"
    assert str(caught.value.found) == str(wanted)
    assert caught.value.expected == "above 0, up to 1"
    assert caught.value.fix == "enable_policy: false keeps the policy away"


@pytest.mark.parametrize(
    ("own", "threshold", "expected"),
    [
        (0.1, 0.5, 0.1),
        (0.1, 1.0, 0.1),
        (0.1, 0.3, 0.1),
        (0.1, 0.1, 0.05),
        (0.1, 0.05, 0.025),
        (0.4, 0.5, 0.4),
        (0.4, 1.0, 0.4),
        (0.4, 0.25, 0.2),
        (0.4, 0.45, 0.36),
        (0.0, 0.25, 0.0),
    ],
)
def test_the_hysteresis_of_a_stricter_threshold(own: float, threshold: float, expected: float) -> None:
    """There is room below the threshold, and never more than the contract leaves below its own."""
    spec = contract(hysteresis=own)
    found = accepted_hysteresis(spec, threshold)
    assert found == pytest.approx(expected)
    assert 0.0 < threshold - found <= max(threshold, 0.5) - own


def test_a_policy_comes_back_under_the_strictest_threshold() -> None:
    """Would catch a gate that waits for a probability below zero: nobody could bring the policy back, ever."""
    robot = driven_by_policy(unsafe_threshold=0.05)
    assert robot.step(unsafe=0.06).reason is Reason.UNSAFE
    assert {robot.step(unsafe=0.03).reason for _ in range(15)} == {Reason.UNSAFE}
    assert robot.step(unsafe=0.02).source is Driver.POLICY


def test_a_looser_threshold_needs_so_many_words() -> None:
    """FAULTS 30."""
    with pytest.raises(DeploymentError) as caught:
        accepted_threshold(CONTRACT, 0.6)
    assert str(caught.value).splitlines() == [
        "unsafe_threshold would make the gate looser than the robot's contract",
        "  found:    0.6",
        "  expected: at most 0.5, the contract's gate.threshold",
        "  to do:    lower it, or set allow_looser_threshold: true if you mean it",
    ]
    assert accepted_threshold(CONTRACT, 0.6, allow_looser=True) == 0.6
    robot = driven_by_policy(unsafe_threshold=0.3)
    assert robot.step(unsafe=0.35).reason is Reason.UNSAFE


def test_takeover_holds_until_released_and_enabled() -> None:
    """The policy never takes control back by itself."""
    robot = driven_by_policy()
    assert not robot.gate.is_taken_over
    robot.gate.take_over()
    assert robot.gate.is_taken_over
    assert robot.step().reason is Reason.TAKEOVER
    assert robot.gate.enable_policy() is Reason.TAKEOVER
    assert robot.step().source is Driver.EXPERT
    robot.gate.release()
    assert not robot.gate.is_taken_over
    assert [robot.step().reason for _ in range(50)] == [Reason.TAKEOVER] * 50
    assert robot.gate.enable_policy() is None
    assert robot.step().source is Driver.POLICY


def test_a_hung_policy_does_not_come_back_by_itself() -> None:
    """FAULTS 1 and 2: expert on the next tick; after the silence limit it stays so until somebody enables it."""
    robot = driven_by_policy()
    silent = [robot.step(unsafe=None) for _ in range(25)]
    assert {decision.source for decision in silent} == {Driver.EXPERT}
    assert silent[0].reason is Reason.CHUNK_USED_UP
    assert silent[-1].latched is Reason.POLICY_SILENT
    assert robot.gate.latched is Reason.POLICY_SILENT
    assert {robot.step().source for _ in range(20)} == {Driver.EXPERT}
    assert robot.decide().reason is Reason.POLICY_SILENT
    robot.gate.enable_policy()
    assert robot.step(unsafe=None).latched is None, "enabled, and latched again for the silence before"
    assert Driver.POLICY in {robot.step().source for _ in range(SETTLE_PROPOSALS)}


def test_enabling_after_a_crash_does_not_count_the_silence_before() -> None:
    """The policy is started again and still loading when it is enabled: its last proposal is old, and that is past."""
    robot = driven_by_policy()
    for _ in range(30):
        robot.step(unsafe=None)
    assert robot.gate.latched is Reason.POLICY_SILENT
    robot.gate.policy_restarted()
    robot.gate.enable_policy()
    assert {robot.step(unsafe=None).latched for _ in range(30)} == {None}
    assert Driver.POLICY in {robot.step().source for _ in range(SETTLE_PROPOSALS)}


def test_silence_after_a_takeover_is_still_a_takeover() -> None:
    robot = driven_by_policy()
    robot.gate.take_over()
    assert {robot.step(unsafe=None).latched for _ in range(30)} == {Reason.TAKEOVER}


def test_a_short_silence_is_forgiven() -> None:
    robot = driven_by_policy()
    for _ in range(19):
        robot.step(unsafe=None)
    assert robot.step(unsafe=None).latched is None
    assert Driver.POLICY in {robot.step().source for _ in range(SETTLE_PROPOSALS)}


def test_enabling_does_not_start_the_silence_watch() -> None:
    """A policy that is still loading when it is enabled is not hung."""
    robot = Robot()
    assert {robot.step(unsafe=None).latched for _ in range(100)} == {None}
    assert robot.step().source is Driver.POLICY


def test_a_restarted_policy_process_is_latched_only_if_it_was_trusted() -> None:
    robot = Robot()
    robot.gate.policy_restarted()
    robot.step()
    assert robot.decide().latched is None
    robot.gate.policy_restarted()
    assert robot.step().reason is Reason.POLICY_RESTARTED
    robot.gate.take_over()
    robot.gate.policy_restarted()
    assert robot.gate.latched is Reason.TAKEOVER


def test_a_process_that_is_replaced_between_two_episodes_does_not_drive_by_itself() -> None:
    """Catches a policy that crashes on the episode's start, before its first proposal, and is started again."""
    robot = driven_by_policy()
    robot.gate.start_episode()
    robot.gate.policy_restarted()
    assert {robot.step().reason for _ in range(5)} == {Reason.POLICY_RESTARTED}


def test_a_proposal_that_was_on_its_way_when_the_episode_began_does_not_drive() -> None:
    """It answers a camera frame of another place; that it comes late is no fault of the policy, which goes on."""
    robot = driven_by_policy()
    before_ns = robot.clock_ns + PERIOD_NS // 2
    robot.tick += 1
    robot.expert()
    robot.gate.start_episode(robot.clock_ns - 1)
    assert robot.propose(stamp_ns=before_ns) is Reason.PROPOSAL_STALE
    assert robot.decide().reason is Reason.PROPOSAL_MISSING
    assert robot.step().source is Driver.POLICY


def test_a_new_episode_forgets_proposals_but_no_latch() -> None:
    robot = driven_by_policy()
    robot.step()
    robot.gate.start_episode()
    assert robot.decide().reason is Reason.PROPOSAL_MISSING
    assert robot.step().source is Driver.POLICY
    robot.gate.take_over()
    robot.gate.start_episode()
    assert robot.step().reason is Reason.TAKEOVER


def test_episodes_do_not_shorten_the_dwell() -> None:
    """Would catch an episode topic that lifts the bound on hand-overs of a chattering classifier."""
    robot = driven_by_policy()
    handovers, ticks = 0, 200
    for index in range(ticks):
        if index % 2 == 0:
            robot.gate.start_episode()
        handovers += robot.step(unsafe=0.9 if index % 2 == 0 else 0.1).handover
    bound = ticks * robot.gate.contract.period_s / robot.gate.contract.gate.dwell_s
    assert handovers <= 2 * bound + 1
