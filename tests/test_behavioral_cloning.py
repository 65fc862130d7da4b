"""Behavioural cloning: that it learns, from what it learns, and what it keeps."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from learning_samples import FAST, column_dataset
from policy_samples import CONTRACT

from models.bundle import export_bundle
from models.data import Observation
from models.episodes import EpisodeDataset
from models.errors import ContractError, DatasetError, TrainingError
from models.learners import BehavioralCloning, BehavioralCloningConfig, EpochRecord, SafetyConfig, TrainedPolicy
from models.learners.behavioral_cloning import _new_policy
from models.learners.descent import mean_loss
from models.learners.lessons import Lessons
from models.learners.samples import TrainingSamples
from models.policies import Policy
from models.runtime import PolicyRuntime


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> EpisodeDataset:
    return column_dataset(tmp_path_factory.mktemp("data") / "columns")


@pytest.fixture(scope="module")
def trained(dataset: EpisodeDataset) -> TrainedPolicy:
    return BehavioralCloning(FAST).fit(dataset)


def _samples(dataset: EpisodeDataset, preload_bytes: int, **options: Any) -> tuple[Policy, TrainingSamples]:
    policy = _new_policy(dataset, dataset.contract, dataclasses.replace(FAST.policy, **options))
    return policy, TrainingSamples(dataset, policy, dataset.contract.memory, preload_bytes)


def test_learns_to_steer_towards_the_column(trained: TrainedPolicy) -> None:
    """Catches a learner that does not read the image: on episodes it never saw it must clearly beat a constant."""
    for name, error in trained.error.items():
        assert error < 0.35 * trained.constant_error[name], name


def test_learns_nothing_from_shuffled_labels(tmp_path: Path) -> None:
    """The negative control of the test above: a score that shuffled labels reach as well would mean nothing."""
    control = BehavioralCloning(FAST).fit(column_dataset(tmp_path / "shuffled", shuffle=True))
    for name, error in control.error.items():
        assert error > 0.85 * control.constant_error[name], name


def test_equal_seeds_give_equal_weights(dataset: EpisodeDataset) -> None:
    """Catches randomness that the seed does not govern, and a seed that governs nothing."""
    config = dataclasses.replace(FAST, epochs=2)
    torch.manual_seed(11)
    first = BehavioralCloning(config).fit(dataset)
    torch.manual_seed(12)
    second = BehavioralCloning(config).fit(dataset)
    other = BehavioralCloning(dataclasses.replace(config, seed=1)).fit(dataset)
    weights, same, different = (trained.policy.state_dict() for trained in (first, second, other))
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    assert not torch.equal(weights["fusion.weight"], different["fusion.weight"])
    assert first.curve == second.curve


def test_training_leaves_torch_as_it_was(dataset: EpisodeDataset) -> None:
    """Catches a learner that reseeds or rethreads the program that called it."""
    torch.manual_seed(5)
    expected, threads = torch.rand(1), torch.get_num_threads()
    torch.manual_seed(5)
    BehavioralCloning(dataclasses.replace(FAST, epochs=1, threads=threads + 1)).fit(dataset)
    assert torch.equal(torch.rand(1), expected)
    assert torch.get_num_threads() == threads


def test_whole_episodes_are_held_out(trained: TrainedPolicy, dataset: EpisodeDataset) -> None:
    """Catches a split by frame, under which neighbours of every validation frame were trained on."""
    assert set(trained.training_episodes) | set(trained.held_out_episodes) == set(dataset.episode_ids)
    assert not set(trained.training_episodes) & set(trained.held_out_episodes)
    assert len(trained.held_out_episodes) == 2


def test_held_out_frames_do_not_train(dataset: EpisodeDataset) -> None:
    """Catches a leak: other labels on the held-out episodes must not change a single weight."""
    held_out = [1, 4]
    weights = []
    for wrong_by in (0.0, 50.0):
        torch.manual_seed(0)
        policy, samples = _samples(dataset, 1 << 30)
        samples.targets[torch.from_numpy(np.isin(samples.episodes, held_out))] += wrong_by
        BehavioralCloning(dataclasses.replace(FAST, epochs=1))._train(policy, samples, held_out, None, None)
        weights.append(policy.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_best_epoch_is_kept(trained: TrainedPolicy, dataset: EpisodeDataset) -> None:
    """Catches a learner that returns its last weights: the loss of what it returns must be the curve's smallest."""
    best = min(record.validation_loss for record in trained.curve)
    marked = [record for record in trained.curve if record.is_best]
    assert marked[-1].validation_loss == best


