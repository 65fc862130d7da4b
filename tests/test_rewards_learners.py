"""Max-margin, projection, MWAL and MaxEnt: each against its theory, on the lecture's exercise, and with nonsense."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from models.errors import TrainingError
from models.rewards.apprenticeship import iteration_bound
from models.rewards.demonstrations import Demonstrations, sample_demonstrations
from models.rewards.max_margin import largest_margin, max_margin
from models.rewards.maxent import likelihood_and_gradient, log_probability, max_ent
from models.rewards.mdp import Floats, TabularMdp
from models.rewards.mixture import feature_expectations
from models.rewards.mwal import both_signs, game_value, mwal, regret_bound
from models.rewards.planning import soft_value_iteration, state_visits, value_iteration
from models.rewards.projection import projection
from sim.tabular.gridworld import EXERCISE_PATHS, exercise, gridworld
from sim.tabular.highway import careless, safe_highway
from understudy.rewards.learning import LEARNERS, Settings, learn

SMALL = {"size": 6, "block": 2}


def world_of_chance(seed: int) -> tuple[TabularMdp, Floats]:
    random = np.random.default_rng(seed)
    tensor = random.dirichlet(np.ones(5), size=(5, 3))
    return TabularMdp.from_tensor(tensor, random.dirichlet(np.ones(5)), 0.9, 9), random.uniform(-1.0, 1.0, (5, 4))


# -- maximum entropy ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [0.0, 0.1])
def test_the_gradient_equals_finite_differences(penalty: float) -> None:
    for seed in range(3):
        mdp, features = world_of_chance(seed)
        random = np.random.default_rng(seed)
        theta, expert = random.normal(size=4), random.normal(size=4)
        _, gradient = likelihood_and_gradient(mdp, features, expert, theta, penalty)
        for index, step in enumerate(1e-5 * np.eye(4)):
            above, below = (
                likelihood_and_gradient(mdp, features, expert, theta + s, penalty)[0] for s in (step, -step)
            )
            assert (above - below) / 2e-5 == pytest.approx(gradient[index], abs=1e-6)


def every_path(mdp: TabularMdp) -> list[list[int]]:
    ends = mdp.transitions.toarray().reshape(9, 4, 9).argmax(axis=2)
    paths = []
    for actions in itertools.product(range(4), repeat=mdp.horizon - 1):
        path = [0]
        for action in actions:
            path.append(int(ends[path[-1], action]))
        paths.append(path)
    return paths


def test_the_likelihood_has_minus_log_z() -> None:
    """``log P(τ) = θᵀμ(τ) - log Z``, Z summed over every trajectory; a plus, as a deck has it, is another number."""
    task = exercise()
    assert task.shown is not None
    theta = np.random.default_rng(0).normal(size=9)
    log_z = float(np.log(np.exp([theta[path].sum() for path in every_path(task.mdp)]).sum()))
    rewards = theta[task.shown.states].sum(axis=1)
    expert = task.shown.feature_counts(task.features)
    found, gradient = likelihood_and_gradient(task.mdp, task.features, expert, theta)
    assert found == pytest.approx((rewards - log_z).mean())
    assert abs(found - (rewards + log_z).mean()) > 1.0
    plan = soft_value_iteration(task.mdp, theta)
    np.testing.assert_allclose(log_probability(plan, task.shown), rewards - log_z)
    expected = state_visits(task.mdp, plan.policies).sum(axis=0) @ task.features
    np.testing.assert_allclose(gradient, expert - expected)


def test_both_sides_of_the_gradient_count_the_same_states() -> None:
    """Catches the slide that divides the expert's side by T: then even the expert's own reward leaves a gradient."""
    task = gridworld(0, **SMALL, finite=True)
    theta = 5.0 * task.features.shape[1] * np.random.default_rng(0).uniform(size=9) / 9.0
    plan = soft_value_iteration(task.mdp, task.features @ theta)
    shown = sample_demonstrations(task.mdp, plan.policies, 20_000, np.random.default_rng(1))
    counts = shown.feature_counts(task.features)
    _, gradient = likelihood_and_gradient(task.mdp, task.features, counts, theta)
    _, divided = likelihood_and_gradient(task.mdp, task.features, counts / task.mdp.horizon, theta)
    assert np.abs(gradient).max() < 0.2
    assert np.abs(divided).max() > 2.0


def test_the_expected_features_are_the_experts() -> None:
    """Where it has converged, and weights are hardly held back."""
    task = gridworld(1, **SMALL, finite=True)
    shown = sample_demonstrations(task.mdp, careless(task.expert, 0.3), 500, np.random.default_rng(0))
    found = max_ent(task.mdp, task.features, shown, penalty=1e-6)
    assert found.converged
    np.testing.assert_allclose(found.expected, shown.feature_counts(task.features), atol=1e-3)
    likelihoods = [one.figure for one in found.rounds]
    assert all(after >= before - 1e-9 for before, after in itertools.pairwise(likelihoods))


# -- matching features -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("learner", [max_margin, projection])
def test_within_epsilon_of_the_expert_within_the_bound(learner: object) -> None:
    """Theorem 1 of Abbeel & Ng 2004, and that the value of *any* weights of length 1 is then as close."""
    for seed in range(3):
        task = gridworld(seed, **SMALL)
        expert = feature_expectations(task.mdp, task.expert, task.features)
        found = learner(task.mdp, task.features, expert, epsilon=0.02)  # type: ignore[operator]
        assert found.converged
        assert len(found.rounds) <= iteration_bound(9, task.mdp.discount, 0.02)
        mean = found.mixture.mean_expectations
        assert np.linalg.norm(expert - mean) <= 0.02
        theta = np.random.default_rng(seed).normal(size=9)
        theta /= np.linalg.norm(theta)
        assert abs(found.mixture.value(task.mdp, task.features @ theta) - theta @ expert) <= 0.02


def test_a_round_projects_onto_the_line_to_the_new_policy() -> None:
    """Catches a step that is too short, which converges as well, only later: the distance by Pythagoras."""
    task = gridworld(0, **SMALL)
    expert = feature_expectations(task.mdp, task.expert, task.features)
    first = feature_expectations(task.mdp, task.mdp.uniform_policy(), task.features)
    best = value_iteration(task.mdp, task.features @ (expert - first))
    along = feature_expectations(task.mdp, best, task.features) - first
    apart = expert - first
    expected = np.sqrt(apart @ apart - (apart @ along) ** 2 / (along @ along))
    found = projection(task.mdp, task.features, expert, iterations=2)
    assert [one.figure for one in found.rounds] == pytest.approx([np.linalg.norm(apart), expected])
    assert not found.converged


def test_the_bound_is_what_its_proof_says() -> None:
    """By hand for k = 4, γ = 0.5, ε = 1: distances from 4 to 1 by the factor 2 / √(4 + 0.25) need 46 rounds."""
    assert iteration_bound(4, 0.5, 1.0) == 46
    assert iteration_bound(4, 0.5, 5.0) == 1


def test_the_margin_is_the_largest() -> None:
    """No unit vector that is drawn separates the expert better, and every policy keeps the margin."""
    random = np.random.default_rng(0)
    points, expert = random.normal(size=(6, 4)), 2.0 + random.normal(size=4)
    margin, theta, _ = largest_margin(list(points), expert)
    assert np.linalg.norm(theta) == pytest.approx(1.0)
    assert (theta @ (expert - points).T).min() == pytest.approx(margin, abs=1e-6)
    others = random.normal(size=(20_000, 4))
    others /= np.linalg.norm(others, axis=1, keepdims=True)
    assert (others @ (expert - points).T).min(axis=1).max() <= margin + 1e-6


@pytest.mark.parametrize("learner", [max_margin, projection])
def test_an_expert_whom_no_policy_matches_is_approached_and_not_chased(learner: object) -> None:
    """Features of a few demonstrations may lie where no policy leads: the learner ends, as close as can be."""
    task = gridworld(0, **SMALL)
    expert = feature_expectations(task.mdp, task.expert, task.features) + 0.5
    found = learner(task.mdp, task.features, expert, epsilon=0.05, iterations=500)  # type: ignore[operator]
    assert found.converged
    assert len(found.rounds) < 500
    # All features add up to 1 / (1 - γ), whatever is done, so that half of each is out of reach.
    assert found.rounds[-1].figure == pytest.approx(0.5 * 3.0, rel=0.05)


# -- multiplicative weights --------------------------------------------------------------------------------------------


def test_mwal_beats_a_careless_expert_under_every_weight() -> None:
    task = safe_highway()
    expert = feature_expectations(task.mdp, careless(task.expert, 0.3), task.features)
    value = game_value(task.mdp, task.features, expert)
    found = mwal(task.mdp, task.features, expert, iterations=60)
    advantage = found.mixture.mean_expectations - expert
    assert value > 0.4
    assert advantage.min() >= 0.8 * value
    assert advantage.min() >= value - regret_bound(3, task.mdp.discount, 60)
    assert advantage.min() <= value + 1e-6
    matched = projection(task.mdp, task.features, expert)
    assert np.abs(matched.mixture.mean_expectations - expert).max() <= 0.01


def test_mwal_equals_an_expert_who_cannot_be_beaten() -> None:
    task = safe_highway()
    expert = feature_expectations(task.mdp, task.expert, task.features)
    assert game_value(task.mdp, task.features, expert) == pytest.approx(0.0, abs=1e-6)
    found = mwal(task.mdp, task.features, expert, iterations=30)
    assert found.mixture.value(task.mdp, task.true_reward) == pytest.approx(task.value(task.expert), rel=1e-3)


def test_with_both_signs_nobody_is_beaten() -> None:
    """Not knowing what is good costs the advantage: the game's value is 0 even against a careless expert."""
    task = safe_highway()
    features = both_signs(task.features)
    expert = feature_expectations(task.mdp, careless(task.expert, 0.3), features)
    assert game_value(task.mdp, features, expert) == pytest.approx(0.0, abs=1e-6)


