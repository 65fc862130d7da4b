"""A policy that drives where it is trained: it does what its bundle will do, and its state is an episode's own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from exported_parts import ExportedParts
from memory_task import TICKS, decision_error, sign_dataset
from part_samples import HEADS, MEMORIES, blind_policy, states
from policy_samples import STATE

from models.data import Observation
from models.episodes import EpisodeDataset
from models.learners import BehavioralCloning, BehavioralCloningConfig
from models.policies import Policy, PolicyConfig
from models.policies.heads import PointOptions
from models.runtime import PolicyRuntime
from models.torch_runtime import TorchRuntime

PERIOD_NS = 50_000_000
SMALL = PolicyConfig(PointOptions("mse"), features=16, state_features=8, safety_features=4, state_dropout=0.0)


@pytest.mark.parametrize("name", ["independent", "gaussian drawn", "point, lstm", "mixture drawn, lstm"])
def test_it_does_what_the_bundle_does(exported_parts: ExportedParts, name: str) -> None:
    """Catches a state or noise that goes another way than on the robot; over three episodes and a reset."""
    policy, report = exported_parts(name)
    here, there = TorchRuntime(policy), PolicyRuntime.load(report.path, provider="cpu")
    rows = states(24, seed=5)
    for tick in range(24):
        if tick == 18:
            here.reset()
            there.reset()
        arrays = {key: values[tick] for key, values in rows.items()}
        observation = Observation(tick * PERIOD_NS, arrays, {}, starts_memory=tick in (0, 7, 12))
        ours, theirs = here.predict(observation), there.predict(observation)
        np.testing.assert_allclose(ours.actions, theirs.actions, atol=1e-4)
        assert ours.unsafe_probability == pytest.approx(theirs.unsafe_probability, abs=1e-5)
        assert (ours.stamp_ns, ours.names) == (theirs.stamp_ns, theirs.names)


def test_a_state_goes_on_within_an_episode_and_not_into_the_next() -> None:
    """Catches a state that is never kept, and one that is never given up."""
    policy = blind_policy(1, **MEMORIES["gru"])
    arrays = {key: values[0] for key, values in states(1).items()}

    def ask(runtime: TorchRuntime, tick: int, starts: bool) -> npt.NDArray[np.float32]:
        return runtime.predict(Observation(tick * PERIOD_NS, arrays, {}, starts_memory=starts)).actions

    runtime = TorchRuntime(policy)
    first, second = ask(runtime, 0, True), ask(runtime, 1, False)
    assert float(np.abs(first - second).max()) > 1e-4
    np.testing.assert_array_equal(ask(runtime, 2, True), first)
    np.testing.assert_array_equal(ask(runtime, 3, False), second)
    runtime.reset()
    np.testing.assert_array_equal(ask(runtime, 4, False), first)


def _yaw_rates(policy: Policy, dataset: EpisodeDataset) -> npt.NDArray[np.float32]:
    """Driven over every episode of the dataset, tick by tick."""
    runtime = TorchRuntime(policy)
    stacks = dataset.stack(np.arange(len(dataset)))[STATE]
    return np.array(
        [
            runtime.predict(Observation(int(stamp), {STATE: stacks[tick]}, {}, starts_memory=bool(starts))).actions[
                0, 1
            ]
            for tick, (stamp, starts) in enumerate(zip(dataset.stamps_ns, dataset.starts_memory, strict=True))
        ]
    )


def test_a_recurrent_policy_is_chosen_by_how_it_drives(tmp_path: Path) -> None:
    """Catches an evaluation during training that a policy with a state cannot take part in, or takes part in blindly.

    The sign is seen at an episode's start and decides at its end; without a state the error is 1.
    """
    dataset = sign_dataset(tmp_path / "signs", recurrent=True)
    config = BehavioralCloningConfig(
        policy=dataclasses.replace(SMALL, memory="gru", memory_features=16, memory_warm_up=0),
        epochs=100,
        batch_size=96,
        learning_rate=1e-2,
        held_out=0.25,
        sequence=TICKS,
        evaluate_every=25,
        safety=None,
    )

    def evaluate(policy: Policy) -> float:
        return -decision_error(dataset, _yaw_rates(policy, dataset))

    trained = BehavioralCloning(config).fit(dataset, evaluate=evaluate)
    scores = [record.score for record in trained.curve if record.score is not None]
    assert len(scores) == 4
    assert max(scores) > -0.25
    assert decision_error(dataset, _yaw_rates(trained.policy, dataset)) == pytest.approx(-max(scores), abs=1e-5)


def test_looking_changes_nothing_about_learning(tmp_path: Path) -> None:
    """Catches an evaluation that draws from the generator that training draws from."""
    dataset = sign_dataset(tmp_path / "signs", recurrent=True, episodes=8)
    policy = dataclasses.replace(
        SMALL, memory="rnn", memory_features=8, head=HEADS["gaussian"], act="sample", state_dropout=0.3
    )
    config = BehavioralCloningConfig(
        policy=policy, epochs=3, batch_size=96, held_out=0.25, evaluate_every=1, safety=None
    )
    plain = BehavioralCloning(config).fit(dataset)
    before = torch.get_rng_state()
    looked_at = BehavioralCloning(config).fit(dataset, evaluate=lambda one: float(_yaw_rates(one, dataset).mean()))
    assert torch.equal(before, torch.get_rng_state())
    assert [record.training_loss for record in looked_at.curve] == [record.training_loss for record in plain.curve]
