"""SafeDAgger's later rounds: what is kept was picked, and says neither how often a policy errs nor by how much."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from learning_samples import FAST, column_task, episode
from policy_samples import small_contract

from models.data import FloatArray
from models.episodes import Episode, EpisodeDataset, join_datasets, write_dataset
from models.errors import TrainingError
from models.interactive import Tolerance
from models.learners import BehavioralCloning, SafetyConfig, TrainedPolicy
from models.learners.interactive import CloningLearner
from models.learners.safety import fit_safety_classifier
from models.learners.samples import TrainingSamples

TICKS, FOG = 80, slice(40, 60)
LEARNER = dataclasses.replace(FAST, safety=SafetyConfig(unsafe_share=0.25, deployed_share=None))
KEPT = 2
"""Ticks of an episode of a later round that were flagged and therefore labelled."""


def _drive(number: int, random: np.random.Generator, kept: bool, wide: float = 1.0) -> Episode:
    """The column task with fog in which the expert steers at random; ``kept`` labels two foggy ticks of it alone."""
    images, actions = column_task(TICKS, random)
    images[FOG] = 255 - images[FOG] // 8
    actions[FOG] = random.uniform([0, -2.5], [8, 2.5], (20, 2))
    actions[:, 1] *= wide
    made = episode(number, images, actions, random.normal(size=(TICKS, 2)).astype(np.float32))
    weights = np.ones(TICKS, np.float32)
    if kept:
        weights[:] = 0.0
        weights[FOG.start + 5 : FOG.start + 5 + KEPT] = 1.0
    return dataclasses.replace(made, weights=weights)


def _round(folder: Path, first: int, count: int, kept: bool, wide: float = 1.0) -> EpisodeDataset:
    random = np.random.default_rng(first)
    episodes = [_drive(first + number, random, kept, wide) for number in range(count)]
    return write_dataset(folder, episodes, small_contract())


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> tuple[EpisodeDataset, EpisodeDataset]:
    """A demonstration of five episodes, and what three rounds kept of ten more."""
    folder = tmp_path_factory.mktemp("rounds")
    return _round(folder / "first", 0, 5, kept=False), _round(folder / "later", 100, 10, kept=True)


def test_what_is_held_out_of_the_demonstration_stays(rounds: tuple[EpisodeDataset, EpisodeDataset]) -> None:
    """Catches a D_safe that is drawn anew in every round, and is trained on, or holds no demonstration at all."""
    first, later = rounds
    joined = join_datasets([first, later])
    assert joined.labelled_throughout.tolist() == [True] * 5 + [False] * 10
    for seed in range(20):
        alone, together = (set(one.episode_index[one.split(0.34, seed)[1]].tolist()) for one in (first, joined))
        assert {number for number in together if number < 5} == alone
        assert len(alone) == 2
        assert len(together - alone) == 3


def test_a_lost_label_picks_nothing(rounds: tuple[EpisodeDataset, EpisodeDataset], tmp_path: Path) -> None:
    """Catches a recording of the expert that counts as picked because a label or two of it were lost."""
    weights = np.ones(TICKS, np.float32)
    weights[:4] = 0.0
    made = [dataclasses.replace(rounds[0].episode(number), weights=weights) for number in range(2)]
    assert write_dataset(tmp_path / "d", made, small_contract()).labelled_throughout.all()


def test_what_was_picked_does_not_set_the_threshold(
    rounds: tuple[EpisodeDataset, EpisodeDataset], tmp_path: Path
) -> None:
    """Catches a threshold set on the few frames that an earlier classifier had picked: it flags nothing, or all."""
    safety = SafetyConfig(unsafe_share=0.25, deployed_share=0.25)
    trained = BehavioralCloning(dataclasses.replace(LEARNER, safety=safety)).fit(join_datasets(rounds))
    assert trained.safety is not None
    assert trained.safety.calibration_frames == TICKS
    road = _round(tmp_path / "road", 200, 4, kept=False)
    with torch.inference_mode():
        prepared = trained.policy.prepare({key: torch.from_numpy(rows) for key, rows in road.stack(range(320)).items()})
        flagged = trained.policy.safety(trained.policy.features(prepared)).numpy() > trained.safety.threshold
    assert 0.5 * 0.25 < flagged.mean() < 2.0 * 0.25


def test_a_policy_without_unsafe_frames_flags_none(rounds: tuple[EpisodeDataset, EpisodeDataset]) -> None:
    """Catches a classifier that never saw an unsafe frame, and says of most that they are as likely unsafe as not."""
    never = SafetyConfig(tau=1e6, deployed_share=None, epochs=1)
    trained = BehavioralCloning(dataclasses.replace(LEARNER, epochs=1, safety=never)).fit(rounds[0])
    assert trained.safety is not None
    assert trained.safety.unsafe_share == trained.safety.flagged_share == 0.0


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.9])
def test_the_classifiers_own_decision_is_kept(rounds: tuple[EpisodeDataset, EpisodeDataset], threshold: float) -> None:
    """Catches a share of frames that decides who drives in SafeDAgger, and a threshold that means something else."""
    trained = BehavioralCloning(dataclasses.replace(LEARNER, epochs=3)).fit(rounds[0])
    samples = TrainingSamples(rounds[0], trained.policy, rounds[0].contract.memory, 1 << 30)
    held_out = [rounds[0].episode_ids.index(name) for name in trained.held_out_episodes]
    report = fit_safety_classifier(trained.policy, samples, held_out, SafetyConfig(deployed_share=None), threshold)
    assert report.threshold == threshold
    assert report.flagged_share > 0.0
    assert (report.precision, report.recall) == (report.precision_at_half, report.recall_at_half)


def test_only_picked_frames_are_better_than_none(rounds: tuple[EpisodeDataset, EpisodeDataset]) -> None:
    """Catches a training that fails, or calibrates on nothing, where every episode was labelled in part."""
    trained = BehavioralCloning(LEARNER).fit(rounds[1])
    assert trained.safety is not None
    assert trained.safety.calibration_frames == KEPT


def test_later_rounds_are_held_to_the_first_ones_error(
    rounds: tuple[EpisodeDataset, EpisodeDataset], tmp_path: Path
) -> None:
    """Catches a τ in units that grow with the corrections: then more is safe in every round, for no reason."""
    first = CloningLearner(LEARNER).fit(rounds[0])
    units, tau = first.report["units"], first.report["tau"]
    assert isinstance(units, list)
    assert isinstance(tau, float)
    assert units == pytest.approx(first.trained.policy.action_normalizer.scale.tolist())
    wide = join_datasets([rounds[0], _round(tmp_path / "wide", 300, 5, kept=False, wide=2.0)])
    later = CloningLearner(LEARNER).fit(wide, Tolerance(tau, tuple(units)))
    assert later.report["tau"] == tau
    assert later.report["units"] == pytest.approx(units)
    spread = later.trained.policy.action_normalizer.scale.tolist()
    assert spread[1] > 1.3 * units[1]
    safety = later.trained.safety
    assert safety is not None
    counted, in_its_own = (_unsafe(later.trained, wide, tau, scale) for scale in (units, spread))
    assert safety.unsafe_share == pytest.approx(counted, abs=0.01)
    assert counted > in_its_own + 0.02


def _unsafe(trained: TrainedPolicy, dataset: EpisodeDataset, tau: float, units: list[float]) -> float:
    """Share of the calibration frames, every second held-out episode, whose error in SI units is beyond the limit."""
    policy = trained.policy
    numbers = sorted(dataset.episode_ids.index(name) for name in trained.held_out_episodes)[1::2]
    ticks = np.flatnonzero(np.isin(dataset.episode_index, numbers))
    with torch.inference_mode():
        raw = {key: torch.from_numpy(rows) for key, rows in dataset.stack(ticks).items()}
        chosen: FloatArray = policy.limit(policy.choose(policy.features(policy.prepare(raw))))[:, 0].numpy()
    errors = (((chosen - dataset.actions[ticks]) / np.array(units)) ** 2).sum(axis=1)
    return float((errors > tau).mean())


@pytest.mark.parametrize(("tau", "units"), [(None, (1.0, 1.0)), (0.1, (1.0, 0.0))])
def test_units_without_a_meaning_are_refused(tau: float | None, units: tuple[float, ...]) -> None:
    with pytest.raises(TrainingError, match="units of an error belong to a tau"):
        SafetyConfig(tau=tau, units=units)


def test_units_of_another_robot_are_refused(rounds: tuple[EpisodeDataset, EpisodeDataset]) -> None:
    config = dataclasses.replace(LEARNER, epochs=1, safety=SafetyConfig(tau=0.1, units=(1.0,)))
    with pytest.raises(TrainingError, match="another robot's errors"):
        BehavioralCloning(config).fit(rounds[0])
