"""When a recurrent state starts anew and how long it warms up, by stamps alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.recurrence import Continuity, is_poisoned

PERIOD_NS = 50_000_000


def _continuity(warm_up_ticks: int = 3) -> Continuity:
    return Continuity(0.05, 0.5, warm_up_ticks)


def _drive(continuity: Continuity, stamp_ns: int, *, starts_memory: bool = False) -> str:
    """One tick, as the runtime takes it."""
    reason = continuity.interruption(stamp_ns, starts_memory=starts_memory)
    if reason:
        continuity.forget(reason)
    continuity.stepped(stamp_ns)
    return reason


@pytest.mark.parametrize("ticks", [0, 1, 5])
def test_the_proposals_of_the_warm_up_do_not_drive(ticks: int) -> None:
    """Catches a warm-up that is one tick too short or too long."""
    continuity = _continuity(ticks)
    assert continuity.is_warm == (ticks == 0)
    warm = []
    for tick in range(ticks + 3):
        _drive(continuity, tick * PERIOD_NS)
        warm.append(continuity.is_warm)
    assert warm == [False] * ticks + [True] * 3


@pytest.mark.parametrize(
    ("elapsed_ns", "starts_memory", "reason", "dropped"),
    [
        (PERIOD_NS, False, "", 0),
        (PERIOD_NS // 2, False, "", 0),
        (75_000_000, False, "", 0),
        (75_000_001, False, "dropped", 1),
        (2 * PERIOD_NS, False, "dropped", 1),
        (4 * PERIOD_NS, False, "dropped", 3),
        (500_000_000, False, "dropped", 9),
        (500_000_001, False, "gap", 0),
        (10**18, False, "gap", 0),
        (0, False, "backwards", 0),
        (-1, False, "backwards", 0),
        (-(10**18), False, "backwards", 0),
        (PERIOD_NS, True, "episode", 0),
        (-PERIOD_NS, True, "episode", 0),
    ],
)
def test_what_does_not_follow_starts_anew(elapsed_ns: int, starts_memory: bool, reason: str, dropped: int) -> None:
    """Catches a state that lives across a missing tick, a pause, a clock that jumped or an episode's start."""
    continuity = _continuity()
    start = 10**18
    for tick in range(5):
        _drive(continuity, start + tick * PERIOD_NS)
    assert continuity.is_warm
    assert _drive(continuity, start + 4 * PERIOD_NS + elapsed_ns, starts_memory=starts_memory) == reason
    assert continuity.is_warm == (not reason)
    assert continuity.dropped_ticks == dropped
    assert dict(continuity.resets) == ({reason: 1} if reason else {})


def test_a_state_that_remembers_nothing_is_not_reset_again() -> None:
    """Catches diagnostics that count every episode twice: once for the node's reset, once for the observation's."""
    continuity = _continuity()
    continuity.forget("asked")
    assert _drive(continuity, 0, starts_memory=True) == ""
    continuity.forget("asked")
    continuity.forget("asked")
    assert _drive(continuity, 10 * PERIOD_NS) == ""
    assert continuity.resets == {"asked": 1}


@given(jitter=st.lists(st.floats(-0.24, 0.24), min_size=2, max_size=60))
def test_a_camera_that_jitters_resets_nothing(jitter: list[float]) -> None:
    """Catches a criterion so narrow that a recurrent policy never gets warm on a real camera."""
    continuity = _continuity()
    reasons = {_drive(continuity, round((tick + late) * PERIOD_NS)) for tick, late in enumerate(jitter)}
    assert reasons == {""}


@pytest.mark.parametrize(
    ("values", "poisoned"),
    [
        ([0.0, 1.0, -1.0], False),
        ([0.0, 1.0001, 0.0], True),
        ([0.0, -1.0001, 0.0], True),
        ([0.0, math.nan, 0.0], True),
        ([math.inf, 0.0, 0.0], True),
        ([0.0, 0.0, -math.inf], True),
    ],
)
def test_poison_is_what_is_not_finite_or_too_large(values: list[float], poisoned: bool) -> None:
    assert is_poisoned(np.array([values], np.float32), 1.0) is poisoned
