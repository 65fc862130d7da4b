"""One observation at a time through buffers: the same numbers, whichever way they take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from policy_samples import SMALL_BUNDLE, STATE, small_observation
from recurrent_samples import speed, write_accumulator

from models.bundle import inspect_bundle
from models.bundle.session import Session


@pytest.mark.parametrize("copies_inputs", [False, True])
def test_bound_answers_are_those_of_a_plain_run(copies_inputs: bool) -> None:
    """Catches buffers of stale inputs, and outputs that a later step overwrites; copying is what a GPU needs."""
    bundle = inspect_bundle(SMALL_BUNDLE)
    session = Session(bundle.content, {}, threads=1)
    graph = session.bind(bundle, "cpu", copies_inputs)
    observations = [small_observation(seed) for seed in range(6)]
    found = [graph.step(observation.arrays) for observation in observations]
    for observation, answer in zip(observations, found, strict=True):
        expected = session.run({key: array[np.newaxis] for key, array in observation.arrays.items()})
        assert answer.action.tobytes() == expected.action.tobytes()
        assert answer.unsafe_probability.tobytes() == expected.unsafe_probability.tobytes()
        assert answer.state is None


@pytest.mark.parametrize("copies_inputs", [False, True])
def test_the_state_stays_where_it_is(tmp_path: Path, copies_inputs: bool) -> None:
    """Catches two state buffers that do not take turns, and a state set into the one that is not read next."""
    bundle = inspect_bundle(write_accumulator(tmp_path / "policy.onnx"))
    graph = Session(bundle.content, {}, threads=1).bind(bundle, "cpu", copies_inputs)
    states = []
    for tick in range(5):
        state = graph.step(speed(1.0, tick).arrays).state
        assert state is not None
        states.append(state[0].tolist())
    assert states == [[tick] * 3 for tick in (1, 2, 3, 4, 5)]
    for steps in (1, 2, 3):
        graph.set_state(np.array([10.0, 20.0, 30.0], np.float32))
        for _ in range(steps):
            state = graph.step(speed(1.0).arrays).state
        assert state is not None
        assert state.tolist() == [[10 + steps, 20 + steps, 30 + steps]]
    graph.set_state(None)
    state = graph.step(speed(0.5).arrays).state
    assert state is not None
    assert state.tolist() == [[0.5] * 3]


@pytest.mark.parametrize("copies_inputs", [False, True])
def test_arrays_that_are_not_contiguous_are_read_right(copies_inputs: bool) -> None:
    """Catches a view of a larger array read as if its bytes lay side by side."""
    bundle = inspect_bundle(SMALL_BUNDLE)
    graph = Session(bundle.content, {}, threads=1).bind(bundle, "cpu", copies_inputs)
    whole = small_observation().arrays
    wide = {key: np.repeat(array, 2, axis=-1)[..., ::2] for key, array in whole.items()}
    assert not wide[STATE].flags.c_contiguous
    assert graph.step(wide).action.tobytes() == graph.step(whole).action.tobytes()


def test_a_batch_with_states_is_answered_row_by_row(tmp_path: Path) -> None:
    """Catches states of a batch mixed up between rows, on which the parity at export rests."""
    session = Session(inspect_bundle(write_accumulator(tmp_path / "policy.onnx")).content, {}, threads=1)
    arrays = {key: np.repeat(array[np.newaxis], 2, axis=0) for key, array in speed(1.0).arrays.items()}
    answers = session.run(arrays, np.array([[1, 1, 1], [4, 5, 6]], np.float32))
    assert answers.state is not None
    assert answers.state.tolist() == [[2, 2, 2], [5, 6, 7]]
    assert answers.action[:, 0, 0].tolist() == [2, 5]
