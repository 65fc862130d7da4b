"""Planning in tables: every result against one that is found another way."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from models.errors import TrainingError
from models.rewards.demonstrations import Demonstrations, path_probability, sample_demonstrations
from models.rewards.mdp import Floats, TabularMdp
from models.rewards.mixture import PolicyMixture, closest_mixture, feature_expectations
from models.rewards.planning import (
    best_steps,
    discounted_visits,
    policy_value,
    policy_value_over_horizon,
    soft_value_iteration,
    state_visits,
    value_iteration,
)


def small_world(seed: int = 0, states: int = 4, actions: int = 2, horizon: int = 5) -> tuple[TabularMdp, Floats]:
    """A world in which everything leads anywhere, and a reward."""
    random = np.random.default_rng(seed)
    tensor = random.dirichlet(np.ones(states), size=(states, actions))
    return TabularMdp.from_tensor(tensor, random.dirichlet(np.ones(states)), 0.8, horizon), random.normal(size=states)


def every_policy(mdp: TabularMdp) -> list[Floats]:
    rows = np.eye(mdp.action_count)
    return [rows[list(choice)] for choice in itertools.product(range(mdp.action_count), repeat=mdp.state_count)]


@pytest.mark.parametrize("seed", range(3))
def test_value_iteration_finds_the_best_of_all_policies(seed: int) -> None:
    mdp, reward = small_world(seed)
    best = max(policy_value(mdp, policy, reward) for policy in every_policy(mdp))
    found = value_iteration(mdp, reward)
    assert policy_value(mdp, found, reward) == pytest.approx(best, abs=1e-6)
    # A guess only says where to begin.
    for guess in (found, mdp.uniform_policy()):
        assert np.array_equal(value_iteration(mdp, reward, guess=guess), found)


def test_visits_are_those_of_long_walks() -> None:
    """Catches a transposed transition matrix: the sum of powers, written out, against the solved equation."""
    mdp, _ = small_world()
    policy = np.random.default_rng(1).dirichlet(np.ones(2), 4)
    visits, here = np.zeros(4), mdp.start
    for time in range(200):
        visits += mdp.discount**time * here
        here = mdp.push(here[:, None] * policy)
    np.testing.assert_allclose(discounted_visits(mdp, policy), visits, atol=1e-12)
    assert visits.sum() == pytest.approx(1.0 / (1.0 - mdp.discount))


def test_best_steps_beat_every_stationary_policy() -> None:
    mdp, reward = small_world(2)
    found = policy_value_over_horizon(mdp, best_steps(mdp, reward), reward)
    for policy in every_policy(mdp):
        steps = np.broadcast_to(policy, (mdp.horizon - 1, *policy.shape))
        assert found >= policy_value_over_horizon(mdp, steps, reward) - 1e-12


def test_soft_policies_have_the_largest_reward_plus_entropy() -> None:
    """No disturbed policy does better, and what theirs is worth is the soft value of the start."""
    mdp, reward = small_world(3)
    plan = soft_value_iteration(mdp, reward)

    def objective(policies: Floats) -> float:
        visits = state_visits(mdp, policies)
        entropy = -(policies * np.log(policies)).sum(axis=2)
        return float(visits.sum(axis=0) @ reward + (visits[:-1] * entropy).sum())

    best = objective(plan.policies)
    assert best == pytest.approx(mdp.start @ plan.values[0], abs=1e-10)
    random = np.random.default_rng(0)
    for _ in range(20):
        other = plan.policies * np.exp(0.3 * random.normal(size=plan.policies.shape))
        assert objective(other / other.sum(axis=2, keepdims=True)) < best


def test_walks_follow_the_forward_pass() -> None:
    """Catches a step that is drawn from the wrong row: frequencies of 20,000 walks against the probabilities."""
    mdp, reward = small_world(4)
    plan = soft_value_iteration(mdp, reward)
    shown = sample_demonstrations(mdp, plan.policies, 20_000, np.random.default_rng(0))
    frequencies = np.array([np.bincount(column, minlength=4) for column in shown.states.T]) / 20_000
    np.testing.assert_allclose(frequencies, state_visits(mdp, plan.policies), atol=0.015)
    np.testing.assert_allclose(shown.start(4), frequencies[0])


def test_paths_add_up_to_one() -> None:
    mdp, _ = small_world(5, states=3, horizon=3)
    paths = np.array(list(itertools.product(range(3), repeat=3)))
    found = path_probability(mdp, mdp.uniform_policy(), paths)
    assert found @ mdp.start[paths[:, 0]] == pytest.approx(1.0)


def test_features_of_demonstrations_are_those_of_the_policy() -> None:
    """Catches an expert's side on another scale than the apprentice's."""
    mdp, _ = small_world(6, horizon=60)
    features = np.random.default_rng(0).uniform(size=(4, 3))
    policy = mdp.uniform_policy()
    shown = sample_demonstrations(mdp, policy, 5_000, np.random.default_rng(1))
    exact = feature_expectations(mdp, policy, features)
    np.testing.assert_allclose(shown.discounted_features(features, mdp.discount), exact, atol=0.03)
    steps = np.broadcast_to(policy, (59, 4, 2))
    total = state_visits(mdp, steps).sum(axis=0) @ features
    np.testing.assert_allclose(shown.feature_counts(features), total, rtol=0.01)


def test_the_closest_mixture_is_no_farther_than_any_other() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        points, target = random.normal(size=(5, 3)), random.normal(size=3)
        weights = closest_mixture(list(points), target)
        assert weights.min() >= 0.0
        assert weights.sum() == pytest.approx(1.0)
        apart = target - weights @ points
        # The plane through the closest point leaves all points on the far side: that is what makes it the closest.
        assert ((points - weights @ points) @ apart).max() <= 1e-7
    inside = points.mean(axis=0)
    np.testing.assert_allclose(closest_mixture(list(points), inside) @ points, inside, atol=1e-6)


def test_one_policy_does_what_a_mixture_does() -> None:
    """Catches an average of action probabilities, which visits other states than the mixture."""
    mdp, reward = small_world(7)
    policies = np.array(every_policy(mdp)[3:6])
    weights = np.array([0.5, 0.3, 0.2])
    mixture = PolicyMixture(policies, weights, np.zeros((3, 1)))
    single = mixture.stationary(mdp)
    assert policy_value(mdp, single, reward) == pytest.approx(mixture.value(mdp, reward), abs=1e-10)
    average = np.einsum("m,msa->sa", weights, policies)
    assert abs(policy_value(mdp, average, reward) - mixture.value(mdp, reward)) > 1e-4
    drawn = [mixture.draw(np.random.default_rng(seed)) for seed in range(400)]
    assert np.mean([np.array_equal(policy, policies[0]) for policy in drawn]) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tensor": np.full((2, 2, 2), 0.6)}, "P of a decision process is no probability"),
        ({"tensor": np.array([[[np.nan, 1.0]], [[0.0, 1.0]]])}, "P of a decision process is no probability"),
        ({"tensor": np.full((2, 2, 3), 1 / 3)}, "other axes"),
        ({"start": [0.5, 0.4]}, "start of a decision process is no probability"),
        ({"start": [1.0]}, "do not fit together"),
        ({"discount": 1.0}, "discount is out of range"),
        ({"horizon": 1}, "too short"),
    ],
)
def test_what_is_no_world_is_refused(changes: dict[str, object], says: str) -> None:
    sound: dict[str, object] = {"tensor": np.full((2, 2, 2), 0.5), "start": [0.5, 0.5], "discount": 0.9, "horizon": 5}
    TabularMdp.from_tensor(**sound)  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match=says):
        TabularMdp.from_tensor(**(sound | changes))  # type: ignore[arg-type]


def test_demonstrations_of_another_world_are_refused() -> None:
    mdp, _ = small_world()
    shown = sample_demonstrations(mdp, mdp.uniform_policy(), 2, np.random.default_rng(0))
    with pytest.raises(TrainingError, match="a state that the world has not"):
        Demonstrations(shown.states + 4, shown.actions).require_within(mdp)
    with pytest.raises(TrainingError, match="as long as the world's horizon"):
        Demonstrations(shown.states[:, :3], shown.actions[:, :2]).require_within(mdp)
    with pytest.raises(TrainingError, match="trajectories of one length"):
        Demonstrations(shown.states, shown.actions[:, :2])
