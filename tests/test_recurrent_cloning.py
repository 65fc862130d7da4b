"""Behavioural cloning from sequences: lanes, state, scheduled sampling, and what it is good for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from memory_task import TICKS, decision_error, sign_dataset
from policy_samples import STATE
from torch import Tensor

from models.bundle import export_bundle
from models.data import Observation
from models.episodes import EpisodeDataset, write_dataset
from models.errors import TrainingError
from models.learners import BehavioralCloning, BehavioralCloningConfig, TrainedPolicy
from models.learners.behavioral_cloning import _new_policy
from models.learners.lanes import lay_lanes
from models.learners.lessons import Lessons
from models.learners.samples import TrainingSamples
from models.policies import Policy, PolicyConfig
from models.policies.heads import MixtureOptions, PointOptions
from models.runtime import PolicyRuntime

# Squared errors: the sign decides at one tick of twelve, which a median would ignore.
SMALL = PolicyConfig(PointOptions("mse"), features=16, state_features=8, safety_features=4, state_dropout=0.0)
FAST = BehavioralCloningConfig(policy=SMALL, epochs=100, batch_size=96, learning_rate=1e-2, held_out=0.25, safety=None)


def _config(memory: str, **options: Any) -> BehavioralCloningConfig:
    """A learner whose gradients reach back over the whole episode."""
    recurrent = {"memory": memory, "memory_features": 16, "memory_warm_up": 0}
    return dataclasses.replace(
        FAST, policy=dataclasses.replace(SMALL, **recurrent, **options.pop("policy", {})), sequence=TICKS, **options
    )


@pytest.fixture(scope="module")
def remembered(tmp_path_factory: pytest.TempPathFactory) -> EpisodeDataset:
    return sign_dataset(tmp_path_factory.mktemp("signs") / "recurrent", recurrent=True)


def _lessons(dataset: EpisodeDataset, config: BehavioralCloningConfig, size: int, sequence: int) -> Lessons:
    torch.manual_seed(0)
    policy = _new_policy(dataset, dataset.contract, config.policy)
    samples = TrainingSamples(dataset, policy, dataset.contract.memory, 1 << 30)
    return Lessons(policy, samples, torch.arange(len(samples)), size, sequence)


def _yaw_rates(policy: Policy, dataset: EpisodeDataset, sequence: int = 5) -> npt.NDArray[np.float32]:
    """What the policy does at every tick, ``(T,)``."""
    samples = TrainingSamples(dataset, policy, dataset.contract.memory, 1 << 30)
    features = Lessons(policy, samples, torch.arange(len(samples)), 20, sequence).features()
    with torch.inference_mode():
        return policy.limit(policy.choose(features))[:, 0, 1].numpy()


# -- what it is good for ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("memory", ["rnn", "gru", "lstm"])
def test_what_was_seen_long_ago_decides(memory: str, remembered: EpisodeDataset) -> None:
    """Catches a state that is not trained, not carried, or carried across episodes."""
    trained = BehavioralCloning(_config(memory)).fit(remembered)
    assert decision_error(remembered, _yaw_rates(trained.policy, remembered)) < 0.25


def test_a_short_stack_cannot_know(tmp_path: Path) -> None:
    """The control of the test above: the same task, data and learner, and two frames instead of a state."""
    dataset = sign_dataset(tmp_path / "stack", recurrent=False)
    trained = BehavioralCloning(FAST).fit(dataset)
    assert decision_error(dataset, _yaw_rates(trained.policy, dataset)) > 0.75


def test_what_was_learned_drives_a_robot(remembered: EpisodeDataset, tmp_path: Path) -> None:
    """Catches anything lost between sequences and the robot's ticks: state, own actions, restarts, units."""
    config = _config("gru", epochs=3, policy={"previous_action": True, "chunk": 2})
    trained = BehavioralCloning(config).fit(remembered)
    trained.save(tmp_path / "checkpoint")
    export_bundle(tmp_path / "checkpoint", tmp_path / "policy.onnx")
    runtime = PolicyRuntime.load(tmp_path / "policy.onnx", remembered.contract, provider="cpu")
    stacks = remembered.stack(np.arange(3 * TICKS), remembered.contract.memory)[STATE]
    proposals = [
        runtime.predict(Observation(int(stamp), {STATE: stacks[tick]}, {}, starts_memory=bool(starts)))
        for tick, (stamp, starts) in enumerate(
            zip(remembered.stamps_ns[: 3 * TICKS], remembered.starts_memory[: 3 * TICKS], strict=True)
        )
    ]
    found = np.array([proposal.actions[0, 1] for proposal in proposals])
    np.testing.assert_allclose(found, _yaw_rates(trained.policy, remembered)[: 3 * TICKS], atol=1e-4)