def test_rollouts_decide_when_there_are_any(dataset: EpisodeDataset) -> None:
    """Catches a choice by loss where driving was measured: here the earliest evaluation is the best driver."""
    seen: list[dict[str, torch.Tensor]] = []

    def evaluate(policy: Policy) -> float:
        seen.append({name: tensor.clone() for name, tensor in policy.state_dict().items()})
        return -float(len(seen))

    config = dataclasses.replace(FAST, epochs=5, evaluate_every=2, safety=None)
    trained = BehavioralCloning(config).fit(dataset, evaluate=evaluate)
    assert [record.score for record in trained.curve] == [None, -1.0, None, -2.0, -3.0]
    assert [record.is_best for record in trained.curve] == [False, True, False, False, False]
    kept = trained.policy.state_dict()
    assert all(torch.equal(kept[name], seen[0][name]) for name in kept if not name.startswith("safety."))
    assert not torch.equal(kept["fusion.weight"], seen[2]["fusion.weight"])


def test_rollouts_without_a_score_are_an_error(dataset: EpisodeDataset) -> None:
    """Catches the last epoch's weights kept in silence when every rollout failed."""
    config = dataclasses.replace(FAST, epochs=1, safety=None)
    with pytest.raises(TrainingError, match="no rollout gave a score"):
        BehavioralCloning(config).fit(dataset, evaluate=lambda policy: float("nan"))


def test_progress_is_told_after_every_epoch(dataset: EpisodeDataset) -> None:
    told: list[tuple[EpochRecord, int]] = []
    trained = BehavioralCloning(dataclasses.replace(FAST, epochs=3)).fit(
        dataset, progress=lambda record, total: told.append((record, total))
    )
    assert [(record.epoch, total) for record, total in told] == [(1, 3), (2, 3), (3, 3)]
    assert tuple(record for record, _ in told) == trained.curve


def test_preloaded_and_streamed_samples_are_equal(dataset: EpisodeDataset) -> None:
    """Catches a second way of stacking frames that differs from the dataset's own, at episode starts above all."""
    (_, preloaded), (_, streamed) = _samples(dataset, 1 << 30), _samples(dataset, 0)
    assert preloaded.preloaded
    assert not streamed.preloaded
    indices = torch.arange(len(preloaded))
    for key, rows in preloaded.inputs(indices).items():
        torch.testing.assert_close(streamed.inputs(indices)[key], rows)


def test_chunks_look_ahead_and_stop_at_the_episode(dataset: EpisodeDataset) -> None:
    """Catches a chunk whose steps are shifted, or that borrows the next episode's actions."""
    policy, samples = _samples(dataset, 1 << 30, chunk=3)
    actions = policy.action_normalizer.inverse(samples.targets).numpy()
    last = int(np.flatnonzero(samples.episodes == 0)[-1])
    np.testing.assert_allclose(actions[5], np.asarray(dataset.actions)[5:8], atol=1e-5)
    assert samples.valid[last - 2 : last + 2].tolist() == [[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 1, 1]]
    assert samples.valid[-1].tolist() == [1, 0, 0]


def test_steps_beyond_an_episode_do_not_train(dataset: EpisodeDataset) -> None:
    """Catches a chunk that learns to stand still at every episode's end."""
    policy, samples = _samples(dataset, 1 << 30, chunk=3)
    policy.eval()
    (lesson,) = Lessons(policy, samples, torch.arange(len(samples)), len(samples), 1).in_order()
    before = mean_loss(policy, lesson.features, lesson.targets, samples.valid)
    samples.targets[samples.valid == 0] = 1e3
    assert torch.equal(mean_loss(policy, lesson.features, lesson.targets, samples.valid), before)


def test_from_demonstrations_to_a_bundle_that_acts_the_same(
    trained: TrainedPolicy, dataset: EpisodeDataset, tmp_path: Path
) -> None:
    """Catches anything lost between the learner, its checkpoint, the export and the runtime."""
    trained.save(tmp_path / "checkpoint")
    export_bundle(tmp_path / "checkpoint", tmp_path / "policy.onnx")
    runtime = PolicyRuntime.load(tmp_path / "policy.onnx", dataset.contract, provider="cpu")
    assert trained.safety is not None
    assert runtime.metadata.unsafe_threshold_suggested == trained.safety.threshold
    assert runtime.metadata.dataset_hash == dataset.hash
    stacks = dataset.stack(np.array([0, 70, 359]), dataset.contract.memory)
    for row in range(3):
        arrays = {key: rows[row] for key, rows in stacks.items()}
        proposal = runtime.predict(Observation(7, arrays, {}))
        action, unsafe = trained.policy.act(arrays)
        np.testing.assert_allclose(proposal.actions, action, atol=1e-5)
        assert proposal.unsafe_probability == pytest.approx(unsafe, abs=1e-5)


