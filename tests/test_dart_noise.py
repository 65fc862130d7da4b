"""How DART's noise is fitted to a learner's error, and that the file keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gated_robot import CONTRACT

from models.errors import TrainingError
from models.learners.dart_noise import fit_covariance, fit_noise_file
from models.noise_file import load_noise


def test_the_fit_is_the_second_moment_of_the_error() -> None:
    """Catches a covariance about the mean, which forgets a constant error, and one divided by T - 1."""
    expert = np.zeros((4, 2), np.float32)
    learner = np.array([[1, 0], [1, 0], [1, 2], [1, 2]], np.float32)
    assert fit_covariance(expert, learner).tolist() == [[1.0, 1.0], [1.0, 2.0]]
    assert not fit_covariance(learner, learner).any()


def test_a_known_error_is_found_again_and_survives_the_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = np.array([[0.16, 0.05], [0.05, 0.09]])
    expert = rng.normal(size=(20_000, 2))
    learner = expert + rng.multivariate_normal([0, 0], truth, 20_000)
    path = tmp_path / "round-2.yaml"
    fitted = fit_noise_file(path, CONTRACT, expert, learner, seed=2)
    np.testing.assert_allclose(fitted.covariance, truth, atol=0.004)
    np.testing.assert_allclose(load_noise(path, CONTRACT).covariance, fitted.covariance, rtol=1e-15)
    scaled = fit_noise_file(path, CONTRACT, expert, learner, seed=2, alpha=12.0, horizon=300, time_constant_s=0.5)
    assert 300 * np.trace(scaled.covariance) == pytest.approx(12.0)
    assert load_noise(path, CONTRACT).time_constant_s == 0.5


@pytest.mark.parametrize(
    ("expert", "learner", "says"),
    [
        (np.zeros((3, 2)), np.zeros((4, 2)), "one shape"),
        (np.zeros((0, 2)), np.zeros((0, 2)), "at least one tick"),
        (np.zeros(3), np.zeros(3), "one shape"),
        (np.zeros((3, 2)), np.full((3, 2), np.nan), "3 of 3 ticks"),
    ],
)
def test_actions_that_cannot_be_compared_are_refused(expert: Any, learner: Any, says: str) -> None:
    with pytest.raises(TrainingError) as caught:
        fit_covariance(expert, learner)
    assert says in str(caught.value)


def test_a_scale_needs_both_numbers(tmp_path: Path) -> None:
    some = np.zeros((3, 2))
    for alpha, horizon in ((1.0, None), (None, 5), (-1.0, 5), (1.0, 0)):
        with pytest.raises(TrainingError):
            fit_noise_file(tmp_path / "n.yaml", CONTRACT, some, some, seed=1, alpha=alpha, horizon=horizon)
