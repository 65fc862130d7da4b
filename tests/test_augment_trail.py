"""Trail following: a classifier whose probabilities steer, in the same bundle as every other policy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from policy_samples import CAMERA, small_checkpoint, small_observation, small_policy

from models.bundle import export_bundle
from models.errors import TrainingError
from models.policies import PolicyConfig
from models.policies.checkpoint import Checkpoint
from models.policies.heads import TrailHead, TrailOptions, head_options
from models.runtime import PolicyRuntime

LEVELS = torch.tensor([-2.0, 0.1, 2.2])


def _head(width: int, chunk: int, dims: int, steering: int = 1) -> TrailHead:
    """A head whose normalised levels are ``LEVELS``: commands of 1 in a unit of mean -0.1 / 2.1, deviation 1 / 2.1."""
    head = TrailOptions(turn=1.0, dimension=steering).build(width, chunk, dims)
    head.know_units(lambda commands: 2.1 * commands + 0.1)
    torch.testing.assert_close(head.levels, LEVELS)
    return head


def test_it_learns_which_side_and_steers_by_the_difference() -> None:
    """Catches classes in the wrong order, and an action that is not ``turn * (P(left) - P(right))`` around straight."""
    torch.manual_seed(0)
    head = _head(8, 2, 2)
    features = torch.randn(300, 8)
    side = (features[:, 0] > 0.5).int() - (features[:, 0] < -0.5).int()
    actions = torch.stack([features[:, 1], LEVELS[side + 1]], dim=1)[:, None].expand(-1, 2, -1)
    optimiser = torch.optim.Adam(head.parameters(), 0.05)
    for _ in range(300):
        optimiser.zero_grad()
        loss = head.loss(features, actions, torch.ones(300, 2))
        assert loss.shape == (300,)
        loss.mean().backward()
        optimiser.step()
    with torch.no_grad():
        chosen = head.probabilities(features).argmax(dim=2)[:, 0] - 1
        assert float((chosen == side).float().mean()) > 0.95
        right, _, left = head.probabilities(features).unbind(dim=2)
        torch.testing.assert_close(head(features)[..., 1], 0.1 + 2.1 * (left - right))
        assert float((head(features)[:, 0, 0] - features[:, 1]).abs().mean()) < 0.1


def test_any_label_counts_as_its_nearest_class() -> None:
    """Catches a threshold elsewhere than half-way: labels beside a level must give that level's loss, and no other."""
    head = _head(4, 1, 2)
    features = torch.randn(3, 4)
    near, exact = torch.tensor([-1.2, 0.9, 1.4]), LEVELS
    valid = torch.ones(3, 1)
    losses = [head.loss(features, torch.stack([torch.zeros(3), steer], 1)[:, None], valid) for steer in (near, exact)]
    torch.testing.assert_close(*losses)


def test_the_steering_dimension_may_be_any() -> None:
    head = _head(4, 1, 3, steering=0)
    features = torch.randn(5, 4)
    expected = (head.probabilities(features) * LEVELS).sum(dim=2)
    torch.testing.assert_close(head(features)[..., 0], expected)
    assert head(features).shape == (5, 1, 3)


def test_a_certain_turn_is_the_configured_one_in_si_units() -> None:
    """Catches levels that are not put into normalised units: with mean 0 and scale 0.5, 1.5 rad/s must come out."""
    policy = small_policy(head=TrailOptions(turn=1.5))
    assert isinstance(policy.head, TrailHead)
    with torch.no_grad():
        policy.head.classes.weight.zero_()
        for certain, yaw_rate in ((0, -1.5), (1, 0.0), (2, 1.5)):
            policy.head.classes.bias.fill_(-40.0)
            policy.head.classes.bias[certain] = 40.0
            actions = policy.limit(policy.head(torch.zeros(1, 8)))
            assert float(actions[0, 0, 1]) == pytest.approx(yaw_rate, abs=1e-5)


def test_it_is_saved_exported_and_run_like_any_policy(tmp_path: Path) -> None:
    """Catches levels that are lost on the way to a checkpoint or into the graph."""
    checkpoint = small_checkpoint(head=TrailOptions(turn=1.5), chunk=2)
    checkpoint.save(tmp_path / "checkpoint")
    loaded = Checkpoint.load(tmp_path / "checkpoint").policy
    assert isinstance(loaded.head, TrailHead)
    assert isinstance(checkpoint.policy.head, TrailHead)
    torch.testing.assert_close(loaded.head.levels, checkpoint.policy.head.levels)
    export_bundle(tmp_path / "checkpoint", tmp_path / "policy.onnx")
    runtime = PolicyRuntime.load(tmp_path / "policy.onnx", checkpoint.contract, provider="cpu")
    turns = set()
    for seed in range(4):
        observation = small_observation(seed)
        action, _ = checkpoint.policy.act(observation.arrays)
        np.testing.assert_allclose(runtime.predict(observation).actions, action, atol=1e-5)
        turns.add(round(float(action[0, 1]), 4))
    assert len(turns) > 1
    assert CAMERA in observation.arrays


def test_bad_options_are_rejected_at_construction() -> None:
    with pytest.raises(TrainingError, match="option turn"):
        head_options("trail", {"turn": 0.0})
    with pytest.raises(TrainingError, match="option dimension"):
        small_policy(head=TrailOptions(dimension=2))
    with pytest.raises(TrainingError, match="no distribution"):
        PolicyConfig(head=TrailOptions(), act="sample")
