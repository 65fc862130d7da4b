"""Labels that count more or less, and datasets that are joined: on disk, in a split, and in training."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from learning_samples import FAST, column_dataset
from policy_samples import CAMERA, STATE

from models.data import FloatArray
from models.episodes import Episode, EpisodeDataset, join_datasets, open_dataset, write_dataset
from models.errors import DatasetError
from models.learners import BehavioralCloning, SafetyConfig


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> EpisodeDataset:
    return column_dataset(tmp_path_factory.mktemp("data") / "columns")


def _weighed(dataset: EpisodeDataset, number: int, weights: FloatArray | None, name: str = "") -> Episode:
    episode = dataset.episode(number)
    return dataclasses.replace(episode, weights=weights, episode_id=name or episode.episode_id)


def _ones(dataset: EpisodeDataset) -> FloatArray:
    return np.ones(dataset.lengths[0], np.float32)


def test_weights_survive_the_disk(columns: EpisodeDataset, tmp_path: Path) -> None:
    weights = [np.linspace(0, number + 1, columns.lengths[0], dtype=np.float32) for number in range(3)]
    episodes = [_weighed(columns, number, row) for number, row in enumerate(weights)]
    write_dataset(tmp_path / "d", episodes, columns.contract)
    read = open_dataset(tmp_path / "d")
    assert read.weights is not None
    np.testing.assert_array_equal(read.weights, np.concatenate(weights))
    assert set(read.observations) == {CAMERA, STATE}
    np.testing.assert_array_equal(read.episode(1).weights, weights[1])
    assert int((~read.labelled).sum()) == 3


def test_without_weights_a_dataset_is_what_it_was(columns: EpisodeDataset, tmp_path: Path) -> None:
    """Catches a new array in every dataset, whose hash would be another one."""
    episodes = [columns.episode(number) for number in range(len(columns.lengths))]
    assert write_dataset(tmp_path / "d", episodes, columns.contract).hash == columns.hash
    assert columns.weights is None
    assert columns.labelled.all()


@pytest.mark.parametrize("first", [True, False])
def test_some_episodes_with_weights_and_some_without_are_refused(
    columns: EpisodeDataset, tmp_path: Path, first: bool
) -> None:
    episodes = [_weighed(columns, number, _ones(columns) if (number == 0) is first else None) for number in range(2)]
    with pytest.raises(DatasetError, match="either all episodes"):
        write_dataset(tmp_path / "d", episodes, columns.contract)


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_weights_that_are_none_are_refused(columns: EpisodeDataset, value: float) -> None:
    weights = _ones(columns)
    weights[3] = value
    with pytest.raises(DatasetError, match="weight is none"):
        _weighed(columns, 0, weights)


def test_episodes_without_a_label_are_never_held_out(columns: EpisodeDataset, tmp_path: Path) -> None:
    """Catches a validation loss of nothing."""
    count = len(columns.lengths)
    episodes = [_weighed(columns, n, _ones(columns) if n < 2 else 0 * _ones(columns)) for n in range(count)]
    dataset = write_dataset(tmp_path / "d", episodes, columns.contract)
    for seed in range(10):
        _, held_out = dataset.split(0.5, seed)
        assert set(dataset.episode_index[held_out].tolist()) in ({0}, {1})


def test_joined_datasets_are_one(columns: EpisodeDataset, tmp_path: Path) -> None:
    """Catches statistics of the first part only, and stacks that reach from one part into the next."""
    other = column_dataset(tmp_path / "other", episodes=2, seed=5)
    renamed = [dataclasses.replace(other.episode(n), episode_id=f"other-{n}") for n in range(2)]
    second = write_dataset(tmp_path / "second", renamed, columns.contract)
    joined = join_datasets([columns, second])
    everything = [columns.episode(n) for n in range(len(columns.lengths))] + renamed
    whole = write_dataset(tmp_path / "whole", everything, columns.contract)
    assert joined.episode_ids == whole.episode_ids
    for key, statistics in whole.statistics.items():
        for name in ("mean", "std", "minimum", "maximum"):
            np.testing.assert_allclose(getattr(joined.statistics[key], name), getattr(statistics, name), atol=1e-9)
    np.testing.assert_array_equal(joined.stack_index(), whole.stack_index())
    for key, rows in whole.observations.items():
        np.testing.assert_array_equal(joined.observations[key], rows)
    np.testing.assert_array_equal(joined.actions, whole.actions)
    assert join_datasets([columns]) is columns


def test_statistics_are_those_of_labels(columns: EpisodeDataset, tmp_path: Path) -> None:
    """Catches a normalisation by what was executed where nobody gave a label, and one that joining changes."""
    episodes = []
    for number in range(2):
        episode = columns.episode(number)
        weights = (np.arange(len(episode)) % 2 == 0).astype(np.float32)
        executed = np.where(weights[:, None] > 0.0, episode.actions, np.float32(7.0))
        episodes.append(dataclasses.replace(episode, actions=executed, weights=weights))
    whole = write_dataset(tmp_path / "whole", episodes, columns.contract)
    labels = np.asarray(whole.actions)[whole.labelled]
    np.testing.assert_allclose(whole.statistics["action"].mean, labels.mean(axis=0, dtype=np.float64), atol=1e-6)
    assert float(whole.statistics["action"].maximum[1]) < 7.0
    parts = [write_dataset(tmp_path / f"{n}", [one], columns.contract) for n, one in enumerate(episodes)]
    joined = join_datasets(parts)
    np.testing.assert_allclose(joined.statistics["action"].std, whole.statistics["action"].std, atol=1e-9)


def test_what_cannot_be_joined_is_refused(columns: EpisodeDataset, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nothing to join"):
        join_datasets([])
    with pytest.raises(DatasetError, match="two episodes are called"):
        join_datasets([columns, columns])
    from policy_samples import CONTRACT

    other = column_dataset(tmp_path / "o", episodes=2, contract=CONTRACT.replace("max: 8", "max: 9"))
    with pytest.raises(DatasetError, match="different contracts"):
        join_datasets([columns, other])


def _with_lies(columns: EpisodeDataset, path: Path, weight: float) -> EpisodeDataset:
    """Every second tick's label is the opposite of the truth, and counts ``weight``."""
    episodes = []
    for number in range(len(columns.lengths)):
        episode = columns.episode(number)
        lies = np.arange(len(episode)) % 2 == 1
        actions = np.where(lies[:, None], episode.actions * [1.0, -1.0], episode.actions).astype(np.float32)
        weights = np.where(lies, weight, 1.0).astype(np.float32)
        episodes.append(dataclasses.replace(episode, actions=actions, weights=weights))
    return write_dataset(path, episodes, columns.contract)


