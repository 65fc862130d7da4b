"""Rewards that learn: what they see, what they are made of, and what their signs do."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from models.errors import TrainingError
from models.learned_rewards import (
    DiscriminatorConfig,
    ErrorForm,
    Experience,
    GailConfig,
    GclConfig,
    ImrlConfig,
    RewardForm,
    Transitions,
    gaifo,
    gail,
    gcl,
    imrl,
    state_gail,
)
from models.learned_rewards.discriminator import Discriminator, gradient_penalty
from models.learned_rewards.pieces import importance, log_partition
from models.reinforcement import Collector, Rollout
from models.reinforcement.actor import SteeringActor, make_actor
from models.trajectories import Trajectories
from sim.control import TASKS, ControlBatch, roll_out

CARTPOLE = TASKS["cartpole"]
SMALL = GailConfig(discriminator=DiscriminatorConfig(width=16, updates=20, minibatch=64))


def _balancing(observations: np.ndarray) -> np.ndarray:
    """Keeps the pole up: pushes towards where it falls."""
    return (observations @ np.array([0.05, 0.1, 1.0, 0.3]) > 0.0).astype(np.int64)


@pytest.fixture(scope="module")
def shown() -> Trajectories:
    return roll_out(CARTPOLE, _balancing, 3, 0)


@pytest.fixture(scope="module")
def experience() -> Experience:
    actor = make_actor(CARTPOLE, 8)
    rollout = Collector(ControlBatch(CARTPOLE, 4, 0), np.random.default_rng(0)).collect(actor, 100)
    return Experience(Transitions.of_rollout(rollout, CARTPOLE, absorbing=True), rollout, actor, 0.0)


def test_the_steps_that_nobody_takes_are_counted(shown: Trajectories, experience: Experience) -> None:
    """Catches an episode that ends by itself and leaves the comparison: the longer-lived side would look alike."""
    rollout = experience.rollout
    left = (CARTPOLE.horizon - rollout.elapsed)[rollout.terminated]
    assert experience.seen.absorbed == left.sum() > 0
    assert Transitions.of_expert(shown, CARTPOLE, absorbing=True).absorbed == 0  # balanced to the horizon
    assert Transitions.of_rollout(rollout, CARTPOLE, absorbing=False).absorbed == 0
    drawn, absorbed = experience.seen.draw(20_000, np.random.default_rng(0))
    share = experience.seen.absorbed / (experience.seen.absorbed + len(experience.seen))
    assert absorbed.mean() == pytest.approx(share, abs=0.01)
    assert np.bincount(drawn[~absorbed], minlength=len(experience.seen)).max() < 30


def test_demonstrations_of_another_task_are_refused(shown: Trajectories) -> None:
    with pytest.raises(TrainingError, match="another task"):
        gaifo(TASKS["acrobot"], shown, SMALL, 0)
    with pytest.raises(TrainingError, match="no actions"):
        gail(CARTPOLE, shown.without_actions(), SMALL, 0)
    with pytest.raises(TrainingError, match="no actions"):
        gcl(CARTPOLE, shown.without_actions(), GclConfig(), 0)


def _with_other_actions(experience: Experience) -> Experience:
    rollout: Rollout = dataclasses.replace(experience.rollout, actions=1 - experience.rollout.actions)
    return Experience(Transitions.of_rollout(rollout, CARTPOLE, absorbing=True), rollout, experience.actor, 0.0)


@pytest.mark.parametrize("make", [state_gail, gaifo], ids=["states", "state and next state"])
def test_observers_never_see_an_action(make: type, shown: Trajectories, experience: Experience) -> None:
    """Catches actions that leak into a discriminator which must not know them, by the data or by the network."""
    assert shown.actions is not None
    lying = dataclasses.replace(shown, actions=1 - shown.actions)
    honest, misled = make(CARTPOLE, shown, SMALL, 0), make(CARTPOLE, lying, SMALL, 0)
    honest.learn(experience)
    misled.learn(_with_other_actions(experience))
    np.testing.assert_array_equal(honest.rewards(experience), misled.rewards(_with_other_actions(experience)))
    # The control: state and action do make a difference to the one that sees them.
    seeing, deceived = gail(CARTPOLE, shown, SMALL, 0), gail(CARTPOLE, lying, SMALL, 0)
    seeing.learn(experience)
    deceived.learn(_with_other_actions(experience))
    assert np.abs(seeing.rewards(experience) - deceived.rewards(_with_other_actions(experience))).max() > 1e-3


def test_the_experts_label_is_one(shown: Trajectories, experience: Experience) -> None:
    """Catches labels the other way round, with which the learner would flee from the expert."""
    reward = gail(CARTPOLE, shown, SMALL, 0)
    for _ in range(5):
        reward.learn(experience)
    expert = Experience(Transitions.of_expert(shown, CARTPOLE, absorbing=True), experience.rollout, experience.actor, 0)
    assert reward.rewards(expert).mean() > reward.rewards(experience).mean() + 0.2
    assert reward.absorbing_reward() < reward.rewards(expert).mean()  # the expert was never there


def _always(action: int, experience: Experience) -> Experience:
    rollout = dataclasses.replace(experience.rollout, actions=np.full_like(experience.rollout.actions, action))
    return Experience(Transitions.of_rollout(rollout, CARTPOLE, absorbing=True), rollout, experience.actor, 0.0)


def test_steps_of_several_rounds_are_compared_together(
    shown: Trajectories, experience: Experience, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches rounds that are forgotten at once, or never: a discriminator would follow one part of an episode."""
    seen = experience.seen
    twice = Transitions.joined([seen, seen])
    assert (len(twice), twice.absorbed) == (2 * len(seen), 2 * seen.absorbed)
    assert twice.actions is not None
    np.testing.assert_array_equal(twice.next_observations[len(seen) :], seen.next_observations)
    # A round of pushes to the left, then one of pushes to the right; CartPole's rows end with action and "absorbed".
    for memory, share in ((1, 1.0), (2, 0.5)):
        reward = gail(CARTPOLE, shown, dataclasses.replace(SMALL, memory=memory), 0)
        drawn: list[np.ndarray] = []
        monkeypatch.setattr(
            reward.discriminator, "learn", lambda _, rows, *rest, drawn=drawn: drawn.append(rows) or 0.0
        )
        for action in (0, 1):
            reward.learn(_always(action, experience))
        taken = drawn[-1][drawn[-1][:, -1] == 0.0]
        assert taken[:, 5].mean() == pytest.approx(share, abs=0.1)
    with pytest.raises(TrainingError, match="learner's steps"):
        GailConfig(memory=0)


