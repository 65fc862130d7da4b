"""Policy optimisation: its parts against what they stand for, and the whole on tasks that it has to solve."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.errors import TrainingError
from models.reinforcement import Collector, Ppo, PpoConfig
from models.reinforcement.actor import make_actor
from models.reinforcement.advantages import generalised_advantages
from models.reinforcement.critic import Critic
from models.reinforcement.novelty import Novelty
from models.reinforcement.statistics import RunningStatistics
from sim.control import TASKS, ControlBatch, returns

DISCOUNT, TRACE = 0.9, 0.7


def _direct(
    rewards: np.ndarray, values: np.ndarray, following: np.ndarray, ends: np.ndarray, step: int, env: int
) -> float:
    """``Σ_k (γλ)^k δ_{t+k}`` by its definition."""
    total = 0.0
    for later in range(step, len(rewards)):
        error = rewards[later, env] + DISCOUNT * following[later, env] - values[later, env]
        total += (DISCOUNT * TRACE) ** (later - step) * error
        if ends[later, env]:
            break
    return total


@pytest.mark.parametrize("ended_value", [0.0, 3.0])
def test_advantages_are_the_sum_that_defines_them(ended_value: float) -> None:
    """Catches sums across an episode's end, a cut-off that counts as an end, and an end with the critic's value."""
    random = np.random.default_rng(0)
    rewards, values, following = random.normal(size=(3, 30, 4))
    terminated = random.random((30, 4)) < 0.1
    truncated = (random.random((30, 4)) < 0.1) & ~terminated
    found = generalised_advantages(
        rewards,
        values,
        following,
        terminated,
        truncated,
        discount=DISCOUNT,
        trace=TRACE,
        ended_value=ended_value,
    )
    after = np.where(terminated, ended_value, following)
    for step in range(30):
        for env in range(4):
            wanted = _direct(rewards, values, after, terminated | truncated, step, env)
            assert found[step, env] == pytest.approx(wanted)
    assert terminated.any()
    assert truncated.any()


def test_without_a_critic_and_with_full_traces_advantages_are_discounted_returns() -> None:
    rewards = np.array([[1.0], [2.0], [4.0]])
    nothing, never = np.zeros((3, 1)), np.zeros((3, 1), np.bool_)
    ends = np.array([[False], [False], [True]])
    found = generalised_advantages(rewards, nothing, nothing, ends, never, discount=0.5, trace=1.0)
    assert found[:, 0].tolist() == [1.0 + 0.5 * 2.0 + 0.25 * 4.0, 2.0 + 0.5 * 4.0, 4.0]


@pytest.mark.parametrize("name", ["cartpole", "pendulum"])
def test_acting_and_learning_ask_the_same_network(name: str) -> None:
    """Catches a forward pass by NumPy that is another one, and draws that their probabilities do not describe."""
    task, random = TASKS[name], np.random.default_rng(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        actor = make_actor(task, 16)
        torch.nn.init.normal_(actor.layers.output.weight)
    seen = random.normal(size=(1, task.observation_size)).astype(np.float32)
    actor.statistics.add(random.normal(2.0, 3.0, size=(100, task.observation_size)))
    rows = actor.statistics.normalise(seen)
    np.testing.assert_allclose(
        actor.layers.answer(rows), actor.layers(torch.from_numpy(rows)).detach().numpy(), rtol=1e-5, atol=1e-6
    )
    drawn = actor.act(np.repeat(seen, 20_000, axis=0), random)
    logs, entropy = actor.log_probabilities(torch.from_numpy(np.repeat(rows, 20_000, axis=0)), torch.from_numpy(drawn))
    # The mean of -log π over draws from π is its entropy.
    assert float(-logs.mean().detach()) == pytest.approx(float(entropy[0].detach()), abs=0.02)
    if task.action_count:
        shares = np.bincount(drawn, minlength=task.action_count) / len(drawn)
        probabilities = torch.softmax(actor.layers(torch.from_numpy(rows)), dim=1)[0].detach().numpy()
        np.testing.assert_allclose(shares, probabilities, atol=0.02)
        assert actor.act(seen)[0] == probabilities.argmax()
    else:
        assert abs(float(actor.act(seen)[0, 0])) <= task.action_high[0]


def test_statistics_are_those_of_all_rows() -> None:
    rows = np.random.default_rng(0).normal(5.0, 2.0, size=(1000, 3))
    found = RunningStatistics(3)
    for part in np.split(rows, [10, 400, 401]):
        found.add(part)
    np.testing.assert_allclose(found.mean, rows.mean(axis=0))
    np.testing.assert_allclose(found.scale, rows.std(axis=0))


def test_a_new_scale_of_returns_changes_no_prediction() -> None:
    """Catches a critic that forgets what it knew when rewards grow, or that does not follow them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        critic = Critic(4, 16)
    seen = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    before = critic.values(seen)
    for size in (1.0, 1000.0):
        returns_ = np.random.default_rng(1).normal(-7.0 * size, size, size=500)
        critic.rescale(returns_)
        np.testing.assert_allclose(critic.values(seen), before, atol=2e-3)
    for _ in range(100):
        critic.rescale(returns_)
    assert np.square(returns_ / critic.scale).mean() == pytest.approx(1.0, abs=0.01)


