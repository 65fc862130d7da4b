"""k-means: a few typical vectors out of many."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["k_means", "squared_distances"]

# Lloyd's iterations; on actions of robots the assignment stands still after about twenty.
ITERATIONS = 50
# More rows than this are thinned out at random: means of hundreds of rows each do not need millions.
MOST_ROWS = 20_000
# Differences held at once (64 MB): 20,000 chunks of many dimensions against hundreds of centres would be gigabytes.
MOST_NUMBERS = 1 << 24


@torch.no_grad()
def k_means(rows: Tensor, count: int, seed: int) -> Tensor:
    """Centres of ``count`` clusters.

    Lloyd 1982, "Least squares quantization in PCM", from the starting points of Arthur & Vassilvitskii 2007,
    "k-means++: The Advantages of Careful Seeding". Equal rows and seeds give equal centres. A cluster that loses all
    its rows keeps its centre; where there are fewer different rows than clusters, centres repeat.

    Args:
        rows: ``(T, D)``, at least one.
        count: K.
        seed: of the starting points.

    Returns:
        ``(K, D)``.
    """
    random = torch.Generator().manual_seed(seed)
    if len(rows) > MOST_ROWS:
        rows = rows[torch.randperm(len(rows), generator=random)[:MOST_ROWS]]
    centres = _starting_points(rows, count, random)
    for _ in range(ITERATIONS):
        nearest = _nearest(rows, centres)
        members = torch.bincount(nearest, minlength=count).unsqueeze(1)
        sums = torch.zeros_like(centres).index_add_(0, nearest, rows)
        moved = torch.where(members > 0, sums / members.clamp_min(1), centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    return centres


def _starting_points(rows: Tensor, count: int, random: torch.Generator) -> Tensor:
    """k-means++: each next point is a row drawn in proportion to its squared distance from the nearest so far."""
    chosen = [rows[int(torch.randint(len(rows), (1,), generator=random))]]
    nearest = torch.full((len(rows),), torch.inf)
    for _ in range(count - 1):
        nearest = torch.minimum(nearest, (rows - chosen[-1]).square().sum(dim=1))
        weights = nearest if float(nearest.sum()) > 0.0 else torch.ones_like(nearest)
        chosen.append(rows[int(torch.multinomial(weights, 1, generator=random))])
    return torch.stack(chosen)


def _nearest(rows: Tensor, centres: Tensor) -> Tensor:
    """Which of ``(K, D)`` is nearest to each of ``(T, D)``, ``(T,)``."""
    size = max(1, MOST_NUMBERS // centres.numel())
    return torch.cat([squared_distances(part, centres).argmin(dim=1) for part in torch.split(rows, size)])


def squared_distances(rows: Tensor, centres: Tensor, weights: Tensor | None = None) -> Tensor:
    """``(N, D)`` against ``(K, D)`` to ``(N, K)``; with ``weights (N, D)`` only some columns of a row count."""
    differences = (rows.unsqueeze(1) - centres).square()
    if weights is not None:
        differences = torch.where(weights.unsqueeze(1) > 0, differences, torch.zeros_like(differences))
    return differences.sum(dim=2)