def test_the_signs_of_rewards_are_what_is_said_of_them() -> None:
    logits = np.linspace(-30.0, 30.0, 61, dtype=np.float32)
    odds = 1.0 / (1.0 + np.exp(-logits.astype(np.float64)))
    positive, negative = RewardForm.POSITIVE.of(logits), RewardForm.NEGATIVE.of(logits)
    assert (positive > 0.0).all()
    assert (negative < 0.0).all()
    np.testing.assert_allclose(positive[:40], -np.log1p(-odds[:40]), rtol=1e-5)
    np.testing.assert_allclose(negative, np.log(odds), rtol=1e-2)
    np.testing.assert_allclose(RewardForm.DIFFERENCE.of(logits), positive + negative, atol=1e-12)
    for form in RewardForm:
        assert (np.diff(form.of(logits)) >= 0.0).all()


def test_the_penalty_is_on_the_length_of_the_slope() -> None:
    """Against slopes that are known: a plane's, and those of differences."""
    plane = nn.Linear(3, 1)
    with torch.no_grad():
        plane.weight.copy_(torch.tensor([[1.0, 2.0, 2.0]]))
    rows = torch.randn(10, 3)
    assert float(gradient_penalty(plane, rows).detach()) == pytest.approx((3.0 - 1.0) ** 2, rel=1e-4)
    assert float(gradient_penalty(plane, rows, both_sides=False).detach()) == pytest.approx((3.0 - 1.0) ** 2, rel=1e-4)
    with torch.no_grad():
        plane.weight.mul_(0.1)
    assert float(gradient_penalty(plane, rows).detach()) == pytest.approx((0.3 - 1.0) ** 2, rel=1e-3)
    assert float(gradient_penalty(plane, rows, both_sides=False).detach()) == 0.0
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    points = torch.randn(20, 2, dtype=torch.float64)
    steps = 1e-5 * torch.eye(2, dtype=torch.float64)
    slopes = torch.stack([(network(points + one) - network(points - one)) / 2e-5 for one in steps], dim=1)
    wanted = float((slopes.squeeze(2).norm(dim=1) - 1.0).square().mean())
    assert float(gradient_penalty(network, points).detach()) == pytest.approx(wanted, rel=1e-4)