def test_cloning_learns_labels_as_much_as_they_count(columns: EpisodeDataset, tmp_path: Path) -> None:
    """Catches weights that the loss forgets: lies of little weight do no harm, and lies of weight 1 do."""
    config = dataclasses.replace(FAST, safety=SafetyConfig(epochs=2))
    errors = {}
    for weight in (0.0, 0.05, 1.0):
        trained = BehavioralCloning(config).fit(_with_lies(columns, tmp_path / f"{weight}", weight))
        rows = {key: torch.from_numpy(values) for key, values in columns.stack(np.arange(len(columns))).items()}
        with torch.inference_mode():
            actions = trained.policy.eval()(rows)[0][:, 0].numpy()
        errors[weight] = float(np.abs(actions - columns.actions)[:, 1].mean())
    assert max(errors[0.0], errors[0.05]) < 0.35 * float(np.abs(columns.actions[:, 1]).mean())
    assert errors[1.0] > 2.0 * errors[0.0]


def test_a_chunk_does_not_learn_what_nobody_labelled(columns: EpisodeDataset, tmp_path: Path) -> None:
    """Catches a later step of a chunk whose tick has no label of its own."""
    from models.learners.behavioral_cloning import _new_policy
    from models.learners.samples import TrainingSamples

    dataset = _with_lies(columns, tmp_path / "d", 0.0)
    policy = _new_policy(dataset, dataset.contract, dataclasses.replace(FAST.policy, chunk=3))
    samples = TrainingSamples(dataset, policy, dataset.contract.memory, 0)
    assert samples.valid[0].tolist() == [1.0, 0.0, 1.0]
    assert samples.valid[1].tolist() == [0.0, 1.0, 0.0]
    lessons = BehavioralCloning(FAST)._lessons(policy, samples, np.ones(len(dataset), np.bool_), 8)
    assert lessons.ticks.tolist() == list(range(0, len(dataset), 2))  # the others would only take time


def test_a_fixed_tau_flags_fewer_the_better_the_policy_is(columns: EpisodeDataset) -> None:
    """Catches a τ that moves with every round, so that SafeDAgger always asks about the same share of frames."""
    first = BehavioralCloning(dataclasses.replace(FAST, epochs=2, safety=SafetyConfig(deployed_share=None))).fit(
        columns
    )
    assert first.safety is not None
    again = SafetyConfig(deployed_share=None, tau=first.safety.tau)
    later = BehavioralCloning(dataclasses.replace(FAST, epochs=20, safety=again)).fit(columns)
    assert later.safety is not None
    assert later.safety.tau == first.safety.tau
    assert later.safety.unsafe_share < 0.5 * first.safety.unsafe_share
    assert later.safety.flagged_share < 0.5 * first.safety.flagged_share
