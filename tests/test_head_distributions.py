"""What the heads draw from: torch's own distributions, and tasks with two ways of doing a thing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from distributions import distance_in_distribution
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal

from models.policies.heads import (
    AdversarialHead,
    AdversarialOptions,
    AutoregressiveOptions,
    CvaeHead,
    CvaeOptions,
    FlowOptions,
    GaussianHead,
    GaussianOptions,
    Head,
    HeadOptions,
    IndependentHead,
    IndependentOptions,
    JointHead,
    JointOptions,
    MixtureHead,
    MixtureOptions,
    NBestOptions,
    PointOptions,
)
from models.policies.heads.bins import UniformBins
from models.policies.heads.choice import draw
from models.policies.heads.clusters import k_means
from models.policies.heads.n_best import NBestHead

# Torch's threads wait for each other whenever something else computes, which in a test run is always.
torch.set_num_threads(1)

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
    _train(head, features, actions, 400, 0.02)
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


def _train(head: Head, features: Tensor, actions: Tensor, steps: int, rate: float, batch: int = 256) -> None:
    valid = _whole(len(actions), actions.shape[1])
    head.fit(actions, valid, seed=0)
    optimiser = torch.optim.Adam(head.parameters(), rate)
    for _ in range(steps):
        rows = torch.randint(len(actions), (batch,))
        optimiser.zero_grad()
        torch.autograd.backward(head.loss(features[rows], actions[rows], valid[rows]).mean())
        optimiser.step()


def _left_and_slow_or_right_and_fast(count: int) -> Tensor:
    """``(count, 1, 2)``: near (-1, -1) or near (1, 1), evenly."""
    side = torch.randint(0, 2, (count, 1, 1)).float() * 2.0 - 1.0
    return side * torch.ones(1, 1, 2) + 0.1 * torch.randn(count, 1, 2)


@pytest.fixture(scope="module")
def trained() -> dict[str, Head]:
    heads = {}
    others: dict[str, HeadOptions] = {"point": PointOptions("mse"), "gaussian": GaussianOptions()}
    for name, options in (TWO_WAYS | others).items():
        torch.manual_seed(0)
        heads[name] = options.build(1, 1, 2)
        actions = _left_and_slow_or_right_and_fast(4000)
        steps = {"adversarial": 1500, "flow": 1200, "cvae": 1200}.get(name, 500)
        _train(heads[name], torch.ones(4000, 1), actions, steps, 3e-3 if name == "adversarial" else 5e-3)
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


# -- what decides inside a head ---------------------------------------------------------------------------------------


def test_a_large_kl_weight_collapses_the_posterior_and_it_shows() -> None:
    """Catches a KL that is reported wrongly: it has to tell a latent variable in use from one that is ignored."""
    found = {}
    for weight in (0.02, 10.0):
        torch.manual_seed(0)
        head = CvaeHead(1, 1, 2, CvaeOptions(latent=2, hidden=HIDDEN, kl_weight=weight))
        features, actions = torch.ones(1000, 1), _left_and_slow_or_right_and_fast(1000)
        _train(head, features, actions, 300, 5e-3)
        found[weight] = head.diagnose(features, actions, _whole(1000, 1))["kl_nats"]
    # One of two ways is one bit; two latent numbers may say a little more about where in it.
    assert np.log(2.0) < found[0.02] < 10.0
    assert found[10.0] < 0.01


def test_kl_is_that_of_torch() -> None:
    """Catches a lost half or sign."""
    torch.manual_seed(0)
    head = CvaeHead(WIDTH, CHUNK, DIMS, CvaeOptions())
    features, actions = torch.randn(50, WIDTH), torch.randn(50, CHUNK, DIMS)
    mean, log_variance = head.posterior(features, actions, _whole(50))
    expected = torch.distributions.kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(dim=1)
    found = head.diagnose(features, actions, _whole(50))["kl_nats"]
    assert found == pytest.approx(float(expected.detach().mean()), rel=1e-5)


def test_only_the_best_draw_is_corrected_and_samples_are_averaged() -> None:
    """Catches a mean over draws, which is a regression, and a best draw of the whole batch."""
    head = NBestHead(1, 1, 1, NBestOptions(draws=3, latent=1, hidden=4))
    features, actions = torch.randn(5, 1), torch.randn(5, 1, 1)
    torch.manual_seed(2)
    errors = head.errors(features, actions, _whole(5, 1))
    torch.manual_seed(2)
    loss = head.loss(features, actions, _whole(5, 1))
    assert errors.shape == (5, 3)
    assert torch.equal(loss, errors.min(dim=1).values)


def test_one_backward_pass_is_a_step_of_each_player() -> None:
    """Catches a player that is trained by the other's loss, another label for the expert, and the saturating loss.

    Here the two losses are written down once more, as two of them, with a gradient for each player alone.
    """
    torch.manual_seed(0)
    head = AdversarialHead(WIDTH, 1, DIMS, AdversarialOptions(latent=2, hidden=8, penalty=0.0))
    features, actions, valid = torch.randn(6, WIDTH), torch.randn(6, 1, DIMS), torch.ones(6, 1)
    torch.manual_seed(1)
    torch.autograd.backward(head.loss(features, actions, valid).sum())
    torch.manual_seed(1)
    drawn = head.sample(features, torch.randn(6, head.noise_width))

    def expert_probability(acted: Tensor) -> Tensor:
        seen = torch.cat([features, acted.flatten(1), valid], dim=1)
        probability: Tensor = torch.sigmoid(head.discriminator(seen))
        return probability

    discriminator = -expert_probability(actions).log().sum() - (1.0 - expert_probability(drawn)).log().sum()
    generator = -expert_probability(drawn).log().sum()
    for part, loss in ((head.discriminator, discriminator), (head.generator, generator)):
        weights = list(part.parameters())
        for weight, expected in zip(weights, torch.autograd.grad(loss, weights, retain_graph=True), strict=True):
            assert weight.grad is not None
            torch.testing.assert_close(weight.grad, expected)


def test_bins_cover_the_range_and_nothing_beyond() -> None:
    """Catches bins that are off by half of one, and labels beyond an episode's end that stretch the range."""
    bins = UniformBins(2, 4)
    actions = torch.tensor([[[0.0, 5.0], [99.0, 99.0]], [[2.0, 5.0], [1.0, 5.0]]])
    bins.fit(actions, torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
    index = bins.index(torch.tensor([[0.0, 5.0], [0.49, 5.0], [0.51, 5.0], [2.0, 5.0], [-7.0, -7.0], [7.0, 7.0]]))
    assert index[:, 0].tolist() == [0, 0, 1, 3, 0, 3]
    assert bins.centre(torch.tensor([[0, 0], [3, 3]]))[:, 0].tolist() == pytest.approx([0.25, 1.75])
    assert bins.centre(index)[:, 1].tolist() == pytest.approx([5.0] * 6, abs=1e-3)


def test_k_means_finds_the_clusters_and_is_reproducible() -> None:
    """Catches centres that depend on torch's global generator, and empty clusters that become NaN."""
    random = torch.Generator().manual_seed(0)
    true = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]])
    rows = true.repeat(100, 1) + 0.1 * torch.randn(300, 2, generator=random)
    torch.manual_seed(3)
    centres = k_means(rows, 3, seed=1)
    torch.manual_seed(4)
    assert torch.equal(k_means(rows, 3, seed=1), centres)
    assert not torch.equal(k_means(rows, 3, seed=2), centres)
    assert float(torch.cdist(true, centres).min(dim=1).values.max()) < 0.1
    assert bool(torch.isfinite(k_means(torch.ones(5, 2), 4, seed=0)).all())