def test_the_penalty_holds_the_slope() -> None:
    """Catches a penalty that does nothing: two clusters are told apart by a slope of about one, else steeply."""
    random = np.random.default_rng(0)
    lengths = {}
    for penalty in (0.0, 10.0):
        config = DiscriminatorConfig(width=16, minibatch=64, penalty=penalty)
        told = Discriminator(2, config, 0)
        expert = random.normal([0.5, 0.0], 0.1, size=(64 * 600, 2)).astype(np.float32)
        learner = random.normal([-0.5, 0.0], 0.1, size=(64 * 600, 2)).astype(np.float32)
        told.learn(expert, learner, random.random((64 * 600, 1), np.float32), 1e-2)
        ends = told.logits(np.array([[-0.5, 0.0], [0.5, 0.0]], np.float32))
        lengths[penalty] = float(ends[1] - ends[0])
    assert lengths[10.0] == pytest.approx(1.0, abs=0.35)
    assert lengths[0.0] > 4.0


def test_the_model_knows_where_the_expert_goes(shown: Trajectories, experience: Experience) -> None:
    """Catches a model that predicts nothing, and a reward of which an expert's own steps would get as little."""
    reward = imrl(CARTPOLE, shown, ImrlConfig(updates=1500), 0)
    expert = Experience(Transitions.of_expert(shown, CARTPOLE, absorbing=True), experience.rollout, experience.actor, 0)
    assert reward.model_error < 0.35
    assert reward.rewards(expert).mean() > reward.rewards(experience).mean() + 0.2
    assert reward.rewards(experience).max() <= 0.0
    assert reward.rewards(experience).min() >= -1.0
    assert reward.absorbing_reward() == -1.0
    lying = dataclasses.replace(shown, actions=1 - shown.actions) if shown.actions is not None else shown
    again = imrl(CARTPOLE, lying, ImrlConfig(updates=1500), 0)
    np.testing.assert_array_equal(again.rewards(experience), reward.rewards(experience))


def test_errors_become_bounded_costs() -> None:
    errors = np.array([0.0, 0.5, 1.0, 100.0])
    assert ErrorForm.LINEAR.of(errors).tolist() == [0.0, 0.5, 1.0, 1.0]
    np.testing.assert_allclose(ErrorForm.TANH.of(errors), np.tanh(errors))


# A world of three binary choices: its eight trajectories can be enumerated.
PATHS = np.array(list(itertools.product([0, 1], repeat=3)))
GOODS = np.random.default_rng(3).normal(0.0, 1.0, size=(3, 2))
CHANCES = np.array([[0.3, 0.7], [0.6, 0.4], [0.5, 0.5]])


def _worth(paths: np.ndarray) -> np.ndarray:
    return GOODS[np.arange(3), paths].sum(axis=1)


def _log_density(paths: np.ndarray) -> np.ndarray:
    return np.log(CHANCES[np.arange(3), paths]).sum(axis=1)


def test_the_partition_function_is_that_of_all_trajectories() -> None:
    """Catches weights that are multiplied by densities, not divided, and counts that are left out."""
    exact = float(np.log(np.exp(_worth(PATHS)).sum()))
    # Every trajectory as often as the sampler meets it: the estimate is exact.
    chances = np.exp(_log_density(PATHS))
    found = importance(_worth(PATHS), _log_density(PATHS), 1000.0 * chances)
    assert found.log_partition == pytest.approx(exact)
    np.testing.assert_allclose(found.weights, np.exp(_worth(PATHS) - exact))
    by_torch = log_partition(*(torch.from_numpy(part) for part in (_worth(PATHS), _log_density(PATHS), chances)))
    assert float(by_torch) == pytest.approx(exact)
    random = np.random.default_rng(0)
    drawn = (random.random((200_000, 3)) > CHANCES[:, 0]).astype(int)
    sampled = importance(_worth(drawn), _log_density(drawn), np.ones(len(drawn)))
    assert sampled.log_partition == pytest.approx(exact, abs=0.02)


