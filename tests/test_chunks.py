"""Action chunks: by age, and averaged as ACT does."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.chunks import TemporalEnsemble, age_in_ticks, rows_from
from models.data import FloatArray, Proposal

PERIOD_S = 0.05
PERIOD_NS = 50_000_000
NAMES = ("speed", "turn")


def _proposal(tick: int, rows: Sequence[Sequence[float]], jitter_ns: int = 0, unsafe: float = 0.1) -> Proposal:
    return Proposal(tick * PERIOD_NS + jitter_ns, np.array(rows, np.float32).reshape(len(rows), -1), unsafe, NAMES)


def _reference(history: Sequence[tuple[int, FloatArray]], decay: float) -> FloatArray:
    """The formula as it stands in the paper, tick by tick and dimension by dimension."""
    now = history[-1][0]
    rows = []
    for target in range(now, max(tick + len(chunk) for tick, chunk in history)):
        said = [chunk[target - tick] for tick, chunk in history if target - tick < len(chunk)]
        weights = [math.exp(-decay * index) for index in range(len(said))]
        rows.append(sum(w * a.astype(np.float64) for w, a in zip(weights, said, strict=True)) / sum(weights))
    return np.array(rows, np.float32)


values = st.floats(-8.0, 8.0, width=32)
chunk_rows = st.lists(st.tuples(values, values), min_size=1, max_size=6)
steps = st.tuples(st.integers(1, 4), st.integers(-12_000_000, 12_000_000), chunk_rows)


@given(history=st.lists(steps, min_size=1, max_size=12), decay=st.floats(0.0, 3.0))
def test_equals_the_papers_formula(history: list[tuple[int, int, list[tuple[float, float]]]], decay: float) -> None:
    """Catches a wrong order of weights, a chunk shifted by a tick that was dropped or came late, a forgotten row."""
    ensemble = TemporalEnsemble(PERIOD_S, decay)
    tick, told = 0, []
    for steps_on, jitter_ns, rows in history:
        tick += steps_on
        proposal = _proposal(tick, rows, jitter_ns)
        told.append((tick, proposal.actions))
        found = ensemble.add(proposal)
        np.testing.assert_allclose(found.actions, _reference(told, decay), rtol=1e-6, atol=1e-6)
        assert (found.stamp_ns, found.names, found.unsafe_probability) == (proposal.stamp_ns, NAMES, 0.1)


@given(history=st.lists(st.tuples(st.integers(1, 3), chunk_rows), min_size=1, max_size=10))
def test_averages_stay_within_limits(history: list[tuple[int, list[tuple[float, float]]]]) -> None:
    """Catches rounding that carries an average of values at a limit beyond it: the gate would count it as clamped."""
    ensemble = TemporalEnsemble(PERIOD_S)
    everything = np.concatenate([np.array(rows, np.float32) for _, rows in history])
    tick = 0
    for steps_on, rows in history:
        tick += steps_on
        actions = ensemble.add(_proposal(tick, rows)).actions
        assert actions.dtype == np.float32
        assert (actions >= everything.min(axis=0)).all()
        assert (actions <= everything.max(axis=0)).all()


@given(rows=st.lists(st.tuples(values, values), min_size=1, max_size=20))
def test_a_horizon_of_one_changes_nothing(rows: list[tuple[float, float]]) -> None:
    """Catches an average with what was meant for another tick: these bytes must come through."""
    ensemble = TemporalEnsemble(PERIOD_S)
    for tick, row in enumerate(rows):
        proposal = _proposal(tick, [row])
        assert ensemble.add(proposal).actions.tobytes() == proposal.actions.tobytes()
        assert len(ensemble) == 1


@given(jitters=st.lists(st.integers(-24_000_000, 24_000_000), min_size=2, max_size=30))
def test_jitter_below_half_a_tick_shifts_nothing(jitters: list[int]) -> None:
    """Catches ages that add up rounding: every chunk says when its row is meant for, so all agree."""
    ensemble = TemporalEnsemble(PERIOD_S)
    for tick, jitter in enumerate(jitters):
        stamp = tick * PERIOD_NS + jitter // 2
        found = ensemble.add(Proposal(stamp, np.array([[tick + row, 0] for row in range(5)], np.float32), 0.0, NAMES))
        np.testing.assert_allclose(found.actions[:, 0], tick + np.arange(5), atol=1e-5)


def test_a_camera_slower_than_the_contract_is_followed_by_its_stamps() -> None:
    """Catches ticks counted by messages: at 1.4 periods a message, five messages are seven ticks."""
    ensemble = TemporalEnsemble(PERIOD_S)
    for message in range(20):
        now = 1.4 * message
        rows = np.array([[now + row, 0] for row in range(10)], np.float32)
        found = ensemble.add(Proposal(round(now * PERIOD_NS), rows, 0.0, NAMES))
        np.testing.assert_allclose(found.actions[0, 0], now, atol=0.5)


def test_decay_prefers_the_older() -> None:
    """Catches weights the wrong way round: ACT's ``i = 0`` is the oldest."""
    for decay, expected in ((0.0, 0.5), (1.0, 1.0 / (1.0 + math.exp(-1.0)))):
        ensemble = TemporalEnsemble(PERIOD_S, decay)
        ensemble.add(_proposal(0, [[9, 9], [1, 1]]))
        assert ensemble.add(_proposal(1, [[0, 0], [0, 0]])).actions[0, 0] == pytest.approx(expected)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_comes_through_and_is_not_remembered(bad: float) -> None:
    """Catches old chunks that hide from the gate that the policy has failed, and a NaN that lives on in averages."""
    ensemble = TemporalEnsemble(PERIOD_S)
    ensemble.add(_proposal(0, [[1, 1], [2, 2], [3, 3]]))
    failed = _proposal(1, [[0, 0], [bad, 0], [0, 0]])
    assert ensemble.add(failed) is failed
    np.testing.assert_allclose(ensemble.add(_proposal(2, [[3, 3], [4, 4], [5, 5]])).actions[:, 0], [3, 4, 5])