# -- sequences --------------------------------------------------------------------------------------------------------


def test_lanes_hold_every_stretch_once_and_whole() -> None:
    """Catches ticks left out, shown twice or out of order, and lanes whose length depends on the shuffle."""
    begins = np.zeros(30, np.bool_)
    begins[[0, 4, 9, 10, 18, 25]] = True
    ticks = np.concatenate([np.arange(0, 10), np.arange(18, 30)])
    shapes = set()
    for order in (None, np.array([4, 3, 2, 1, 0]), np.array([2, 0, 4, 1, 3])):
        laid = lay_lanes(ticks, begins, 3, order)
        shapes.add(laid.shape)
        assert sorted(laid[laid >= 0].tolist()) == ticks.tolist()
        for lane in laid:
            row = lane[lane >= 0]
            assert (lane[len(row) :] == -1).all()
            follows = np.diff(row) == 1
            assert (follows | begins[row[1:]]).all()
    assert len(shapes) == 1
    assert lay_lanes(ticks, begins, 99).shape[0] == 5


def test_every_lesson_counts_and_every_tick_is_taught_once(remembered: EpisodeDataset) -> None:
    lessons = _lessons(remembered, _config("gru"), 60, 5)
    for found in (list(lessons.in_order()), list(lessons.shuffled(0.0, 1.0))):
        assert len(found) == lessons.count
        assert sorted(torch.cat([lesson.ticks for lesson in found]).tolist()) == list(range(len(remembered)))


def test_the_state_goes_on_between_pieces_and_not_between_episodes(remembered: EpisodeDataset) -> None:
    """Catches a state lost at a piece's end, or kept from one episode to the next: pieces must not change features."""
    config = _config("gru")
    whole = _lessons(remembered, config, 10_000, TICKS)
    pieces = _lessons(remembered, config, 30, 5)
    whole.policy.eval()
    pieces.policy.eval()
    torch.testing.assert_close(whole.features(), pieces.features())


def test_a_missing_tick_starts_memory_anew(tmp_path: Path) -> None:
    """Catches a policy trained across a gap at which the robot's runtime would have reset its state."""
    dataset = sign_dataset(tmp_path / "signs", recurrent=True, episodes=4)
    stamps = np.array(dataset.stamps_ns)
    stamps[5:TICKS] += 60_000_000
    broken = dataclasses.replace(dataset, stamps_ns=stamps)
    assert np.flatnonzero(broken.begins_stretch).tolist() == [0, 5, TICKS, 2 * TICKS, 3 * TICKS]
    policy = _new_policy(dataset, dataset.contract, _config("gru").policy)
    samples = TrainingSamples(broken, policy, dataset.contract.memory, 1 << 30)
    assert float(samples.previous[5].abs().max()) == 0.0
    assert float(samples.previous[4].abs().max()) > 0.0


def test_equal_seeds_give_equal_weights(remembered: EpisodeDataset) -> None:
    """Catches randomness of draws, lanes or scheduled sampling that the seed does not govern."""
    policy = {"previous_action": True, "head": MixtureOptions(modes=2), "act": "sample"}
    config = _config("rnn", epochs=2, policy=policy)
    found: list[TrainedPolicy] = []
    for before in (1, 2):
        torch.manual_seed(before)
        found.append(BehavioralCloning(config).fit(remembered))
    first, second = (trained.policy.state_dict() for trained in found)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert found[0].curve == found[1].curve
    assert 1.0 <= found[0].head["modes_in_use"] <= 2.0


