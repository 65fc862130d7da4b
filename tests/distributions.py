"""A statistical test of whether two sets of vectors were drawn from one distribution."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]

PROJECTIONS = 8


def distance_in_distribution(first: Array, second: Array) -> float:
    """Two-sample Kolmogorov-Smirnov over single numbers and random projections of vectors ``(N, D)``, ``(M, D)``.

    Projections see which numbers belong together, which single ones do not.

    Returns:
        The largest distance between cumulative distributions as a share of what chance exceeds once in 10,000 times
        (all comparisons together): above 1 they are two distributions.
    """
    dims = first.shape[1]
    directions = np.random.default_rng(0).normal(size=(dims, PROJECTIONS))
    views = np.concatenate([np.eye(dims), directions], axis=1)
    worst = max(_kolmogorov_smirnov(first @ view, second @ view) for view in views.T)
    count, other = len(first), len(second)
    critical = math.sqrt(-math.log(1e-4 / views.shape[1] / 2.0) / 2.0 * (count + other) / (count * other))
    return worst / critical


def _kolmogorov_smirnov(first: Array, second: Array) -> float:
    # Rounded, so that a value which two computers give to seven digits is one value.
    first, second = np.sort(np.round(first, 4)), np.sort(np.round(second, 4))
    places = np.concatenate([first, second])
    left, right = (np.searchsorted(rows, places, side="right") / len(rows) for rows in (first, second))
    return float(np.abs(left - right).max())
