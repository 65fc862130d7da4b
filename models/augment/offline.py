"""Augmentation of recorded episodes: examples read from a dataset, and as many others made from them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from models.augment.augmentation import Augmentation, Examples
from models.contract import Memory
from models.episodes import EpisodeDataset

__all__ = ["augmented_examples", "recorded_examples"]

IndexArray = npt.NDArray[np.int64]


def recorded_examples(
    dataset: EpisodeDataset,
    indices: IndexArray,
    *,
    memory: Memory | None = None,
    chunk: int = 1,
    reads: tuple[str, ...] = (),
) -> Examples:
    """The ticks ``indices`` as they were recorded.

    Args:
        dataset: the episodes.
        indices: ``(N,)``.
        memory: the contract's when not given.
        chunk: actions of each example; beyond an episode's end its last one stands.
        reads: streams beside the contract's, such as a side camera's.
    """
    rows = np.asarray(indices, np.int64)
    later = np.arange(chunk, dtype=np.int64)
    keys = tuple(dict.fromkeys((*dataset.streams, *reads)))
    last = dataset.stretch_end[rows]
    actions = np.asarray(dataset.actions)[np.minimum(rows[:, None] + later, last[:, None])]
    return Examples(dataset.stack(rows, memory, keys), actions, dataset.contract.period_s)


def augmented_examples(
    dataset: EpisodeDataset,
    augmentation: Augmentation,
    *,
    seed: int,
    copies: int = 1,
    chunk: int = 1,
    size: int = 256,
) -> Iterator[Examples]:
    """Every tick of a dataset ``copies`` times, each time augmented anew, in order, ``size`` ticks at a time."""
    random = np.random.default_rng(seed)
    ticks = np.tile(np.arange(len(dataset), dtype=np.int64), copies)
    for start in range(0, len(ticks), size):
        part = ticks[start : start + size]
        yield augmentation(recorded_examples(dataset, part, chunk=chunk, reads=augmentation.reads), random)
