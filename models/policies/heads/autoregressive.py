"""Bins per dimension, each dimension knowing those before it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.policies.heads.bins import MIN_BINS, UniformBins
from models.policies.heads.choice import draw, likeliest, where_known
from models.policies.heads.head import Head, HeadOptions, masked_sum
from models.policies.requirements import require

__all__ = ["AutoregressiveHead", "AutoregressiveOptions"]


@dataclass(frozen=True)
class AutoregressiveOptions(HeadOptions):
    """A softmax over bins for every dimension, given the dimensions chosen before it."""

    kind: str = field(default="autoregressive", init=False)
    # Bins per dimension over the range of the dataset; the error of an action is up to half a bin.
    bins: int = 64
    # Width of the hidden layer that adds up what was chosen so far.
    hidden: int = 64

    def __post_init__(self) -> None:
        require(self.bins >= MIN_BINS, "bins", self.bins, f"at least {MIN_BINS}")
        require(self.hidden >= 1, "hidden", self.hidden, "a positive width")

    def build(self, width: int, chunk: int, dims: int) -> AutoregressiveHead:
        """One hidden layer that all dimensions share, and a table and an output layer for each."""
        return AutoregressiveHead(width, chunk, dims, self.bins, self.hidden)


class AutoregressiveHead(Head):
    """``P(a | o) = Π_i P(a_i | a_<i, o)`` over bins, step by step and within a step in the order of the dimensions.

    The conditionals share a hidden sum, as in NADE (Larochelle & Murray 2011, "The Neural Autoregressive Distribution
    Estimator"): ``h_i = W o + Σ_{j<i} E_j[bin_j]`` and ``P(a_i | …) = softmax(V_i relu(h_i) + b_i)``. Choosing one
    more dimension adds one row of a table, so acting costs a pass through D small layers and no more; the whole loop is
    unrolled in the exported graph. Steps beyond an episode's end come last in the order: leaving out their factors
    leaves exactly the likelihood of the rest.

    Args:
        width: of the features.
        chunk: actions per observation.
        dims: action dimensions; D is ``chunk * dims``.
        bins: per dimension, B.
        hidden: H.
    """

    jumps = True

    def __init__(self, width: int, chunk: int, dims: int, bins: int, hidden: int) -> None:
        count = chunk * dims
        super().__init__(chunk, dims, noise_width=count)
        self.bins = UniformBins(dims, bins)
        self.condition = nn.Linear(width, hidden)
        self.tables = nn.Parameter(torch.randn(count, bins, hidden) / math.sqrt(hidden))
        self.weights = nn.Parameter(torch.randn(count, hidden, bins) / math.sqrt(hidden))
        self.biases = nn.Parameter(torch.zeros(count, bins))

    def forward(self, features: Tensor) -> Tensor:
        """The likeliest bin of each dimension, given those chosen before it, ``(N, chunk, A)``."""
        return self._choose(features, None)

    def sample(self, features: Tensor, noise: Tensor) -> Tensor:
        """A bin drawn for each dimension, given those drawn before it."""
        return self._choose(features, noise)

    def _choose(self, features: Tensor, noise: Tensor | None) -> Tensor:
        total: Tensor = self.condition(features)
        chosen, all_logits = [], []
        for i in range(self.chunk * self.dims):
            logits = torch.relu(total) @ self.weights[i] + self.biases[i]
            index = likeliest(logits) if noise is None else draw(logits, noise[:, i])
            total = total + self.tables[i][index]
            chosen.append(index)
            all_logits.append(logits)
        actions = self.bins.centre(torch.stack(chosen, dim=1).reshape(-1, self.chunk, self.dims))
        return where_known(torch.stack(all_logits, dim=1), actions)

    def loss(self, features: Tensor, actions: Tensor, valid: Tensor) -> Tensor:
        """Sum of the conditional cross-entropies, ``(N,)``, in nats; the expert's own bins are the condition."""
        index = self.bins.index(actions).flatten(1)
        rows = self.tables[torch.arange(index.shape[1], device=index.device), index]
        # Exclusive: a dimension sees those before it and not itself.
        before = rows.cumsum(dim=1) - rows
        hidden = torch.relu(self.condition(features).unsqueeze(1) + before)
        logits = torch.einsum("ndh,dhb->ndb", hidden, self.weights) + self.biases
        surprise = functional.cross_entropy(logits.transpose(1, 2), index, reduction="none")
        return masked_sum(surprise.reshape(-1, self.chunk, self.dims), valid)

    def fit(self, actions: Tensor, valid: Tensor, seed: int) -> None:
        """Lay the bins over the range of the dataset."""
        self.bins.fit(actions, valid)
