"""Many worlds at once: where episodes end and begin, and what absorbing worlds do."""

from __future__ import annotations

import numpy as np
import pytest

from models.data import FloatArray
from models.errors import SimulationError
from sim.control import TASKS, ControlBatch, returns, roll_out
from sim.control.task import Actions


def push_left(observations: FloatArray) -> Actions:
    return np.zeros(len(observations), np.int64)


def swing(observations: FloatArray) -> Actions:
    """Mountain cars get up by pushing the way they go."""
    return np.where(observations[:, 1] < 0.0, 0, 2)


def test_an_ended_episode_begins_anew_in_the_same_step() -> None:
    """Catches a last observation that is the next episode's first one: learners would see a jump as a transition."""
    batch = ControlBatch(TASKS["cartpole"], 3, seed=0)
    lengths: list[int] = []
    for _ in range(40):
        before = batch.states
        observations, rewards, terminated, truncated = batch.step(push_left(batch.observations))
        led_to, _, ends = batch.task.step(before, np.zeros(3, np.int64))
        np.testing.assert_array_equal(batch.final_observations, batch.task.observe(led_to))
        np.testing.assert_array_equal(terminated, ends)
        assert (np.abs(observations[ends]) <= 0.05).all()
        np.testing.assert_array_equal(observations[~ends], batch.final_observations[~ends])
        np.testing.assert_array_equal(observations, batch.observations)
        assert not truncated.any()
        assert (rewards == 1.0).all()
        np.testing.assert_array_equal(batch.final_returns, batch.final_lengths)
        lengths += list(batch.final_lengths[ends])
    assert len(lengths) >= 9
    # A pole that is always pushed one way falls after eight to eleven steps.
    assert min(lengths) >= 8
    assert max(lengths) <= 11
    assert batch.steps == 120


def test_the_horizon_cuts_off_and_does_not_terminate() -> None:
    batch = ControlBatch(TASKS["mountain-car"], 2, seed=0)
    for time in range(1, 401):
        _, _, terminated, truncated = batch.step(push_left(batch.observations))
        assert not terminated.any()
        assert truncated.all() == (time % 200 == 0) == truncated.any()
        if truncated.any():
            np.testing.assert_array_equal(batch.final_returns, [-200.0, -200.0])


def test_absorbing_worlds_last_the_whole_horizon() -> None:
    """Catches an episode that pays, or moves, after its end, and one that ends early after all."""
    batch = ControlBatch(TASKS["mountain-car"], 4, seed=1, absorbing=True)
    stayed = 0
    for time in range(1, 201):
        before, was = batch.observations, batch.absorbed
        _, rewards, terminated, truncated = batch.step(swing(before))
        assert not terminated.any()
        assert (rewards[was] == 0.0).all()
        assert (rewards[~was] == -1.0).all()
        np.testing.assert_array_equal(batch.final_observations[was], before[was])
        assert (batch.final_observations[batch.final_absorbed, 0] >= 0.5).all()
        assert truncated.all() == (time == 200)
        stayed += int(was.sum())
    assert stayed > 100
    assert (batch.final_returns > -160.0).all()
    assert not batch.absorbed.any()
    assert batch.final_absorbed.all()


def test_equal_seeds_give_equal_worlds_and_others_do_not() -> None:
    first, second, other = (ControlBatch(TASKS["acrobot"], 5, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.observations, second.observations)
    assert not np.array_equal(first.observations, other.observations)


def test_returns_are_those_of_gymnasiums_rules() -> None:
    """A constant push on the pole is worth its few steps, a swinging car gets up, a lazy one stays."""
    poles = returns(TASKS["cartpole"], push_left, 20, seed=0)
    assert poles.shape == (20,)
    assert poles.min() >= 8
    assert poles.max() <= 11
    np.testing.assert_array_equal(returns(TASKS["mountain-car"], push_left, 3, seed=0), [-200.0] * 3)
    cars = roll_out(TASKS["mountain-car"], swing, 20, seed=0)
    assert cars.terminated.all()
    assert -160 < cars.returns.mean() < -110
    np.testing.assert_array_equal(cars.returns, -cars.lengths)


def test_both_sides_of_a_comparison_start_alike() -> None:
    task = TASKS["mountain-car"]
    one, other = (roll_out(task, act, 10, seed=5) for act in (push_left, swing))
    np.testing.assert_array_equal(one.observations[one.starts], other.observations[other.starts])


def test_what_a_batch_cannot_do_is_refused() -> None:
    with pytest.raises(SimulationError, match="a world and a seed"):
        ControlBatch(TASKS["cartpole"], 0, seed=0)
    with pytest.raises(SimulationError, match="no such actions"):
        ControlBatch(TASKS["cartpole"], 2, seed=0).step(np.array([0, 2]))
