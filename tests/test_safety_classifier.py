"""SafeDAgger's classifier: that it finds where the policy is wrong, and that its numbers are honest."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from learning_samples import FAST, column_task, episode
from policy_samples import SMALL, small_contract

from models.episodes import EpisodeDataset, open_dataset, write_dataset
from models.errors import TrainingError
from models.learners import BehavioralCloning, SafetyConfig, TrainedPolicy
from models.learners.behavioral_cloning import _new_policy
from models.learners.safety import _split_held_out, fit_safety_classifier
from models.learners.samples import TrainingSamples

# The expert cannot be predicted in a fog that lies over a quarter of every episode.
FOG_TICKS = slice(40, 60)
TICKS = 80
CONFIG = dataclasses.replace(FAST, safety=SafetyConfig(unsafe_share=0.25, deployed_share=0.05))


def _foggy_dataset(directory: Path, episodes: int = 8) -> EpisodeDataset:
    """The column task, but in fog (bright images) the expert steers at random: there every policy must fail."""
    random = np.random.default_rng(1)
    made = []
    for number in range(episodes):
        images, actions = column_task(TICKS, random)
        images[FOG_TICKS] = 255 - images[FOG_TICKS] // 8
        actions[FOG_TICKS] = random.uniform([0, -2.5], [8, 2.5], (20, 2))
        made.append(episode(number, images, actions, random.normal(size=(TICKS, 2)).astype(np.float32)))
    write_dataset(directory, made, small_contract())
    return open_dataset(directory)


@pytest.fixture(scope="module")
def foggy(tmp_path_factory: pytest.TempPathFactory) -> EpisodeDataset:
    return _foggy_dataset(tmp_path_factory.mktemp("data") / "foggy")


@pytest.fixture(scope="module")
def trained(foggy: EpisodeDataset) -> TrainedPolicy:
    return BehavioralCloning(CONFIG).fit(foggy)


def _samples(dataset: EpisodeDataset, trained: TrainedPolicy) -> TrainingSamples:
    return TrainingSamples(dataset, trained.policy, dataset.contract.memory, 1 << 30)


def _unsafe(trained: TrainedPolicy, samples: TrainingSamples) -> np.ndarray:
    with torch.inference_mode():
        return trained.policy.safety(trained.policy.features(samples.inputs(torch.arange(len(samples))))).numpy()


def _fog(samples: TrainingSamples) -> np.ndarray:
    """``(T,)`` whether the newest frame is foggy, without the first one, whose stack still shows a clear frame."""
    tick = np.arange(len(samples)) % TICKS
    return (tick > FOG_TICKS.start) & (tick < FOG_TICKS.stop)


def test_finds_the_planted_hard_region(foggy: EpisodeDataset, trained: TrainedPolicy) -> None:
    """Catches a classifier that learned nothing, or the wrong sign: fog is unsafe, a clear road is not."""
    samples = _samples(foggy, trained)
    calibration = np.isin(samples.episodes, _held_out(foggy, trained)[1::2])
    probability, fog = _unsafe(trained, samples), _fog(samples) & calibration
    clear = (np.arange(len(samples)) % TICKS < FOG_TICKS.start) & calibration
    # Share of pairs of a foggy and a clear frame in the right order (the area under the ROC curve).
    assert (probability[fog][:, None] > probability[clear][None]).mean() > 0.95


def test_finds_nothing_where_errors_have_no_pattern(foggy: EpisodeDataset, trained: TrainedPolicy) -> None:
    """The negative control: with errors dealt at random, precision must fall to the share of unsafe frames."""
    samples = _samples(foggy, trained)
    random = torch.Generator().manual_seed(0)
    samples.targets = samples.targets[torch.randperm(len(samples), generator=random)]
    report = fit_safety_classifier(
        copy.deepcopy(trained.policy), samples, _held_out(foggy, trained), SafetyConfig(unsafe_share=0.25), 0.5
    )
    assert report.precision_at_half is None or abs(report.precision_at_half - report.unsafe_share) < 0.15


def test_report_is_what_can_be_counted(foggy: EpisodeDataset, trained: TrainedPolicy) -> None:
    """Catches precision and recall exchanged, or counted on frames that were trained on."""
    report = trained.safety
    assert report is not None
    samples = _samples(foggy, trained)
    held_out = _held_out(foggy, trained)
    calibration = np.isin(samples.episodes, held_out[1::2])
    policy = trained.policy
    with torch.inference_mode():
        features = policy.features(samples.inputs(torch.arange(len(samples))))
        proposed = policy.action_normalizer(policy.limit(policy.head(features)))
    errors = (proposed - samples.targets)[:, 0].square().sum(dim=1).numpy()
    wrong = errors[calibration] > report.tau
    flagged = _unsafe(trained, samples)[calibration] > report.threshold
    assert report.calibration_frames == calibration.sum()
    assert report.unsafe_share == pytest.approx(wrong.mean(), abs=0.01)
    assert report.flagged_share == pytest.approx(flagged.mean(), abs=0.01)
    assert report.precision == pytest.approx((wrong & flagged).sum() / flagged.sum(), abs=0.05)
    assert report.recall == pytest.approx((wrong & flagged).sum() / wrong.sum(), abs=0.05)
    assert report.recall_at_half is not None
    assert report.recall_at_half > 0.8
    share = (errors[np.isin(samples.episodes, held_out)] > report.tau).mean()
    assert share == pytest.approx(0.25, abs=0.02)


def test_threshold_flags_the_wanted_share(trained: TrainedPolicy) -> None:
    """Catches probabilities inflated by the class weights, with which the gate would hand over far too often."""
    assert trained.safety is not None
    assert trained.safety.threshold == trained.checkpoint.contract.gate.unsafe_threshold
    assert 0.0 < trained.safety.flagged_share <= 0.05


def test_calibration_meets_whatever_threshold_the_robot_has(foggy: EpisodeDataset, trained: TrainedPolicy) -> None:
    """Catches a shift in the wrong direction, and one that only fits a threshold of 0.5."""
    samples, held_out = _samples(foggy, trained), _held_out(foggy, trained)
    calibration = np.isin(samples.episodes, held_out[1::2])
    shares = []
    for threshold in (0.2, 0.5, 0.9):
        policy = copy.deepcopy(trained.policy)
        report = fit_safety_classifier(policy, samples, held_out, SafetyConfig(), threshold)
        with torch.inference_mode():
            found = policy.safety(policy.features(samples.inputs(torch.arange(len(samples))))).numpy()
        shares.append(float((found[calibration] > threshold).mean()))
        assert shares[-1] == pytest.approx(report.flagged_share, abs=0.01)
    assert max(shares) - min(shares) <= 0.01


def test_training_it_leaves_the_actions_alone(foggy: EpisodeDataset, trained: TrainedPolicy) -> None:
    """Catches a classifier that trains the policy's features as well."""
    policy = copy.deepcopy(trained.policy)
    before = {name: tensor.clone() for name, tensor in policy.state_dict().items() if not name.startswith("safety.")}
    fit_safety_classifier(policy, _samples(foggy, trained), _held_out(foggy, trained), SafetyConfig(seed=3), 0.5)
    after = policy.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_calibration_frames_train_neither_network(foggy: EpisodeDataset, trained: TrainedPolicy) -> None:
    """Catches a calibration on training data: changing those frames must change no weight of the classifier."""
    held_out = _held_out(foggy, trained)
    weights = []
    for flip in (False, True):
        samples = _samples(foggy, trained)
        calibration = torch.from_numpy(np.isin(samples.episodes, held_out[1::2]))
        if flip:
            # Reversed in time: other labels frame by frame, and the same distribution of errors, so the same τ.
            inputs = samples.inputs
            rows = torch.nonzero(calibration).squeeze(1)
            turned = torch.arange(len(samples))
            turned[rows] = rows.flip(0)
            samples.targets = samples.targets[turned]
            samples.inputs = lambda indices, inputs=inputs, turned=turned: inputs(turned[indices])  # type: ignore[method-assign]
        policy = copy.deepcopy(trained.policy)
        fit_safety_classifier(policy, samples, held_out, SafetyConfig(), 0.5)
        weights.append(list(policy.safety.parameters()))
    assert all(torch.equal(first, second) for first, second in zip(*weights, strict=True))


