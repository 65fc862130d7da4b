"""What every head has to do, whatever distribution it stands for. Each kind is held to all of it."""

from __future__ import annotations

import itertools

import pytest
import torch
from part_samples import CHUNK, DIMS, HEADS, SAMPLING, WIDTH
from torch import Tensor

from models.errors import TrainingError
from models.policies.heads import HEADS as KINDS
from models.policies.heads import Head

COUNT = 7


def _head(name: str, seed: int = 0, width: int = WIDTH, chunk: int = CHUNK, dims: int = DIMS) -> Head:
    torch.manual_seed(seed)
    return HEADS[name].build(width, chunk, dims)


def _batch(count: int = COUNT, seed: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Features, actions, and a mask under which every second chunk is cut off after its first step."""
    torch.manual_seed(seed)
    valid = torch.ones(count, CHUNK)
    valid[::2, 1:] = 0.0
    return torch.randn(count, WIDTH), torch.randn(count, CHUNK, DIMS), valid


def test_every_kind_has_a_case() -> None:
    """Catches a head that was added without being held to any of this."""
    assert set(HEADS) == set(KINDS)
    assert all(type(options) is KINDS[name] and options.kind == name for name, options in HEADS.items())


@pytest.mark.parametrize("name", HEADS)
def test_shapes(name: str) -> None:
    head, (features, actions, valid) = _head(name), _batch()
    assert head(features).shape == actions.shape
    assert head.loss(features, actions, valid).shape == (COUNT,)
    assert head.score(features, actions, valid).shape == (COUNT,)
    assert (head.noise_width > 0) == (name in SAMPLING)
    assert all(isinstance(value, float) for value in head.diagnose(features, actions, valid).values())
    if name in SAMPLING:
        assert head.sample(features, torch.randn(COUNT, head.noise_width)).shape == actions.shape
    else:
        with pytest.raises(TrainingError, match="no distribution"):
            head.sample(features, torch.zeros(COUNT, 0))


@pytest.mark.parametrize("name", HEADS)
def test_gradients_reach_the_features_and_every_weight(name: str) -> None:
    """Catches a detached branch, and weights that no training ever moves."""
    head, (features, actions, valid) = _head(name), _batch()
    features.requires_grad_()
    torch.autograd.backward(head.loss(features, actions, valid).sum())
    assert features.grad is not None
    assert bool((features.grad != 0).any(dim=1).all())
    for parameter, weight in head.named_parameters():
        assert weight.grad is not None, parameter
        assert bool((weight.grad != 0).any()), parameter


@pytest.mark.parametrize("name", HEADS)
def test_steps_beyond_the_end_do_not_count(name: str) -> None:
    """Catches a head that learns what a robot did after its episode was over; the valid steps must count."""
    head, (features, actions, valid) = _head(name), _batch()

    def losses(labels: Tensor) -> Tensor:
        torch.manual_seed(5)
        return torch.stack([head.loss(features, labels, valid), head.score(features, labels, valid)])

    before = losses(actions)
    assert torch.equal(losses(torch.where(valid.unsqueeze(2) > 0, actions, torch.tensor(1e3))), before)
    changed = losses(torch.where(valid.unsqueeze(2) > 0, actions + 3.0, actions))
    assert bool((changed[0] != before[0]).any())


@pytest.mark.parametrize("name", HEADS)
def test_samples_do_not_influence_each_other(name: str) -> None:
    """Catches a loss or an action that depends on what else is in the batch; a robot has one observation at a time."""
    head, (features, actions, valid) = _head(name), _batch()
    torch.testing.assert_close(head(features)[2:3], head(features[2:3]))
    if name in SAMPLING:
        noise = torch.randn(COUNT, head.noise_width)
        torch.testing.assert_close(head.sample(features, noise)[2:3], head.sample(features[2:3], noise[2:3]))
    torch.manual_seed(5)
    whole = head.loss(features, actions, valid)
    torch.manual_seed(5)
    other = head.loss(features, torch.cat([actions[:-1], actions[-1:] + 1.0]), valid)
    assert torch.equal(whole[:-1], other[:-1])


@pytest.mark.parametrize("name", HEADS)
def test_equal_seeds_give_equal_heads(name: str) -> None:
    """Catches randomness at construction, fitting or acting that no seed governs."""
    features, actions, valid = _batch()
    heads = [_head(name, seed) for seed in (3, 3, 4)]
    for head in heads:
        head.fit(actions, valid, seed=1)
    acted = [head(features) for head in heads]
    assert torch.equal(acted[0], acted[1])
    assert not torch.equal(acted[0], acted[2])
    assert torch.equal(heads[0](features), acted[0])
    if name in SAMPLING:
        noise = torch.randn(2, COUNT, heads[0].noise_width)
        drawn = [heads[0].sample(features, one) for one in (noise[0], noise[0], noise[1])]
        assert torch.equal(drawn[0], drawn[1])
        assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("name", HEADS)
def test_what_is_no_number_stays_none(name: str) -> None:
    """Catches a choice between alternatives that turns NaN into a valid command, which no gate would refuse."""
    head, (features, _, _) = _head(name), _batch()
    features[3] = float("nan")
    acted = [head(features)]
    if name in SAMPLING:
        acted.append(head.sample(features, torch.randn(COUNT, head.noise_width)))
    for actions in acted:
        assert bool(torch.isnan(actions[3]).all())
        assert bool(torch.isfinite(torch.cat([actions[:3], actions[4:]])).all())


@pytest.mark.parametrize("name", HEADS)
def test_weights_and_what_was_fitted_survive_the_disk(name: str) -> None:
    """Catches bins, centres or a fixed noise that are not part of the state."""
    features, actions, valid = _batch()
    first, second = _head(name, 3), _head(name, 4)
    first.fit(actions * 2.0, valid, seed=1)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(features), second(features))


@pytest.mark.parametrize("name", HEADS)
def test_a_function_is_learned(name: str) -> None:
    """Catches a loss that does not lead to the actions that the head acts with: here they follow from the features."""
    head = _head(name, width=2, chunk=1, dims=2)
    torch.manual_seed(0)
    features = torch.rand(512, 2) * 2 - 1
    actions = torch.stack([features[:, 0] + features[:, 1], features[:, 0]], dim=1).unsqueeze(1)
    valid = torch.ones(512, 1)
    head.fit(actions, valid, seed=0)
    with torch.no_grad():
        before = float((head(features) - actions).abs().mean())
    optimiser = torch.optim.Adam(head.parameters(), 0.01)
    for _ in range(300 if name != "adversarial" else 600):
        optimiser.zero_grad()
        torch.autograd.backward(head.loss(features, actions, valid).mean())
        optimiser.step()
    with torch.no_grad():
        after = float((head(features) - actions).abs().mean())
    # Six typical chunks are a coarse net over a square, linear logits of bins go along, and a game settles slowly.
    limit = {"joint": 0.45, "independent": 0.25, "adversarial": 0.3, "n_best": 0.35}.get(name, 0.15)
    assert after < limit < before, (before, after)


def test_heads_differ() -> None:
    """Catches two names for one head."""
    features, actions, valid = _batch()
    losses = {}
    for name in HEADS:
        torch.manual_seed(5)
        losses[name] = _head(name).loss(features, actions, valid)
    assert all(not torch.equal(losses[one], losses[other]) for one, other in itertools.combinations(losses, 2))