def test_weights_survive_where_numbers_do_not() -> None:
    """Catches weights outside log space: ``exp(5000)`` is infinite."""
    found = importance(np.array([5000.0, 4999.0]), np.array([-3.0, -3.0]), np.ones(2))
    np.testing.assert_allclose(found.weights, [1.0 / (1.0 + np.exp(-1.0)), 1.0 / (1.0 + np.exp(1.0))])
    assert np.isfinite(found.log_partition)


def test_the_effective_sample_size() -> None:
    even = importance(np.zeros(8), np.zeros(8), np.ones(8))
    assert even.effective_share == pytest.approx(1.0)
    single = importance(np.array([100.0] + [0.0] * 7), np.zeros(8), np.ones(8))
    assert single.effective_share == pytest.approx(1.0 / 8.0)
    # One sample that stands for seven is worth seven.
    assert importance(np.zeros(2), np.zeros(2), np.array([1.0, 7.0])).effective_share == pytest.approx(1.0)


def test_the_likelihood_falls_by_what_samples_gain() -> None:
    """The second term of the gradient is subtracted (the ICML deck has its sign wrong): checked by differences."""
    demonstrated = np.array([0, 3, 3])
    goods = torch.from_numpy(GOODS.copy()).requires_grad_()
    places = torch.arange(3)
    worth = goods[places, torch.from_numpy(PATHS)].sum(dim=1)
    chances = torch.from_numpy(np.exp(_log_density(PATHS)))
    likelihood = worth[torch.from_numpy(demonstrated)].mean() - log_partition(worth, chances.log(), chances)
    (gradient,) = torch.autograd.grad(likelihood, goods)
    weights = np.exp(_worth(PATHS)) / np.exp(_worth(PATHS)).sum()
    for place in range(3):
        for choice in range(2):
            expert = (PATHS[demonstrated, place] == choice).mean()
            expected = weights[PATHS[:, place] == choice].sum()
            assert float(gradient[place, choice]) == pytest.approx(expert - expected)


def test_guided_costs_prefer_the_expert(shown: Trajectories, experience: Experience) -> None:
    """Catches a likelihood that is descended, and shares that are none."""
    reward = gcl(CARTPOLE, shown, GclConfig(updates=20), 0)
    shares = [reward.learn(experience) for _ in range(40)]
    assert all(0.0 < share <= 1.0 for share in shares)
    expert = Transitions.of_expert(shown, CARTPOLE, absorbing=True)
    with torch.inference_mode():
        worth = {
            name: float(reward.step_rewards(torch.from_numpy(reward._view.rows(seen))).mean())
            for name, seen in (("expert", expert), ("learner", experience.seen))
        }
    # Balancing and pushing at random look alike for most steps; nats a step.
    assert worth["expert"] > worth["learner"] + 0.5
    assert np.isfinite(reward.rewards(experience)).all()


def test_guided_costs_pay_for_no_endless_spread() -> None:
    """Where actions are vectors, catches an entropy that is worth more than any reward: actions ever farther away.

    A policy as wide as half of the range is at the normal distribution itself, of relative density 1; a wider one gets
    less for the spread that it has.
    """
    task = TASKS["pendulum"]
    shown = roll_out(task, lambda rows: np.zeros((len(rows), 1), np.float32), 2, 0)
    reward = gcl(task, shown, GclConfig(updates=1), 0)
    gained = {}
    for spread in (0.5, 1.0, 4.0):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            actor = make_actor(task, 8)
        assert isinstance(actor, SteeringActor)
        torch.nn.init.constant_(actor.log_spread, float(np.log(spread)))
        torch.nn.init.zeros_(actor.layers.output.weight)
        rollout = Collector(ControlBatch(task, 4, 0), np.random.default_rng(0)).collect(actor, 200)
        seen = Transitions.of_rollout(rollout, task, absorbing=True)
        reward.learn(Experience(seen, rollout, actor, 1.0))
        rows = torch.from_numpy(reward._view.rows(seen))
        with torch.inference_mode():
            worth = reward.step_rewards(rows).numpy()
        gained[spread] = float((reward.rewards(Experience(seen, rollout, actor, 1.0)) - worth).mean())
    assert gained[1.0] == pytest.approx(0.0, abs=1e-5)
    # Minus the divergence from it, by its formula.
    for spread in (0.5, 4.0):
        assert gained[spread] == pytest.approx(np.log(spread) + 0.5 - 0.5 * spread**2, abs=0.15 * spread**2)
