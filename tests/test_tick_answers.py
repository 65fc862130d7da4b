"""Which tick is answered, and when a policy node speaks up without one."""

from __future__ import annotations

import pytest

from il_nodes.observation.observed_tick import ObservedTick
from il_nodes.policy.tick_answers import TickAnswers

PERIOD_S, MAX_AGE_S = 0.05, 0.15


def tick(stamp_ns: int) -> ObservedTick:
    return ObservedTick(stamp_ns, None, "unfit")


def answers() -> TickAnswers:
    found = TickAnswers(PERIOD_S, MAX_AGE_S)
    found.restart(0.0)
    return found


def test_the_newest_tick_is_answered_and_the_others_are_told() -> None:
    """Catches a recurrent policy that never sees the frames that were overtaken, and overtaking that is not counted."""
    found = answers()
    assert found.take() == []
    for stamp in (1, 2, 3):
        found.offer(tick(stamp))
    assert [one.stamp_ns for one in found.take()] == [1, 2, 3]
    assert found.overtaken == 2
    assert found.take() == []
    found.offer(tick(4))
    found.restart(1.0)
    assert found.take() == [], "a tick of the last episode"


@pytest.mark.parametrize(
    ("steps", "until_s"),
    # A chunk of one step: half a period of grace. Of two: they last two periods. Of ten: the gate believes 0.15 s.
    [(1, 0.075), (2, 0.1), (10, 0.15)],
)
def test_silence_begins_when_what_was_proposed_is_used_up(steps: int, until_s: float) -> None:
    """Catches an abstention that withdraws a proposal which still bridges a late frame, and one that never comes."""
    found = answers()
    found.proposed(5, steps, 10.0)
    assert not found.is_silent(10.0 + until_s - 1e-3)
    assert found.is_silent(10.0 + until_s + 1e-3)
    found.offer(tick(6))
    assert not found.is_silent(11.0), "there is a tick to answer"
    found.take()
    found.abstained(6, 11.0)
    assert not found.is_silent(11.074)
    assert found.is_silent(11.076)


def test_the_first_frame_of_an_episode_gets_its_time() -> None:
    found = answers()
    assert not found.is_silent(0.074)
    assert found.is_silent(0.076)
    found.restart(5.0)
    assert not found.is_silent(5.074)
    assert found.is_silent(5.076)


def test_stamps_of_abstentions_rise_while_the_clock_stands_still() -> None:
    """FAULTS 28. Catches repeated stamps in a pause, which the gate drops, and stamps that ignore a clock set back."""
    found = answers()
    assert found.silence_stamp_ns(0) == 0, "no clock has been heard yet"
    found.abstained(0, 0.0)
    assert found.silence_stamp_ns(0) == 1
    found.proposed(1_000_000_000, 1, 1.0)
    assert found.silence_stamp_ns(1_020_000_000) == 1_020_000_000
    # The clock stands still at the last proposal, or a little before it: its message comes later than the frame.
    assert found.silence_stamp_ns(1_000_000_000) == 1_000_000_001
    found.abstained(1_000_000_001, 1.1)
    assert found.silence_stamp_ns(990_000_000) == 1_000_000_002
    # Set back by more than that, it counts as it is.
    assert found.silence_stamp_ns(100_000_000) == 100_000_000