def test_a_safety_classifier_sees_the_state(remembered: EpisodeDataset) -> None:
    """Catches a classifier that is trained on features without their past."""
    config = dataclasses.replace(_config("gru", epochs=2), safety=BehavioralCloningConfig().safety)
    trained = BehavioralCloning(config).fit(remembered)
    assert trained.safety is not None
    assert 0.0 < trained.safety.unsafe_share < 1.0


# -- scheduled sampling -----------------------------------------------------------------------------------------------


def test_errors_are_those_of_labelled_ticks(remembered: EpisodeDataset, tmp_path: Path) -> None:
    """Catches a report that compares a policy with what was executed where nobody said what was to be done."""
    episodes = []
    for number in range(len(remembered.lengths)):
        one = remembered.episode(number)
        weights = (np.arange(TICKS) % 2 == 0).astype(np.float32)
        executed = np.where(weights[:, None] > 0.0, one.actions, remembered.contract.action_maximum)
        episodes.append(dataclasses.replace(one, actions=executed.astype(np.float32), weights=weights))
    dataset = write_dataset(tmp_path / "half", episodes, remembered.contract)
    trained = BehavioralCloning(_config("gru", epochs=1)).fit(dataset)
    held_out = np.isin(dataset.episode_index, [dataset.episode_ids.index(name) for name in trained.held_out_episodes])
    errors = np.abs(_yaw_rates(trained.policy, dataset) - dataset.actions[:, 1])
    name = dataset.contract.action_names[1]
    assert trained.error[name] == pytest.approx(float(errors[held_out & dataset.labelled].mean()), rel=1e-4)
    assert trained.error[name] < 0.5 * float(errors[held_out & ~dataset.labelled].mean())


def test_alpha_falls_from_one() -> None:
    config = _config("gru", epochs=5, alpha_last=0.2, policy={"previous_action": True})
    assert [config.alpha(epoch) for epoch in range(1, 6)] == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2])
    assert dataclasses.replace(config, epochs=1).alpha(1) == 1.0


def _shown(lessons: Lessons, change: Callable[[Policy], object], alpha: float) -> Tensor:
    """Features of all ticks, by tick, after the policy's own actions were changed."""
    change(lessons.policy)
    torch.manual_seed(3)
    found = list(lessons.shuffled(0.0, alpha))
    ticks = torch.cat([lesson.ticks for lesson in found])
    return torch.cat([lesson.features.detach() for lesson in found])[ticks.argsort()]


def _act_otherwise(policy: Policy) -> None:
    with torch.no_grad():
        for weight in policy.head.parameters():
            weight.add_(1.0)


def test_at_alpha_one_only_true_actions_are_shown(remembered: EpisodeDataset) -> None:
    """Catches the inverted branch of the lecture's code, under which α = 1 would feed the model's own output.

    A policy that would do something else altogether sees the very same; at α = 0 nothing of the expert's is seen.
    """
    config = _config("gru", policy={"previous_action": True})
    nothing: Callable[[Policy], object] = lambda policy: None  # noqa: E731
    for alpha, depends_on_own, depends_on_expert in ((1.0, False, True), (0.0, True, False), (0.5, True, True)):
        lessons = _lessons(remembered, config, 120, 5)
        before = _shown(lessons, nothing, alpha)
        assert torch.equal(_shown(lessons, _act_otherwise, alpha), before) is not depends_on_own
        lessons = _lessons(remembered, config, 120, 5)
        lessons.samples.previous.add_(1.0)
        assert torch.equal(_shown(lessons, nothing, alpha), before) is not depends_on_expert


def test_the_label_never_changes(remembered: EpisodeDataset) -> None:
    """Catches a target that is replaced along with the input: at any α the loss is of the expert's action."""
    lessons = _lessons(remembered, _config("gru", policy={"previous_action": True}), 120, 5)
    before = lessons.samples.targets.clone()
    for alpha in (1.0, 0.0):
        for lesson in lessons.shuffled(0.0, alpha):
            assert lesson.features.requires_grad
    assert torch.equal(lessons.samples.targets, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha_last": 0.5}, "no effect"),
        ({"sequence": 8}, "no effect"),
        ({"sequence": 0}, "sequence is too small"),
        ({"alpha_last": 1.5}, "no share"),
    ],
)
def test_bad_options_are_rejected_at_construction(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        BehavioralCloningConfig(**options)