def test_broken_actions_count_as_unsafe(foggy: EpisodeDataset) -> None:
    """Catches NaN > τ, which is false: a policy that breaks in one region is not safe there."""
    policy = _new_policy(foggy, foggy.contract, SMALL)
    samples = TrainingSamples(foggy, policy, foggy.contract.memory, 1 << 30)
    samples.targets[torch.from_numpy(_fog(samples))] = float("nan")
    report = fit_safety_classifier(
        policy, samples, [0, 1, 2, 3], SafetyConfig(unsafe_share=0.05, deployed_share=0.01), 0.5
    )
    fog_share = _fog(samples).mean()
    assert np.isfinite(report.tau)
    assert report.unsafe_share >= fog_share
    assert report.recall_at_half is not None
    assert report.recall_at_half > 0.8


def test_tau_is_set_on_held_out_episodes(foggy: EpisodeDataset) -> None:
    """Catches a τ from training frames, where every policy looks better than it is."""
    policy = _new_policy(foggy, foggy.contract, SMALL)
    samples = TrainingSamples(foggy, policy, foggy.contract.memory, 1 << 30)
    held_out = np.isin(samples.episodes, [0, 1, 2, 3])
    samples.targets[torch.from_numpy(held_out)] += 3.0
    report = fit_safety_classifier(policy, samples, [0, 1, 2, 3], SafetyConfig(unsafe_share=0.2), 0.5)
    assert report.unsafe_share == pytest.approx(0.2, abs=0.06)


def test_nothing_finite_is_an_error(foggy: EpisodeDataset) -> None:
    policy = _new_policy(foggy, foggy.contract, SMALL)
    samples = TrainingSamples(foggy, policy, foggy.contract.memory, 1 << 30)
    samples.targets[:] = float("nan")
    with pytest.raises(TrainingError, match="no finite action"):
        fit_safety_classifier(policy, samples, [0], SafetyConfig(), 0.5)


def test_held_out_episodes_are_shared_out_whole() -> None:
    episodes = np.repeat(np.arange(5), 10)
    fitted, calibration = _split_held_out(episodes, [1, 2, 4], reach=3)
    assert sorted(set(episodes[calibration])) == [2]
    assert sorted(set(episodes[fitted])) == [0, 1, 3, 4]


def test_a_single_held_out_episode_is_cut_with_a_gap() -> None:
    """Catches a stack of frames that lies in both parts."""
    episodes = np.repeat(np.arange(2), 10)
    fitted, calibration = _split_held_out(episodes, [1], reach=3)
    assert np.flatnonzero(calibration).tolist() == [15, 16, 17, 18, 19]
    assert np.flatnonzero(fitted).tolist() == [*range(10), 10, 11]


def _held_out(dataset: EpisodeDataset, trained: TrainedPolicy) -> list[int]:
    return sorted(dataset.episode_ids.index(name) for name in trained.held_out_episodes)
