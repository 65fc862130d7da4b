"""Silence, abstentions, and two policies at once: when a process that proposes counts as hung, and when it does not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gated_robot import NAMES, PERIOD_NS, Robot, driven_by_policy

from il_nodes.gate.decision import Driver, Reason
from il_nodes.gate.trust import SETTLE_PROPOSALS
from models.data import Proposal

SECOND = 20  # ticks; the silence limit is one second


def silent(robot: Robot, ticks: int) -> list[Reason | None]:
    return [robot.step(unsafe=None).latched for _ in range(ticks)]


def test_a_policy_that_hangs_at_the_start_of_an_episode_is_latched() -> None:
    """Before its first proposal of the episode there is none that could grow old."""
    robot = driven_by_policy()
    robot.tick += 1
    robot.decide()
    robot.gate.start_episode(robot.clock_ns)
    assert silent(robot, SECOND) == [None] * SECOND
    assert silent(robot, 2) == [Reason.POLICY_SILENT] * 2
    assert {robot.step().source for _ in range(10)} == {Driver.EXPERT}


def test_a_policy_that_still_loads_when_an_episode_begins_is_not_hung() -> None:
    robot = Robot()
    robot.decide()
    robot.gate.start_episode(robot.clock_ns)
    assert silent(robot, 3 * SECOND) == [None] * 3 * SECOND
    assert robot.step().source is Driver.POLICY


def test_between_two_episodes_a_policy_may_be_silent() -> None:
    """Nothing is observed while a simulator closes a bag and builds the next track."""
    robot = driven_by_policy()
    robot.gate.end_episode(robot.clock_ns)
    assert silent(robot, 3 * SECOND) == [None] * 3 * SECOND
    robot.gate.start_episode(robot.clock_ns)
    assert robot.step().source is Driver.POLICY


def test_a_proposal_after_the_end_of_an_episode_is_watched_again() -> None:
    """On a robot whose sensors know nothing of episodes the policy goes on, and may hang there too."""
    robot = driven_by_policy()
    robot.gate.end_episode(robot.clock_ns)
    robot.step()
    assert silent(robot, SECOND + 1)[-1] is Reason.POLICY_SILENT


def test_a_late_proposal_of_the_last_episode_starts_no_watch() -> None:
    robot = driven_by_policy()
    stamp_ns = robot.clock_ns
    robot.tick += 1
    robot.gate.end_episode(robot.clock_ns)
    assert robot.propose(stamp_ns=stamp_ns + 1) is Reason.PROPOSAL_STALE
    assert robot.abstain(stamp_ns=stamp_ns + 2) is Reason.PROPOSAL_STALE
    assert silent(robot, 2 * SECOND) == [None] * 2 * SECOND


def test_a_policy_that_hangs_when_it_is_enabled_is_latched_again() -> None:
    """Its process is there and had proposed: it will come back some time, and must not drive then unasked."""
    robot = Robot(policy_enabled=False)
    robot.step()
    robot.gate.enable_policy()
    assert silent(robot, SECOND + 1)[-1] is Reason.POLICY_SILENT


def test_a_process_that_is_gone_is_not_silent() -> None:
    robot = Robot(policy_enabled=False)
    robot.step()
    robot.gate.policy_restarted()
    robot.gate.enable_policy()
    assert silent(robot, 2 * SECOND) == [None] * 2 * SECOND
    assert robot.step().source is Driver.EXPERT
    assert {robot.step().source for _ in range(SETTLE_PROPOSALS - 1)} == {Driver.EXPERT, Driver.POLICY}


def test_an_untrusted_process_that_goes_while_watched_is_not_silent_either() -> None:
    robot = Robot(policy_enabled=False)
    robot.step()
    robot.gate.enable_policy()
    robot.gate.policy_restarted()
    assert silent(robot, 2 * SECOND) == [None] * 2 * SECOND


def test_silence_begins_anew_with_a_clock_that_went_back() -> None:
    robot = driven_by_policy()
    robot.tick = 5
    assert silent(robot, SECOND - 1) == [None] * (SECOND - 1)
    assert silent(robot, 4)[-1] is Reason.POLICY_SILENT


def test_exactly_the_limit_is_no_silence_yet() -> None:
    """In seconds that floats hold exactly: the limit itself is still forgiven."""
    robot = Robot(silence_s=2.0)
    robot.tick = 160
    robot.propose()
    robot.tick = 200
    assert robot.decide().latched is None
    robot.tick = 201
    assert robot.decide().latched is Reason.POLICY_SILENT


def test_an_abstention_is_alive_but_unfit() -> None:
    """A missing sensor: the expert drives, nobody is latched, and the policy comes back with the sensor."""
    robot = driven_by_policy()
    for _ in range(3 * SECOND):
        robot.tick += 1
        robot.expert()
        assert robot.abstain() is Reason.PROPOSAL_ABSTAINED
        decision = robot.decide()
        assert (decision.source, decision.reason, decision.latched) == (Driver.EXPERT, Reason.PROPOSAL_ABSTAINED, None)
    assert robot.gate.counts["refused.proposal_abstained"] == 3 * SECOND
    drivers = [robot.step().source for _ in range(SETTLE_PROPOSALS)]
    assert drivers == [Driver.EXPERT] * (SETTLE_PROPOSALS - 1) + [Driver.POLICY]


def test_abstentions_alone_are_no_proposals() -> None:
    """They begin no watch and earn no trust: nothing has driven that could hang."""
    robot = Robot()
    robot.abstain()
    assert silent(robot, 2 * SECOND) == [None] * 2 * SECOND
    robot.abstain()
    robot.gate.policy_restarted()
    assert silent(robot, 2 * SECOND) == [None] * 2 * SECOND


@pytest.mark.parametrize("late_ns", [0, 1], ids=["repeated", "backwards"])
def test_a_replayed_abstention_is_no_sign_of_life(late_ns: int) -> None:
    robot = driven_by_policy()
    robot.tick += 1
    robot.abstain()
    stamp_ns = robot.clock_ns
    robot.tick += 1
    wanted = Reason.PROPOSAL_BACKWARDS if late_ns else Reason.PROPOSAL_REPEATED
    assert robot.abstain(stamp_ns=stamp_ns - late_ns) is wanted
    assert silent(robot, SECOND - 1) == [None] * (SECOND - 1)
    assert silent(robot, 1) == [Reason.POLICY_SILENT]


def test_an_abstention_by_the_clock_does_not_turn_the_next_proposal_away() -> None:
    """It is stamped now, and the proposal behind it with the older frame that it answers."""
    robot = driven_by_policy()
    robot.tick += 2
    robot.expert()
    assert robot.abstain() is Reason.PROPOSAL_ABSTAINED
    assert robot.propose(stamp_ns=robot.clock_ns - PERIOD_NS // 2) is None
    assert robot.abstain(stamp_ns=robot.clock_ns + 1) is Reason.PROPOSAL_ABSTAINED


@pytest.mark.parametrize(("ahead_ns", "reason"), [(76_000_000, "from_the_future"), (-160_000_000, "stale")])
def test_an_abstention_of_another_time_is_refused_as_a_proposal_would_be(ahead_ns: int, reason: str) -> None:
    robot = Robot()
    assert robot.abstain(stamp_ns=robot.clock_ns + ahead_ns) == f"proposal_{reason}"


def test_one_number_among_nan_is_no_abstention() -> None:
    robot = driven_by_policy()
    robot.tick += 1
    rows = np.full((2, 2), math.nan, np.float32)
    rows[1, 1] = 0.5
    refusal = robot.gate.offer_proposal(Proposal(robot.clock_ns, rows, 0.1, NAMES), robot.clock_ns, robot.now_s)
    assert refusal is Reason.PROPOSAL_NOT_FINITE


def test_two_policies_keep_each_other_away() -> None:
    """Nobody could say whose proposal is followed; with one left, it needs a few good proposals, and no person."""
    robot = driven_by_policy()
    robot.gate.note_proposers(2)
    assert not robot.gate.expects_policy(robot.now_s)
    decisions = [robot.step() for _ in range(5)]
    assert {(one.source, one.reason, one.latched) for one in decisions} == {(Driver.EXPERT, Reason.SECOND_POLICY, None)}
    robot.gate.note_proposers(1)
    drivers = [robot.step().source for _ in range(SETTLE_PROPOSALS)]
    assert drivers == [Driver.EXPERT] * (SETTLE_PROPOSALS - 1) + [Driver.POLICY]


def test_what_two_policies_propose_earns_no_trust() -> None:
    """A crashed process may be seen for twenty seconds beside its successor; when it goes, the successor stays."""
    robot = Robot(policy_enabled=False)
    robot.gate.enable_policy()
    robot.gate.note_proposers(2)
    robot.step()
    robot.gate.policy_restarted()
    robot.gate.note_proposers(1)
    assert {robot.step().latched for _ in range(5)} == {None}
    robot.gate.note_proposers(2)
    robot.step()
    robot.gate.policy_restarted()
    assert robot.step().latched is Reason.POLICY_RESTARTED, "trusted before the other one came"


def test_a_disabled_policy_is_disabled_first_of_all() -> None:
    robot = Robot(policy_enabled=False)
    robot.gate.note_proposers(2)
    assert robot.step().reason is Reason.DISABLED
    robot.gate.note_proposers(0)
    robot.gate.enable_policy()
    assert robot.step().source is Driver.POLICY


def test_nothing_of_two_experts_is_executed() -> None:
    robot = Robot(policy_enabled=False)
    assert robot.step().source is Driver.EXPERT
    robot.gate.note_experts(1)
    assert robot.decide().source is Driver.EXPERT
    robot.gate.note_experts(2)
    decision = robot.decide()
    assert (decision.source, decision.reason) == (Driver.HALT, Reason.SECOND_EXPERT), "what came before is doubtful too"
    assert robot.expert() is Reason.SECOND_EXPERT
    assert robot.gate.counts["refused.second_expert"] == 1
    decision = robot.step()
    assert (decision.source, decision.reason) == (Driver.HALT, Reason.SECOND_EXPERT)
    assert math.isnan(decision.expert_age_s)
    robot.gate.note_experts(1)
    assert robot.decide().reason is Reason.EXPERT_MISSING, "the next command counts, and no earlier one"
    assert robot.step().source is Driver.EXPERT


def test_a_policy_drives_on_beside_two_experts() -> None:
    """It is not the policy whose wish is in doubt; but when it is unsafe, nobody is left who may drive."""
    robot = driven_by_policy()
    robot.gate.note_experts(2)
    assert robot.step().source is Driver.POLICY
    decision = robot.step(unsafe=0.9)
    assert (decision.source, decision.reason, decision.withheld) == (
        Driver.HALT,
        Reason.SECOND_EXPERT,
        Reason.UNSAFE,
    )
    robot.gate.take_over()
    assert robot.step().reason is Reason.SECOND_EXPERT