def test_a_chunk_that_is_cut_off_belongs_to_what_it_began_like() -> None:
    """Catches a nearest cluster that is chosen by actions beyond an episode's end."""
    head = JointHead(WIDTH, 2, 1, 2)
    head.centres.copy_(torch.tensor([[1.0, 1.0], [-1.0, -1.0]]))
    with torch.no_grad():
        head.output.weight.zero_()
        head.output.bias.copy_(torch.tensor([5.0, -5.0]))
    actions = torch.tensor([[[0.8], [-9.0]]])
    masks = [torch.tensor([mask]) for mask in ([1.0, 0.0], [1.0, 1.0])]
    with torch.no_grad():
        loss = [float(head.loss(torch.zeros(1, WIDTH), actions, mask)) for mask in masks]
    assert loss[0] < 0.01
    assert loss[1] > 9.0


def test_independent_head_is_the_product_of_its_softmaxes() -> None:
    """Catches logits of one dimension that are read as another's."""
    torch.manual_seed(0)
    head = IndependentHead(WIDTH, CHUNK, DIMS, 5)
    features, actions = torch.randn(9, WIDTH), torch.randn(9, CHUNK, DIMS)
    chosen = Categorical(logits=head.logits(features)).log_prob(head.bins.index(actions))
    torch.testing.assert_close(head.loss(features, actions, _whole(9)), -chosen.sum(dim=(1, 2)))


def test_autoregressive_likelihoods_add_up_to_one() -> None:
    """Catches a dimension that sees itself or a later one: over all bins of all dimensions P sums to 1."""
    torch.manual_seed(0)
    bins = 3
    head = AutoregressiveOptions(bins=bins, hidden=6).build(WIDTH, 2, 2)
    index = torch.cartesian_prod(*[torch.arange(bins)] * 4).reshape(-1, 2, 2)
    assert isinstance(head.bins, UniformBins)
    actions = head.bins.centre(index)
    features = torch.randn(1, WIDTH).expand(len(actions), -1)
    surprise = head.loss(features, actions, _whole(len(actions)))
    assert float((-surprise).exp().sum()) == pytest.approx(1.0, abs=1e-5)
    # And what is drawn is drawn with these probabilities.
    with torch.no_grad():
        drawn = head.bins.index(head.sample(features[:1].expand(20_000, -1), torch.randn(20_000, head.noise_width)))
    place = (drawn.flatten(1) * bins ** torch.arange(3, -1, -1)).sum(dim=1)
    found, expected = torch.bincount(place, minlength=bins**4), (-surprise.detach()).exp() * 20_000
    # Of 80 degrees of freedom chance exceeds 134 once in 10,000 times.
    assert float(((found - expected).square() / expected).sum()) < 134.0