def test_what_was_learned_is_written_down(trained: TrainedPolicy, tmp_path: Path) -> None:
    trained.save(tmp_path)
    curve = json.loads((tmp_path / "learning_curve.json").read_text())
    report = json.loads((tmp_path / "training_report.json").read_text())
    assert [row["epoch"] for row in curve] == list(range(1, FAST.epochs + 1))
    assert report["error"] == trained.error
    assert report["safety"]["threshold"] == trained.checkpoint.unsafe_threshold_suggested
    assert not [path for path in tmp_path.iterdir() if path.suffix not in (".json", ".safetensors")]


def test_without_a_classifier_nothing_is_ever_flagged(dataset: EpisodeDataset) -> None:
    trained = BehavioralCloning(dataclasses.replace(FAST, epochs=1, safety=None)).fit(dataset)
    assert trained.safety is None
    assert trained.checkpoint.unsafe_threshold_suggested == 1.0
    arrays = {key: rows[0] for key, rows in dataset.stack([0]).items()}
    assert trained.policy.act(arrays)[1] < 1e-6


def test_divergence_is_reported(dataset: EpisodeDataset) -> None:
    """Catches a policy of NaN that is saved as if it had been trained."""
    with pytest.raises(TrainingError, match="diverged in epoch 1"):
        BehavioralCloning(dataclasses.replace(FAST, learning_rate=1e25)).fit(dataset)


def test_one_episode_is_too_few(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="at least two episodes"):
        BehavioralCloning(FAST).fit(column_dataset(tmp_path / "one", episodes=1))


def test_a_chunk_longer_than_any_recording_is_refused(tmp_path: Path) -> None:
    """Catches steps that nothing ever taught, and that a robot would take as they were drawn before training."""
    short = column_dataset(tmp_path / "short", episodes=3, ticks=5)
    with pytest.raises(TrainingError, match="no recording is as long as a chunk") as raised:
        BehavioralCloning(dataclasses.replace(FAST, policy=dataclasses.replace(FAST.policy, chunk=6))).fit(short)
    assert "5 ticks" in str(raised.value)
    fits = dataclasses.replace(FAST, epochs=1, policy=dataclasses.replace(FAST.policy, chunk=5))
    assert BehavioralCloning(fits).fit(short).policy.specification.config.chunk == 5


def test_robot_without_limits_is_refused_before_training(tmp_path: Path) -> None:
    """Catches an hour of training that ends in an export which must fail."""
    without = CONTRACT.split("limits:")[0] + "memory: {frames: 2}\n"
    with pytest.raises(ContractError, match="no limits"):
        BehavioralCloning(FAST).fit(column_dataset(tmp_path / "free", contract=without))


def test_recurrent_memory_is_refused(tmp_path: Path) -> None:
    recurrent = CONTRACT.replace("memory: {frames: 2}", "memory: {frames: 2, recurrent: true}")
    with pytest.raises(TrainingError, match="disagree about memory"):
        BehavioralCloning(FAST).fit(column_dataset(tmp_path / "recurrent", contract=recurrent))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"held_out": 1.0}, "held_out"),
        ({"light": -0.1}, "light"),
        ({"light": float("nan")}, "light"),
        ({"weight_decay": float("inf")}, "weight_decay"),
        ({"seed": -1}, "seed"),
        ({"threads": 5000}, "threads"),
        ({"seed": 2**64}, "seed"),
    ],
)
def test_bad_options_are_rejected_at_construction(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        BehavioralCloningConfig(**options)


def test_bad_safety_options_are_rejected_at_construction() -> None:
    with pytest.raises(TrainingError, match="no share"):
        SafetyConfig(unsafe_share=0.0)
    with pytest.raises(TrainingError, match="a pass over its frames"):
        SafetyConfig(epochs=0)
    with pytest.raises(TrainingError, match="seed"):
        SafetyConfig(seed=-1)
    with pytest.raises(TrainingError, match="more frames would be flagged"):
        SafetyConfig(unsafe_share=0.1, deployed_share=0.2)
