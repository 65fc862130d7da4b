"""Steps that are recorded and repeated: they do what torch's own engine does, and only where that pays."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from learning_samples import FAST, column_dataset, episode
from part_samples import HEADS, MEMORIES, blind_contract
from policy_samples import CAMERA
from torch import Tensor

from models.episodes import EpisodeDataset, write_dataset
from models.learners import BehavioralCloning, BehavioralCloningConfig
from models.learners.behavioral_cloning import _descent, _new_policy
from models.learners.descent import Descent, EagerDescent
from models.learners.lessons import Lessons
from models.learners.recorded_descent import RecordedDescent
from models.learners.samples import TrainingSamples
from models.policies import Policy, PolicyConfig
from models.policies.heads import PointOptions
from models.policies.heads.point import PointHead

SMALL = PolicyConfig(features=8, state_features=4, safety_features=4, chunk=3, state_dropout=0.3)
ROWS, SIZE = 230, 32
"""Seven whole lessons and a smaller one."""


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> EpisodeDataset:
    """Two episodes of the small car without its camera, steering by what it measures."""
    random = np.random.default_rng(0)
    made = []
    for number in range(2):
        state = random.normal(size=(ROWS // 2, 2)).astype(np.float32)
        actions = np.stack([4.0 + state[:, 0], state[:, 1] * state[:, 0]], axis=1).astype(np.float32)
        seen = episode(number, np.zeros((ROWS // 2, 1, 1, 3), np.uint8), actions, state)
        kept = {key: rows for key, rows in seen.observations.items() if key != CAMERA}
        made.append(dataclasses.replace(seen, observations=kept))
    return write_dataset(tmp_path_factory.mktemp("vectors") / "data", made, blind_contract())


def _config(policy: PolicyConfig, **options: Any) -> BehavioralCloningConfig:
    return BehavioralCloningConfig(policy, **{"epochs": 80, "batch_size": SIZE, "safety": None, **options})


def _lessons(dataset: EpisodeDataset, config: BehavioralCloningConfig) -> Lessons:
    torch.manual_seed(0)
    policy = _new_policy(dataset, dataset.contract, config.policy)
    samples = TrainingSamples(dataset, policy, dataset.contract.memory, config.preload_bytes, config.augmentation)
    policy.head.fit(samples.targets, samples.valid, 0)
    policy.train()
    return Lessons(policy, samples, torch.arange(len(samples)), config.batch_size, config.sequence)


def _after(kind: type[Descent], lessons: Lessons, config: BehavioralCloningConfig) -> tuple[list[float], Policy]:
    """Losses of three epochs, and the policy behind them."""
    descent = kind(lessons, config)
    torch.manual_seed(1)
    losses = [descent.epoch(1.0) for _ in range(3)]
    descent.close()
    return losses, lessons.policy


@pytest.mark.parametrize("head", HEADS)
def test_a_recorded_step_is_the_step(head: str, vectors: EpisodeDataset) -> None:
    """Catches a head that cannot be recorded, noise that is drawn once for all steps, and another rate, order or Adam.

    Weights move by a hundred times the tolerance.
    """
    config = _config(dataclasses.replace(SMALL, head=HEADS[head]), weight_decay=1e-3)
    losses, engine = _after(EagerDescent, _lessons(vectors, config), config)
    again, recorded = _after(RecordedDescent, _lessons(vectors, config), config)
    assert again == pytest.approx(losses, rel=1e-4, abs=1e-5)
    before = _lessons(vectors, config).policy.state_dict()
    expected, found = engine.state_dict(), recorded.state_dict()
    moved = 0.0
    for name, weights in expected.items():
        torch.testing.assert_close(found[name], weights, rtol=1e-3, atol=2e-4, msg=name)
        moved = max(moved, float((weights - before[name]).abs().max()))
    assert moved > 2e-2


def test_weights_have_memory_of_their_own_again(vectors: EpisodeDataset) -> None:
    """Catches parameters that stay views of one vector: written as safetensors, each would bring all the others."""
    config = _config(SMALL)
    _, policy = _after(RecordedDescent, _lessons(vectors, config), config)
    for weight in policy.parameters():
        assert weight.untyped_storage().nbytes() == weight.numel() * weight.element_size()
        assert weight.requires_grad


def test_it_is_taken_where_it_pays(vectors: EpisodeDataset) -> None:
    assert isinstance(_descent(_lessons(vectors, _config(SMALL)), _config(SMALL)), RecordedDescent)


@pytest.mark.parametrize(
    "options",
    [{"epochs": 2}, {"batch_size": 1024}, {"preload_bytes": 0}],
    ids=["few steps", "no whole lesson", "not in memory"],
)
def test_it_is_not_taken_where_it_does_not_pay(vectors: EpisodeDataset, options: dict[str, Any]) -> None:
    config = _config(SMALL, **options)
    assert isinstance(_descent(_lessons(vectors, config), config), EagerDescent)


def test_pictures_and_sequences_are_left_to_the_engine(tmp_path: Path) -> None:
    """Catches a recording of lessons whose sizes differ, or of convolutions that gain nothing."""
    pictures = column_dataset(tmp_path / "pictures")
    config = dataclasses.replace(FAST, epochs=1000)
    assert not RecordedDescent.pays(_lessons(pictures, config), config)
    recurrent = _config(dataclasses.replace(SMALL, **MEMORIES["gru"]))
    random = np.random.default_rng(0)
    state = random.normal(size=(40, 2)).astype(np.float32)
    seen = episode(0, np.zeros((40, 1, 1, 3), np.uint8), state, state)
    kept = dataclasses.replace(seen, observations={key: v for key, v in seen.observations.items() if key != CAMERA})
    sequences = write_dataset(tmp_path / "sequences", [kept], blind_contract(recurrent=True))
    assert not RecordedDescent.pays(_lessons(sequences, recurrent), recurrent)


class _Fickle(PointHead):
    """Its loss is computed otherwise where it is small: what no recording can hold."""

    def loss(self, features: Tensor, actions: Tensor, valid: Tensor) -> Tensor:
        losses = super().loss(features, actions, valid)
        return losses if float(losses.detach().mean()) > 0.1 else 2.0 * losses


@dataclasses.dataclass(frozen=True)
class _FickleOptions(PointOptions):
    def build(self, width: int, chunk: int, dims: int) -> PointHead:
        return _Fickle(width, chunk, dims, self.loss)


def test_a_loss_that_cannot_be_recorded_is_learned_all_the_same(vectors: EpisodeDataset) -> None:
    """Catches a recording of whichever way the first lesson went, and a policy that was left half taken apart."""
    config = _config(dataclasses.replace(SMALL, head=_FickleOptions()))
    lessons = _lessons(vectors, config)
    assert RecordedDescent.pays(lessons, config)
    descent = _descent(lessons, config)
    assert isinstance(descent, EagerDescent)
    first = descent.epoch(1.0)
    assert descent.epoch(1.0) < first
    assert all(weight.untyped_storage().nbytes() == 4 * weight.numel() for weight in lessons.policy.parameters())


def test_equal_seeds_give_equal_weights(vectors: EpisodeDataset) -> None:
    """Catches draws that the seed does not govern, as of TorchScript's own."""
    config = _config(dataclasses.replace(SMALL, head=HEADS["flow"]), epochs=70, held_out=0.5)
    found = []
    for before in (1, 2):
        torch.manual_seed(before)
        found.append(BehavioralCloning(config).fit(vectors))
    first, second = (trained.policy.state_dict() for trained in found)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert found[0].curve == found[1].curve


def test_labels_that_count_more_or_less_are_learned_step_by_step(vectors: EpisodeDataset) -> None:
    """Catches a recorded step that knows no weights: it would take all labels for equal."""
    config = _config(SMALL)
    even, odd = np.full(ROWS, 0.5, np.float32), np.ones(ROWS, np.float32)
    even[::2], odd[::2] = 0.0, 0.1  # half of them missing, and half of them worth less
    for weights, kind in ((None, RecordedDescent), (even, RecordedDescent), (odd, EagerDescent)):
        lessons = _lessons(dataclasses.replace(vectors, weights=weights), config)
        descent = _descent(lessons, config)
        assert type(descent) is kind
        descent.close()
