"""Bins per dimension, each dimension on its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn
from torch.nn import functional

from models.policies.heads.bins import MIN_BINS, UniformBins
from models.policies.heads.choice import draw, likeliest, where_known
from models.policies.heads.head import Head, HeadOptions, masked_sum
from models.policies.requirements import require

__all__ = ["IndependentHead", "IndependentOptions"]


@dataclass(frozen=True)
class IndependentOptions(HeadOptions):
    """A softmax over bins for every dimension. Right for one dimension; wrong for several that depend on each other."""

    kind: str = field(default="independent", init=False)
    # Bins per dimension over the range of the dataset; the error of an action is up to half a bin.
    bins: int = 64

    def __post_init__(self) -> None:
        require(self.bins >= MIN_BINS, "bins", self.bins, f"at least {MIN_BINS}")

    def build(self, width: int, chunk: int, dims: int) -> IndependentHead:
        """A linear layer to the logits of all bins."""
        return IndependentHead(width, chunk, dims, self.bins)


class IndependentHead(Head):
    """``P(a | o) = Π_i P(a_i | o)`` over bins: one softmax for each chunk step and dimension.

    Where the expert goes either left and slow or right and fast, this head knows both pairs of values and not which
    belong together: a draw mixes them. Joint and autoregressive heads do not. The loss is the sum of cross-entropies.

    Args:
        width: of the features.
        chunk: actions per observation.
        dims: action dimensions.
        bins: per dimension.
    """

    jumps = True

    def __init__(self, width: int, chunk: int, dims: int, bins: int) -> None:
        super().__init__(chunk, dims, noise_width=chunk * dims)
        self.bins = UniformBins(dims, bins)
        self.output = nn.Linear(width, chunk * dims * bins)

    def logits(self, features: Tensor) -> Tensor:
        """``(N, width)`` to ``(N, chunk, A, bins)``."""
        logits: Tensor = self.output(features)
        return logits.reshape(-1, self.chunk, self.dims, self.bins.count)

    def forward(self, features: Tensor) -> Tensor:
        """The middle of each dimension's likeliest bin, ``(N, chunk, A)``."""
        logits = self.logits(features)
        return where_known(logits, self.bins.centre(likeliest(logits)))

    def sample(self, features: Tensor, noise: Tensor) -> Tensor:
        """The middle of a bin drawn for each dimension."""
        logits = self.logits(features)
        index = draw(logits, noise.reshape(-1, self.chunk, self.dims))
        return where_known(logits, self.bins.centre(index))

    def loss(self, features: Tensor, actions: Tensor, valid: Tensor) -> Tensor:
        """Sum of cross-entropies, ``(N,)``, in nats."""
        logits = self.logits(features).permute(0, 3, 1, 2)
        return masked_sum(functional.cross_entropy(logits, self.bins.index(actions), reduction="none"), valid)

    def fit(self, actions: Tensor, valid: Tensor, seed: int) -> None:
        """Lay the bins over the range of the dataset."""
        self.bins.fit(actions, valid)
