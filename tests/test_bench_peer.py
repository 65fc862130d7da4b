"""What the comparison with `imitation` could get wrong unnoticed on our side: experts, worlds, frames, control."""

from __future__ import annotations

import numpy as np
import pytest

from bench.interactive.peer import ours
from bench.interactive.peer.order import Order
from bench.interactive.peer.tasks import TASKS, returns

STARTS = tuple(range(20_000, 20_006))


def _order(task: str, algorithm: str, *, control: bool = False) -> Order:
    return Order(task, algorithm, 2, 4, 32, seed=0, starts=STARTS, control=control)


def test_the_experts_are_experts() -> None:
    """Catches a regulator of another sign: a pendulum that never stands costs 1,000 and more."""
    assert returns(TASKS["cartpole"], TASKS["cartpole"].expert, STARTS) == [500.0] * len(STARTS)
    assert np.mean(returns(TASKS["pendulum"], TASKS["pendulum"].expert, range(40))) > -250.0


@pytest.mark.parametrize("name", sorted(TASKS))
def test_our_world_is_gymnasiums(name: str) -> None:
    """Catches forces that are turned into other actions, and returns that are counted otherwise."""
    world, task = ours.GymWorld(name), TASKS[name]
    expert = ours.GymExpert(world)
    found = []
    for seed in STARTS[:2]:
        world.reset(seed)
        while not world.step(expert.action(world.observe())):
            pass
        found.append(world.outcome()["return"])
    world.close()
    assert found == pytest.approx(returns(task, task.expert, STARTS[:2]), rel=1e-5)


@pytest.mark.parametrize("algorithm", ["dagger", "bc"])
def test_both_algorithms_get_the_same_frames(algorithm: str) -> None:
    """Catches cloning that sees a round less, and a control that is the expert."""
    learned = ours.run(_order("cartpole", algorithm))
    assert learned.frames == 2 * TASKS["cartpole"].steps
    assert np.mean(returns(TASKS["cartpole"], learned.act, STARTS)) > 100.0


def test_the_control_learns_nothing_useful() -> None:
    learned = ours.run(_order("cartpole", "dagger", control=True))
    assert max(returns(TASKS["cartpole"], learned.act, STARTS)) < 20.0
