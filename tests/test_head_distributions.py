"""What the heads draw from: torch's own distributions, and tasks with two ways of doing a thing."""

from __future__ import annotations

import pytest
import torch
from distributions import distance_in_distribution
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal
from two_ways import left_and_slow_or_right_and_fast, train

from models.policies.heads import (
    AdversarialOptions,
    AutoregressiveOptions,
    CvaeOptions,
    FlowOptions,
    GaussianHead,
    GaussianOptions,
    Head,
    HeadOptions,
    IndependentOptions,
    JointOptions,
    MixtureHead,
    MixtureOptions,
    NBestOptions,
    PointOptions,
)
from models.policies.heads.choice import draw

WIDTH, CHUNK, DIMS, DRAWS = 4, 2, 2, 4000


def _whole(count: int, chunk: int = CHUNK) -> Tensor:
    return torch.ones(count, chunk)


# -- likelihoods are torch's ------------------------------------------------------------------------------------------


def _torch_gaussian(head: Head, features: Tensor) -> Distribution:
    assert isinstance(head, GaussianHead)
    return Independent(Normal(head(features).flatten(1), head.log_std.exp().flatten()), 1)


def _torch_mixture(head: Head, features: Tensor) -> Distribution:
    assert isinstance(head, MixtureHead)
    logits, mean, scale = head.components(features)
    return MixtureSameFamily(Categorical(logits=logits), Independent(Normal(mean, scale), 1))


@pytest.mark.parametrize(
    ("options", "theirs"), [(GaussianOptions(), _torch_gaussian), (MixtureOptions(modes=3), _torch_mixture)]
)
def test_loss_is_minus_the_log_likelihood_of_torch(options: HeadOptions, theirs: object) -> None:
    """Catches a lost constant, weight or factor. A chunk that is cut off has the marginal likelihood of its rest."""
    assert callable(theirs)
    torch.manual_seed(0)
    head, short = options.build(WIDTH, CHUNK, DIMS), options.build(WIDTH, 1, DIMS)
    features, actions = torch.randn(9, WIDTH), torch.randn(9, CHUNK, DIMS)
    expected = -theirs(head, features).log_prob(actions.flatten(1))
    torch.testing.assert_close(head.loss(features, actions, _whole(9)), expected)
    with torch.no_grad():
        for name, weight in short.named_parameters():
            whole = dict(head.named_parameters())[name]
            if whole.shape == weight.shape:
                weight.copy_(whole)
            elif name == "log_std":
                weight.copy_(whole[:1])
            else:
                # Rows of modes (or one), steps and dimensions.
                weight.copy_(whole.reshape(-1, CHUNK, DIMS, *whole.shape[1:])[:, :1].reshape(weight.shape))
    cut = torch.tensor([[1.0, 0.0]]).expand(9, CHUNK)
    marginal = short.loss(features, actions[:, :1], _whole(9, 1))
    torch.testing.assert_close(head.loss(features, actions, cut), marginal)


@pytest.mark.parametrize(
    ("options", "theirs"), [(GaussianOptions(), _torch_gaussian), (MixtureOptions(modes=3), _torch_mixture)]
)
def test_draws_are_those_of_torch(options: HeadOptions, theirs: object) -> None:
    """Catches a scale used as a variance, or a mode drawn with other weights. The control: another distribution."""
    assert callable(theirs)
    torch.manual_seed(0)
    head = options.build(WIDTH, CHUNK, DIMS)
    features = torch.randn(1, WIDTH)
    with torch.no_grad():
        ours = head.sample(features.expand(DRAWS, -1), torch.randn(DRAWS, head.noise_width)).flatten(1).numpy()
        expected = theirs(head, features).sample((DRAWS,))[:, 0].numpy()
        other = theirs(head, features + 1.0).sample((DRAWS,))[:, 0].numpy()
    assert distance_in_distribution(ours, expected) < 1.0
    assert distance_in_distribution(ours, other) > 1.0


def test_indices_are_drawn_with_their_probabilities() -> None:
    """Catches a cumulative sum that is off by one: chi-squared of 40,000 draws; a certain index is always drawn."""
    torch.manual_seed(0)
    logits = torch.tensor([0.0, 1.5, -1.0, 0.5, -3.0])
    count = 40_000
    found = torch.bincount(draw(logits.expand(count, -1), torch.randn(count)), minlength=5)
    expected = torch.softmax(logits, dim=0) * count
    # Of four degrees of freedom chance exceeds 23.5 once in 10,000 times.
    assert float(((found - expected).square() / expected).sum()) < 23.5
    for certain in range(5):
        one = torch.full((1000, 5), -100.0)
        one[:, certain] = 0.0
        assert bool((draw(one, torch.randn(1000)) == certain).all())
    extreme = draw(logits.expand(2, -1), torch.tensor([-40.0, 40.0]))
    assert extreme.tolist() == [0, 4]


