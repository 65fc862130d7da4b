"""Several datasets of one robot as one, such as the rounds of interactive learning."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.data import FloatArray
from models.episodes.dataset import EpisodeDataset
from models.episodes.statistics import Statistics, vector_statistics
from models.errors import DatasetError

__all__ = ["join_datasets"]


def join_datasets(parts: Sequence[EpisodeDataset]) -> EpisodeDataset:
    """All episodes of all parts, in order; a copy in memory, unless there is only one part.

    Statistics of the actions are those of labelled ticks, where there are any.

    Raises:
        DatasetError: no parts, parts of different contracts, or two episodes of one name.
    """
    if not parts:
        raise DatasetError("there is nothing to join", found="no datasets", expected="at least one")
    first = parts[0]
    other = next((part for part in parts if part.contract.hash != first.contract.hash), None)
    if other is not None:
        raise DatasetError(
            "datasets of different contracts cannot be joined", found=f"{first.path.name} and {other.path.name}"
        )
    if len(parts) == 1:
        return first
    ids = tuple(name for part in parts for name in part.episode_ids)
    twice = next((name for name in ids if ids.count(name) > 1), None)
    if twice is not None:
        raise DatasetError(f"two episodes are called {twice!r}", fix="leave one of the datasets out")
    observations = {key: np.concatenate([part.observations[key] for part in parts]) for key in first.observations}
    actions = np.concatenate([part.actions for part in parts])
    weights = _weights(parts)
    return EpisodeDataset(
        path=Path(first.path.parent),
        contract=first.contract,
        hash=hashlib.sha256("".join(part.hash for part in parts).encode()).hexdigest(),
        episode_ids=ids,
        lengths=tuple(length for part in parts for length in part.lengths),
        metas=tuple(meta for part in parts for meta in part.metas),
        stamps_ns=np.concatenate([part.stamps_ns for part in parts]),
        observations=observations,
        actions=actions,
        executed=np.concatenate([part.executed for part in parts]),
        driver=np.concatenate([part.driver for part in parts]),
        starts_memory=np.concatenate([part.starts_memory for part in parts]),
        statistics=_statistics(parts, observations, actions, weights),
        weights=weights,
    )


def _weights(parts: Sequence[EpisodeDataset]) -> FloatArray | None:
    if all(part.weights is None for part in parts):
        return None
    return np.concatenate([np.ones(len(part), np.float32) if part.weights is None else part.weights for part in parts])


def _statistics(
    parts: Sequence[EpisodeDataset],
    observations: dict[str, npt.NDArray[np.generic]],
    actions: FloatArray,
    weights: FloatArray | None,
) -> dict[str, Statistics]:
    found = {
        key: _pooled([part.statistics[key] for part in parts], [len(part) for part in parts])
        if rows.ndim == 4
        else vector_statistics(np.asarray(rows, np.float32))
        for key, rows in observations.items()
        if key in parts[0].statistics
    }
    labelled = actions if weights is None or not weights.any() else actions[weights > 0.0]
    return found | {"action": vector_statistics(labelled)}


def _pooled(statistics: Sequence[Statistics], counts: Sequence[int]) -> Statistics:
    """Of images: from those of the parts, since going through every pixel again takes long."""
    shares = np.array(counts, np.float64)[:, None] / sum(counts)
    means = np.stack([one.mean for one in statistics])
    squares = np.stack([one.std**2 + one.mean**2 for one in statistics])
    mean = (shares * means).sum(axis=0)
    return Statistics(
        mean,
        np.sqrt(np.maximum((shares * squares).sum(axis=0) - mean**2, 0.0)),
        np.min([one.minimum for one in statistics], axis=0),
        np.max([one.maximum for one in statistics], axis=0),
    )
