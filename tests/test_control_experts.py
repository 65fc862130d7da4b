"""Experts made here, at the level of the lecture's."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import SimulationError
from sim.control import TASKS, returns
from sim.control.acrobot import Acrobot
from sim.control.cartpole import CartPole
from sim.control.experts import demonstrate, expert
from sim.control.experts.acrobot import network as searched_network
from sim.control.experts.mountain_car import steps_to_go
from sim.control.experts.search import Network, Search, population_returns, search
from sim.control.mountain_car import MountainCar


@pytest.mark.parametrize(
    ("name", "deck", "episodes"), [("cartpole", 500.0, 100), ("acrobot", -77.4, 40), ("mountain-car", -98.3, 1000)]
)
def test_experts_are_as_good_as_the_decks(name: str, deck: float, episodes: int) -> None:
    """Mean return over starts that no search has seen; a mean of 200 mountain cars is still off by half a step."""
    assert returns(TASKS[name], expert(TASKS[name]), episodes, seed=4_000_000).mean() >= deck


def test_looking_ahead_is_better_than_the_network_alone() -> None:
    """Catches a look at the wrong action, and one at the wrong side of the last step."""
    task = TASKS["acrobot"]
    alone, ahead = (returns(task, act, 20, seed=4_000_000) for act in (searched_network, expert(task)))
    assert ahead.mean() > alone.mean() + 3.0
    assert ahead.min() > -80.0


def test_demonstrations_are_made_again_from_their_seed() -> None:
    one, again, other = (demonstrate(TASKS["mountain-car"], 3, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.observations, again.observations)
    assert not np.array_equal(one.observations[one.starts], other.observations[other.starts])
    assert one.actions is not None
    # Each action leads from its observation to the next one: nothing is off by one.
    before, after = one.pairs
    states, _, _ = TASKS["mountain-car"].step(before.astype(np.float64), one.actions)
    np.testing.assert_allclose(states, after, atol=1e-6)


def test_steps_to_go_are_those_that_the_planner_takes() -> None:
    """The table's promise, at the starts, against what happens: catches a grid that is too coarse."""
    task = MountainCar()
    starts = task.start(np.random.default_rng(0), 50)
    promised = [_steps_from(place) for place in starts[:, 0]]
    act, states, taken = expert(task), starts, np.zeros(50)
    for _ in range(task.horizon):
        going = ~((states[:, 0] >= 0.5) & (states[:, 1] >= 0.0))
        taken += going
        ahead, _, _ = task.step(states, act(task.observe(states)))
        states = np.where(going[:, None], ahead, states)
    assert np.abs(taken - promised).max() < 3.0


def _steps_from(place: float) -> float:
    table = steps_to_go()
    places = np.linspace(-1.2, 0.5, len(table))
    return float(np.interp(place, places, table[:, table.shape[1] // 2]))


def test_a_search_finds_better_policies() -> None:
    """A few generations of poles: catches one that moves away from what was best."""
    found: list[float] = []
    network, few = Network((1.0, 1.0, 0.2, 1.0), 2, 2), Search(generations=8, population=32, elite=6, episodes=4)
    weights = search(CartPole(), network, few, seed=1, progress=lambda _, best: found.append(best))
    assert len(found) == 8
    assert weights.shape == (network.size,)
    assert returns(CartPole(), lambda rows: network.act(weights[None], rows[None])[0], 20, seed=0).mean() > 150.0


def test_populations_are_judged_one_by_one() -> None:
    """Catches weights that are mixed up between the policies of a population."""
    task, random = Acrobot(), np.random.default_rng(0)
    network = Network((1.0,) * 4 + (3.0, 5.0), 3, 3)
    weights, starts = random.normal(size=(4, network.size)), task.start(random, 2)
    together = population_returns(task, network, weights, starts)
    alone = [population_returns(task, network, row[None], starts)[0] for row in weights]
    np.testing.assert_array_equal(together, alone)
    observations = task.observe(starts)
    for row, actions in zip(weights, network.act(weights, np.tile(observations, (4, 1, 1))), strict=True):
        np.testing.assert_array_equal(network.act(row[None], observations[None])[0], actions)


def test_nobody_is_an_expert_of_everything() -> None:
    with pytest.raises(SimulationError, match="no expert of pendulum"):
        expert(TASKS["pendulum"])