# -- the exercise, recovery, and nonsense ------------------------------------------------------------------------------


@pytest.mark.parametrize("learner", LEARNERS)
def test_the_two_shown_paths_are_explained(learner: str) -> None:
    task = exercise(finite=learner == "maxent")
    assert task.shown is not None
    found = learn(task, learner, task.shown, Settings(iterations=60, epsilon=0.02))
    assert found.figures["shown"] >= 0.95
    mirror, moves = np.arange(9).reshape(3, 3).T.reshape(-1), np.array([3, 2, 1, 0])
    mirrored = Demonstrations(mirror[task.shown.states], moves[task.shown.actions])
    other = learn(replace(task, shown=mirrored), learner, mirrored, Settings(iterations=60, epsilon=0.02))
    assert other.figures["shown"] >= 0.95
    assert not np.allclose(other.reward, found.reward)


def test_no_other_path_of_the_exercise_is_as_likely() -> None:
    task = exercise()
    assert task.shown is not None
    reward = max_ent(task.mdp, task.features, task.shown).theta
    paths = sorted({tuple(path) for path in every_path(task.mdp)}, key=lambda path: -reward[list(path)].sum())
    assert {tuple(cell + 1 for cell in path) for path in paths[:2]} == set(EXERCISE_PATHS)
    assert reward[list(paths[2])].sum() < reward[list(paths[1])].sum() - 1.0


@pytest.mark.parametrize("learner", LEARNERS)
def test_the_experts_value_is_recovered_and_nobodys_is_not(learner: str) -> None:
    task = gridworld(2, **SMALL, finite=learner == "maxent")
    settings = Settings(epsilon=0.05, iterations=60)
    random = np.random.default_rng(0)
    assert learn(task, learner, task.demonstrate(1000, random), settings).figures["share"] >= 0.97
    nobody = sample_demonstrations(task.mdp, task.mdp.uniform_policy(), 500, random)
    figures = learn(task, learner, nobody, settings).figures
    assert figures.get("soft_share", figures["share"]) <= 0.1


def test_features_that_do_not_fit_are_refused() -> None:
    task = gridworld(0, **SMALL)
    expert = feature_expectations(task.mdp, task.expert, task.features)
    with pytest.raises(TrainingError, match="do not fit"):
        projection(task.mdp, task.features, expert[1:])
    with pytest.raises(TrainingError, match="out of range"):
        mwal(task.mdp, 2.0 * task.features, expert)
    shown = task.demonstrate(5, np.random.default_rng(0))
    with pytest.raises(TrainingError, match="penalty"):
        max_ent(task.mdp, task.features, shown, penalty=-1.0)
