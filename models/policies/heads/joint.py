"""Typical chunks as bins: all dimensions and steps at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from models.policies.heads.choice import draw, likeliest, where_known
from models.policies.heads.clusters import k_means, squared_distances
from models.policies.heads.head import Head, HeadOptions
from models.policies.requirements import require

__all__ = ["JointHead", "JointOptions"]

# Of more, each would be typical of a few chunks, and finding them would take hours.
MOST_CLUSTERS = 4096


@dataclass(frozen=True)
class JointOptions(HeadOptions):
    """A softmax over the dataset's typical chunks, found by k-means. Dimensions that belong together stay together."""

    kind: str = field(default="joint", init=False)
    # Typical chunks. Nothing between them can be commanded: many dimensions or long chunks want many.
    clusters: int = 64

    def __post_init__(self) -> None:
        require(
            2 <= self.clusters <= MOST_CLUSTERS, "clusters", self.clusters, f"at least 2, and at most {MOST_CLUSTERS}"
        )

    def build(self, width: int, chunk: int, dims: int) -> JointHead:
        """A linear layer to the logits of all clusters."""
        return JointHead(width, chunk, dims, self.clusters)


class JointHead(Head):
    """``P(a | o)`` over clusters of whole chunks, so that neither dimensions nor steps of different ways get mixed.

    Clustered bins as in Shafiullah et al. 2022, "Behavior Transformers: Cloning k modes with one stone"
    (arXiv:2206.11251, section 3.1), without their offsets. The loss is the cross-entropy of the nearest cluster; steps
    beyond an episode's end do not count for which is nearest.

    Args:
        width: of the features.
        chunk: actions per observation.
        dims: action dimensions.
        clusters: K.
    """

    centres: Tensor
    jumps = True

    def __init__(self, width: int, chunk: int, dims: int, clusters: int) -> None:
        super().__init__(chunk, dims, noise_width=1)
        # Before anything was fitted: normalised actions as a dataset might have them.
        self.register_buffer("centres", torch.randn(clusters, chunk * dims))
        self.output = nn.Linear(width, clusters)

    def forward(self, features: Tensor) -> Tensor:
        """The likeliest typical chunk, ``(N, chunk, A)``."""
        logits = self.output(features)
        return self._chunks(logits, likeliest(logits))

    def sample(self, features: Tensor, noise: Tensor) -> Tensor:
        """A typical chunk, drawn."""
        logits = self.output(features)
        return self._chunks(logits, draw(logits, noise[:, 0]))

    def _chunks(self, logits: Tensor, index: Tensor) -> Tensor:
        return where_known(logits, self.centres[index]).reshape(-1, self.chunk, self.dims)

    def loss(self, features: Tensor, actions: Tensor, valid: Tensor) -> Tensor:
        """Cross-entropy of the nearest cluster, ``(N,)``, in nats."""
        weights = valid.unsqueeze(2).expand_as(actions).flatten(1)
        nearest = squared_distances(actions.flatten(1), self.centres, weights).argmin(dim=1)
        return nn.functional.cross_entropy(self.output(features), nearest, reduction="none")

    def fit(self, actions: Tensor, valid: Tensor, seed: int) -> None:
        """Find the clusters, of chunks that lie wholly inside their episode where there are any."""
        whole = valid.bool().all(dim=1)
        rows = actions[whole] if bool(whole.any()) else actions
        self.centres.copy_(k_means(rows.flatten(1), len(self.centres), seed))