def test_backward_stamps_and_other_dimensions_start_anew() -> None:
    """Catches chunks of another episode or of another robot's policy mixed into this one's."""
    rows = [[1, 1], [1, 1], [1, 1]]
    for follower in (
        _proposal(3, [[5, 5]] * 3),
        Proposal(5 * PERIOD_NS, np.full((3, 1), 5, np.float32), 0.1, ("speed",)),
        Proposal(5 * PERIOD_NS, np.full((3, 2), 5, np.float32), 0.1, ("turn", "speed")),
    ):
        ensemble = TemporalEnsemble(PERIOD_S)
        ensemble.add(_proposal(4, rows))
        assert ensemble.add(follower).actions.tobytes() == follower.actions.tobytes()
        assert len(ensemble) == 1


def test_a_repeated_stamp_replaces() -> None:
    """Catches one tick that votes twice."""
    ensemble = TemporalEnsemble(PERIOD_S, 0.0)
    ensemble.add(_proposal(0, [[0, 0], [0, 0]]))
    ensemble.add(_proposal(1, [[9, 9], [9, 9]]))
    assert ensemble.add(_proposal(1, [[2, 2], [2, 2]])).actions.tolist() == [[1, 1], [2, 2]]


def test_reset_forgets() -> None:
    ensemble = TemporalEnsemble(PERIOD_S)
    ensemble.add(_proposal(0, [[1, 1], [1, 1]]))
    ensemble.reset()
    assert ensemble.add(_proposal(1, [[5, 5]])).actions.tolist() == [[5, 5]]


def test_memory_is_bounded() -> None:
    """Catches a list that grows for as long as the robot runs."""
    few, many = TemporalEnsemble(PERIOD_S, limit=3), TemporalEnsemble(PERIOD_S)
    for tick in range(500):
        few.add(_proposal(tick, [[1, 1]] * 8))
        many.add(_proposal(tick, [[1, 1]] * 8))
    assert len(few) == 3
    assert len(many) == 8


@pytest.mark.parametrize(
    ("now_ns", "first"),
    [(-10, 0), (0, 0), (24_999_999, 0), (25_000_000, 1), (50_000_000, 1), (130_000_000, 3), (190_000_000, None)],
)
def test_receding_horizon_takes_the_row_that_is_meant_for_now(now_ns: int, first: int | None) -> None:
    rows = rows_from(_proposal(0, [[0, 0], [1, 0], [2, 0], [3, 0]]), now_ns, PERIOD_S)
    assert rows[:, 0].tolist() == ([] if first is None else list(range(first, 4)))


@given(stamp=st.integers(0, 2**62), ticks=st.integers(-1000, 1000), period=st.integers(1, 10**9))
def test_ages_are_exact_for_any_clock(stamp: int, ticks: int, period: int) -> None:
    """Catches nanoseconds since 1970 put through a float, which has no room for them."""
    assert age_in_ticks(stamp, stamp + ticks * period, period) == ticks


@pytest.mark.parametrize(
    "arguments",
    [(0.0, 0.1, 1), (math.nan, 0.1, 1), (0.05, -1.0, 1), (0.05, math.nan, 1), (0.05, math.inf, 1), (0.05, 0.1, 0)],
)
def test_nonsense_is_refused(arguments: tuple[float, float, int]) -> None:
    with pytest.raises(ValueError, match="no ensemble"):
        TemporalEnsemble(*arguments)
