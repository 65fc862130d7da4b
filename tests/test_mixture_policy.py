"""Mixtures: in process, as a network, as a bundle; the same member acts everywhere, as often as it weighs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from policy_samples import CONTRACT, RECURRENT_CONTRACT, small_checkpoint, small_observation, small_policy

from models.bundle import BundleReport, export_bundle, verify_bundle
from models.bundle.noise import draw_noise
from models.data import FloatArray, Observation
from models.errors import TrainingError
from models.interactive import Answer, Mixture
from models.interactive.mixture import cumulative_weights, drawn_member
from models.learners.interactive import TorchActor, checkpoint_of
from models.policies.checkpoint import Checkpoint
from models.policies.heads import MixtureOptions
from models.policies.mixture import MixturePolicy
from models.runtime import PolicyRuntime

WEIGHTS = (0.5, 0.3, 0.2)
TICKS = 3000


class _Constant:
    """A member that says its number."""

    def __init__(self, number: int, noise_width: int = 0) -> None:
        self._number, self.noise_width = number, noise_width
        self.noise: list[FloatArray] = []

    def answer(self, observation: Observation, noise: FloatArray) -> Answer:
        self.noise.append(noise)
        return Answer(np.array([self._number], np.float32), self._number / 10)


def _members(**options: Any) -> list[Checkpoint]:
    return [small_checkpoint(seed, **options) for seed in range(3)]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mixture, Checkpoint, BundleReport]:
    """A mixture of three, one of which draws by itself, in process, as a checkpoint and as a bundle."""
    members = [*_members(chunk=2)[:2], small_checkpoint(2, chunk=2, head=MixtureOptions(modes=2), act="sample")]
    mixture = Mixture([TorchActor(member) for member in members], WEIGHTS)
    checkpoint = checkpoint_of(mixture, {"name": "smile"})
    path = tmp_path_factory.mktemp("mixture") / "policy.onnx"
    return mixture, checkpoint, export_bundle(checkpoint, path)


def test_members_act_as_often_as_they_weigh() -> None:
    """Catches a draw per episode, weights that are shifted by one, and noise that the member does not get."""
    members = [_Constant(0), _Constant(1, noise_width=2), _Constant(2)]
    mixture = Mixture(members, [5, 3, 2])
    assert mixture.weights == WEIGHTS
    assert mixture.noise_width == 3
    drawn = [int(mixture.answer(small_observation(), draw_noise(0, tick, 3)).action[0]) for tick in range(TICKS)]
    for number, weight in enumerate(WEIGHTS):
        assert abs(drawn.count(number) / TICKS - weight) < 4 * np.sqrt(weight * (1 - weight) / TICKS)
    assert {len(noise) for noise in members[1].noise} == {2}
    assert {len(noise) for noise in members[0].noise} == {0}
    # The member's own noise must not say who was drawn: it would be cut off on one side.
    assert abs(float(np.mean(members[1].noise))) < 0.1


def test_nobody_without_weight_is_drawn() -> None:
    """Catches rounding that lets the last member act although it weighs nothing."""
    cumulative = cumulative_weights([0.1] * 10 + [0.0])
    assert cumulative[-2:] == [1.0, 1.0]
    assert drawn_member(cumulative, 40.0) in (9, 10)
    mixture = Mixture([_Constant(number) for number in range(3)], [0.0, 1.0, 0.0])
    drawn = {int(mixture.answer(small_observation(), draw_noise(1, tick, 1)).action[0]) for tick in range(500)}
    assert drawn == {1}


@pytest.mark.parametrize("weights", [[], [0.0], [-1.0, 2.0], [float("nan")], [float("inf"), 1.0]])
def test_weights_that_are_none_are_refused(weights: list[float]) -> None:
    with pytest.raises(TrainingError, match="no weights of a mixture"):
        cumulative_weights(weights)
    with pytest.raises(TrainingError):
        Mixture([_Constant(0)] * 2, [1.0])


def test_the_graph_computes_what_torch_computes(exported: tuple[Mixture, Checkpoint, BundleReport]) -> None:
    """Catches an operator that the export changes, and a comparison that leaves out too much."""
    mixture, checkpoint, report = exported
    assert max(report.parity.action, report.parity.unsafe_probability) <= 1e-5
    assert report.parity.observations >= 256
    assert report.parity.undecided <= 0.02 * report.parity.observations
    bundle = verify_bundle(report.path, checkpoint.contract)
    assert bundle.noise_width == mixture.noise_width
    assert bundle.metadata.learner == {"name": "smile"}


def test_a_robot_draws_what_was_drawn_in_process(exported: tuple[Mixture, Checkpoint, BundleReport]) -> None:
    """Catches another order of members, or noise that is read otherwise: 300 ticks, on each the same one acts."""
    mixture, _, report = exported
    runtime = PolicyRuntime.load(report.path, provider="cpu")
    assert runtime.noise_seed == 0
    for tick in range(300):
        observation = small_observation(tick % 7, stamp_ns=tick * 50_000_000)
        expected = mixture.answer(observation, draw_noise(0, observation.stamp_ns, mixture.noise_width))
        proposal = runtime.predict(observation)
        np.testing.assert_allclose(proposal.actions[0], expected.action, atol=1e-4)
        assert proposal.unsafe_probability == pytest.approx(expected.unsafe_probability, abs=1e-5)


def test_one_members_nan_is_not_the_others(tmp_path: Path) -> None:
    """Catches a sum in which the members that were not drawn take part."""
    policies = [small_policy(0), small_policy(1)]
    with torch.no_grad():
        policies[1].fusion.weight.fill_(float("nan"))
    mixture = MixturePolicy(policies, [1.0, 1.0]).eval()
    rows = {key: torch.from_numpy(np.stack([values] * 2)) for key, values in small_observation().arrays.items()}
    with torch.inference_mode():
        action, unsafe = mixture(rows, torch.tensor([[-1.0], [1.0]]))
    assert torch.isfinite(action[0]).all()
    assert torch.isnan(action[1]).all()
    assert float(unsafe[1]) == 1.0


def test_a_mixture_travels_as_safetensors(exported: tuple[Mixture, Checkpoint, BundleReport], tmp_path: Path) -> None:
    """Catches members or weights that a checkpoint does not rebuild."""
    _, checkpoint, report = exported
    checkpoint.save(tmp_path)
    loaded = Checkpoint.load(tmp_path)
    assert isinstance(loaded.policy, MixturePolicy)
    assert loaded.policy.weights == pytest.approx(WEIGHTS)
    again = export_bundle(tmp_path, tmp_path / "policy.onnx")
    assert again.sha256 == report.sha256


def test_members_that_cannot_act_for_one_another_are_refused() -> None:
    with pytest.raises(TrainingError, match="different robots"):
        MixturePolicy([small_policy(0), small_policy(1, chunk=2)], [1, 1])
    slow = small_policy(1, CONTRACT.replace("max: 8", "max: 7"))
    with pytest.raises(TrainingError, match="different robots"):
        MixturePolicy([small_policy(0), slow], [1, 1])
    recurrent = small_policy(0, RECURRENT_CONTRACT, memory="gru")
    with pytest.raises(TrainingError, match="would have to remember too"):
        MixturePolicy([recurrent], [1])
    with pytest.raises(TrainingError, match="only networks can be exported"):
        checkpoint_of(Mixture([_Constant(0)], [1.0]), {})
    with pytest.raises(TrainingError, match="only networks can be exported"):
        checkpoint_of(_Constant(0), {})


def test_one_policy_is_exported_as_itself(tmp_path: Path) -> None:
    """Catches a mixture of one, which would draw without need."""
    member = small_checkpoint(0)
    checkpoint = checkpoint_of(TorchActor(member), {"name": "dagger"})
    assert checkpoint == dataclasses.replace(member, learner={"name": "dagger"})


def test_a_recurrent_actor_remembers_from_start_to_start() -> None:
    """Catches a state that goes on into the next episode, or that is forgotten at every tick."""
    actor = TorchActor(small_checkpoint(0, RECURRENT_CONTRACT, memory="gru", memory_features=8))
    arrays = {key: rows[-1:] for key, rows in small_observation(3).arrays.items()}
    quiet = np.empty(0, np.float32)

    def ask(tick: int, starts: bool) -> FloatArray:
        return actor.answer(Observation(tick, arrays, {}, starts_memory=starts), quiet).action

    first, second, again = ask(0, True), ask(1, False), ask(2, True)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, again)