def test_gaussian_head_learns_the_spread_of_its_expert() -> None:
    """Catches a sign error in the likelihood: the learned deviation must be that of the noise, per dimension."""
    torch.manual_seed(0)
    head = GaussianHead(1, 1, 2)
    features = torch.ones(4000, 1)
    actions = torch.randn(4000, 1, 2) * torch.tensor([0.2, 0.8])
    train(head, features, actions, 400, 0.02)
    assert head.log_std.exp().flatten().tolist() == pytest.approx([0.2, 0.8], rel=0.05)


def test_gaussian_deviation_is_clamped() -> None:
    """Catches a likelihood without bound when one dimension is fitted exactly."""
    head = GaussianHead(1, 1, 1)
    with torch.no_grad():
        head.log_std.fill_(-50.0)
        loss = head.loss(torch.zeros(1, 1), head(torch.zeros(1, 1)), torch.ones(1, 1))
    assert float(loss) >= -5.0


def test_mixture_scale_has_a_floor() -> None:
    """Catches a mode that shrinks onto one sample until its likelihood is infinite."""
    head = MixtureHead(1, 1, 1, 2)
    with torch.no_grad():
        head.scale.bias.fill_(-200.0)
        scale = head.components(torch.zeros(1, 1))[2]
    assert scale.min() == pytest.approx(1e-4)


# -- two ways of doing a thing ----------------------------------------------------------------------------------------

HIDDEN = 32
TWO_WAYS: dict[str, HeadOptions] = {
    "independent": IndependentOptions(bins=24),
    "joint": JointOptions(clusters=8),
    "autoregressive": AutoregressiveOptions(bins=24, hidden=HIDDEN),
    "mixture": MixtureOptions(),
    "cvae": CvaeOptions(latent=2, hidden=HIDDEN),
    "n_best": NBestOptions(draws=8, latent=2, hidden=HIDDEN),
    "adversarial": AdversarialOptions(latent=2, hidden=HIDDEN),
    "flow": FlowOptions(hidden=64),
}
"""The heads that can keep two ways apart; those that cannot are named in the tests."""


@pytest.fixture(scope="module")
def trained() -> dict[str, Head]:
    heads = {}
    others: dict[str, HeadOptions] = {"point": PointOptions("mse"), "gaussian": GaussianOptions()}
    for name, options in (TWO_WAYS | others).items():
        torch.manual_seed(0)
        heads[name] = options.build(1, 1, 2)
        actions = left_and_slow_or_right_and_fast(4000)
        steps = {"adversarial": 1500, "flow": 1200, "cvae": 1200}.get(name, 500)
        train(heads[name], torch.ones(4000, 1), actions, steps, 3e-3 if name == "adversarial" else 5e-3)
    return heads


def _drawn(head: Head, count: int = 1000) -> Tensor:
    """``(count, 2)``."""
    torch.manual_seed(1)
    with torch.no_grad():
        return head.sample(torch.ones(count, 1), torch.randn(count, head.noise_width))[:, 0]


def _near_a_way(actions: Tensor) -> Tensor:
    """Which of ``(N, 2)`` are within half a unit of either way."""
    return torch.minimum((actions - 1.0).norm(dim=1), (actions + 1.0).norm(dim=1)) < 0.5


def test_a_point_goes_through_the_middle(trained: dict[str, Head]) -> None:
    """What the other heads are for; a Gaussian does no better."""
    with torch.no_grad():
        for name in ("point", "gaussian"):
            acted = trained[name](torch.ones(1, 1))[0]
            assert float(acted.abs().max()) < 0.2, name
    assert float(_near_a_way(_drawn(trained["gaussian"])).float().mean()) < 0.5


@pytest.mark.parametrize("name", [name for name in TWO_WAYS if name != "independent"])
def test_draws_keep_to_one_way_and_take_both(trained: dict[str, Head], name: str) -> None:
    """Catches a head that averages, that mixes dimensions, or that has forgotten one of the ways."""
    drawn = _drawn(trained[name])
    near = _near_a_way(drawn)
    assert float(near.float().mean()) > 0.85
    right = float((drawn[near][:, 0] > 0).float().mean())
    # A decoder of noise promises no probabilities where only its best draw is corrected.
    assert (0.1 if name == "n_best" else 0.3) < right < (0.9 if name == "n_best" else 0.7)


@pytest.mark.parametrize("name", [name for name in TWO_WAYS if name not in ("independent", "cvae")])
def test_without_noise_one_way_is_taken(trained: dict[str, Head], name: str) -> None:
    """Catches a head whose act without noise is the mean of the ways (which for a CVAE, at z = 0, it may be)."""
    with torch.no_grad():
        acted = trained[name](torch.ones(1, 1))[0]
    assert bool(_near_a_way(acted).all())


def test_independent_draws_mix_the_ways(trained: dict[str, Head]) -> None:
    """On purpose: each dimension alone is right, and half of the pairs are left and fast or right and slow."""
    drawn = _drawn(trained["independent"])
    assert float(((drawn.abs() - 1.0).abs() < 0.5).float().mean()) > 0.95
    assert float(_near_a_way(drawn).float().mean()) == pytest.approx(0.5, abs=0.06)
