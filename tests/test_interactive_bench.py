"""What the interactive benches measure with: slopes, and the linear learner of the kart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from learning_samples import episode
from policy_samples import CAMERA, IMAGE, STATE, small_contract

from bench.interactive.course import CONTRACT, course
from bench.interactive.ridge import RidgeLearner
from bench.interactive.slopes import log_log_slope
from models.data import FloatArray, Observation
from models.episodes import Episode, EpisodeDataset, join_datasets, write_dataset

QUIET = np.empty(0, np.float32)


def test_a_slope_is_the_exponent() -> None:
    """Catches a slope of the numbers instead of their logarithms."""
    horizons = (10, 20, 40, 80)
    assert log_log_slope(horizons, [0.3 * horizon**2 for horizon in horizons]) == pytest.approx(2.0)
    assert log_log_slope(horizons, [7.0 * horizon for horizon in horizons]) == pytest.approx(1.0)
    assert np.isnan(log_log_slope(horizons, [0.0, 1.0, 2.0, 4.0]))


def _lines(path: Path, weight: float) -> tuple[EpisodeDataset, FloatArray]:
    """Actions that are linear in the state, half of them spoiled and of that weight."""
    random = np.random.default_rng(0)
    slope = np.array([[1.0, -0.5], [0.25, 2.0]], np.float32)
    state = random.normal(size=(400, 2)).astype(np.float32)
    truth = (state @ slope + [1.0, 0.1]).astype(np.float32)
    spoiled = np.arange(400) % 2 == 1
    actions = np.where(spoiled[:, None], -truth, truth).astype(np.float32)
    one = episode(0, np.zeros((400, *IMAGE), np.uint8), actions, state)
    weights = np.where(spoiled, weight, 1.0).astype(np.float32)
    values = {name: getattr(one, name) for name in one.__dataclass_fields__}
    return write_dataset(path, [Episode(**{**values, "weights": weights})], small_contract()), truth


def test_ridge_finds_the_line_and_heeds_the_weights(tmp_path: Path) -> None:
    """Catches an offset that is penalised, and labels that count although they do not."""
    for weight, worst in ((0.0, 1e-3), (1.0, np.inf)):
        dataset, truth = _lines(tmp_path / f"{weight}", weight)
        learned = RidgeLearner(penalty=1e-9).fit(dataset)
        learned.save(tmp_path / f"policy-{weight}")
        actor = RidgeLearner().load(tmp_path / f"policy-{weight}")
        found = []
        for tick in range(50):
            arrays = {key: dataset.observations[key][tick : tick + 1] for key in (CAMERA, STATE)}
            found.append(actor.answer(Observation(0, arrays, {}), QUIET).action)
        error = float(np.abs(np.array(found) - truth[:50]).max())
        assert error < worst
        assert weight == 0.0 or error > 0.5


def test_ridge_goes_on_from_the_sums_it_has(tmp_path: Path) -> None:
    """Catches rounds that are counted twice or not at all, and sums of other episodes that are kept."""
    parts = [_part(tmp_path / f"{number}", number) for number in range(3)]
    learner = RidgeLearner()
    for number in range(3):
        dataset = join_datasets(parts[: number + 1])
        found, anew = learner.fit(dataset), RidgeLearner().fit(dataset)
        np.testing.assert_array_equal(found.actor.weights, anew.actor.weights)
        assert found.report == anew.report
    alone = learner.fit(parts[2])
    np.testing.assert_array_equal(alone.actor.weights, RidgeLearner().fit(parts[2]).actor.weights)


def _part(path: Path, number: int) -> EpisodeDataset:
    random = np.random.default_rng(number)
    images = random.integers(0, 255, (60, *IMAGE), np.uint8)
    state = random.normal(size=(60, 2)).astype(np.float32)
    one = episode(number, images, random.uniform(0.0, 1.0, (60, 2)).astype(np.float32), state)
    return write_dataset(path, [one], small_contract())


def test_the_kart_sees_what_its_contract_says() -> None:
    camera = course(0).world.cameras[0]
    assert CONTRACT.observations[0].image_size == (camera.height, camera.width) == (19, 25)