def test_a_rollout_says_where_every_step_led_and_how_old_its_episode_was() -> None:
    """Catches the first observation of a new episode taken for where the last step of the old one led."""
    task = TASKS["cartpole"]
    actor = make_actor(task, 8)
    collector = Collector(ControlBatch(task, 3, 0), np.random.default_rng(0))
    first, second = collector.collect(actor, 60), collector.collect(actor, 60)
    ended = first.terminated
    assert ended.any()
    leaning = np.abs(first.next_observations[ended][:, [0, 2]]) > [2.4, np.deg2rad(12)]
    assert leaning.any(axis=1).all()
    goes_on = ~(ended | first.truncated)[:-1]
    np.testing.assert_array_equal(first.next_observations[:-1][goes_on], first.observations[1:][goes_on])
    assert (first.elapsed[0] == 1).all()
    assert (first.elapsed[1:][ended[:-1]] == 1).all()
    assert (np.diff(first.elapsed, axis=0)[goes_on] == 1).all()
    continuing = ~(ended | first.truncated)[-1]
    np.testing.assert_array_equal(second.elapsed[0][continuing], first.elapsed[-1][continuing] + 1)
    # CartPole pays 1 a step: the return of an episode is its length.
    assert sorted(first.returns) == sorted(first.elapsed[ended].tolist())
    assert collector.steps == 360


def test_equal_seeds_give_equal_policies() -> None:
    task = TASKS["cartpole"]
    config = PpoConfig(steps=32, minibatch=64, passes=2)
    actors = []
    for _ in range(2):
        learner = Ppo(ControlBatch(task, 4, 1), task, config, seed=3)
        for _ in range(3):
            rollout = learner.collect()
            learner.improve(rollout, rollout.rewards)
        actors.append(learner.actor)
    for one, other in zip(actors[0].parameters(), actors[1].parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_first_minibatch_is_at_a_ratio_of_one() -> None:
    """Catches probabilities that are stored for other actions or other rows than those that are learned from."""
    task = TASKS["pendulum"]
    learner = Ppo(ControlBatch(task, 4, 1), task, PpoConfig(steps=16, minibatch=64, passes=1, rate=1e-12), seed=0)
    rollout = learner.collect()
    found = learner.improve(rollout, rollout.rewards)
    assert found.divergence == pytest.approx(0.0, abs=1e-6)


def test_a_minibatch_larger_than_a_rollout_is_refused() -> None:
    task = TASKS["cartpole"]
    with pytest.raises(TrainingError, match="larger than a rollout"):
        Ppo(ControlBatch(task, 2, 0), task, PpoConfig(steps=10, minibatch=64), seed=0)
    with pytest.raises(TrainingError, match="discount"):
        PpoConfig(discount=1.0)


def test_what_is_new_is_worth_more() -> None:
    """Catches visits that are not counted, and cells that depend on where the range begins."""
    novelty = Novelty(np.array([-1.0, 0.0]), np.array([1.0, 10.0]), 4)
    rows = np.array([[-0.9, 1.0], [-0.6, 2.0], [0.9, 9.0], [5.0, 99.0]])
    np.testing.assert_allclose(novelty.bonus(rows), [0.5**0.5, 0.5**0.5, 0.5**0.5, 0.5**0.5])
    np.testing.assert_allclose(novelty.bonus(rows[:1]), [(1 / 3) ** 0.5])


def _trained(name: str, config: PpoConfig, steps: int, *, sign: float = 1.0) -> float:
    """Mean return of a policy that learned from ``sign`` times the world's own reward."""
    task = TASKS[name]
    learner = Ppo(ControlBatch(task, 16, 0), task, config, seed=0)
    count = steps // (16 * config.steps)
    for round_ in range(count):
        rollout = learner.collect()
        learner.improve(rollout, sign * rollout.rewards, done=round_ / count)
    return float(returns(task, learner.actor.act, 20, 1).mean())


def test_cartpole_is_solved_and_its_opposite_is_not() -> None:
    """Catches a gradient of the wrong sign or size; the control, which is paid for falling, has to fall."""
    config = PpoConfig(steps=64, minibatch=128, discount=0.98)
    assert _trained("cartpole", config, 60_000) >= 400.0
    assert _trained("cartpole", config, 15_000, sign=-1.0) <= 30.0
