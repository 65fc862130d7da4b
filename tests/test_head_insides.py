"""What decides inside the heads: KL, best draws, two players, bins, clusters, the order of dimensions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, Normal
from two_ways import left_and_slow_or_right_and_fast, train

from models.policies.heads import (
    AdversarialHead,
    AdversarialOptions,
    AutoregressiveOptions,
    CvaeHead,
    CvaeOptions,
    IndependentHead,
    JointHead,
    NBestHead,
    NBestOptions,
    clusters,
)
from models.policies.heads.bins import UniformBins
from models.policies.heads.clusters import k_means, squared_distances

WIDTH, CHUNK, DIMS = 4, 2, 2


def _whole(count: int, chunk: int = CHUNK) -> Tensor:
    return torch.ones(count, chunk)


def test_a_large_kl_weight_collapses_the_posterior_and_it_shows() -> None:
    """Catches a KL that is reported wrongly: it has to tell a latent variable in use from one that is ignored."""
    found = {}
    for weight in (0.02, 10.0):
        torch.manual_seed(0)
        head = CvaeHead(1, 1, 2, CvaeOptions(latent=2, hidden=32, kl_weight=weight))
        features, actions = torch.ones(1000, 1), left_and_slow_or_right_and_fast(1000)
        train(head, features, actions, 300, 5e-3)
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
    assert float((-surprise.detach()).exp().sum()) == pytest.approx(1.0, abs=1e-5)
    # And what is drawn is drawn with these probabilities.
    with torch.no_grad():
        drawn = head.bins.index(head.sample(features[:1].expand(20_000, -1), torch.randn(20_000, head.noise_width)))
    place = (drawn.flatten(1) * bins ** torch.arange(3, -1, -1)).sum(dim=1)
    found, expected = torch.bincount(place, minlength=bins**4), (-surprise.detach()).exp() * 20_000
    # Of 80 degrees of freedom chance exceeds 134 once in 10,000 times.
    assert float(((found - expected).square() / expected).sum()) < 134.0


def test_many_rows_and_clusters_take_little_memory_and_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches gigabytes of differences for long chunks: rows are compared some at a time, and nothing else changes."""
    rows = torch.randn(500, 6, generator=torch.Generator().manual_seed(0))
    whole = k_means(rows, 9, seed=1)
    largest = 0

    def watched(part: Tensor, centres: Tensor, weights: Tensor | None = None) -> Tensor:
        nonlocal largest
        largest = max(largest, len(part) * centres.numel())
        return squared_distances(part, centres, weights)

    monkeypatch.setattr(clusters, "MOST_NUMBERS", 1000)
    monkeypatch.setattr(clusters, "squared_distances", watched)
    assert torch.equal(k_means(rows, 9, seed=1), whole)
    assert 0 < largest <= 1000
