"""Demonstrations that benches make in process, without a recording."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from models.data import FloatArray
from models.episodes import EXPERT, Episode

__all__ = ["demonstrated"]


def demonstrated(
    episode_id: str,
    stamps_ns: npt.NDArray[np.int64],
    observations: Mapping[str, npt.NDArray[np.generic]],
    intended: FloatArray,
    executed: FloatArray | None = None,
) -> Episode:
    """An episode that the expert drove from the first tick to the last.

    Args:
        episode_id: unique within a dataset.
        stamps_ns: ``(T,)`` of the ticks.
        observations: stream key to the frames of all ticks.
        intended: ``(T, dims)`` in SI units: the labels.
        executed: ``(T, dims)``; as intended unless given.

    Raises:
        DatasetError: as ``Episode`` does.
    """
    ticks = len(stamps_ns)
    return Episode(
        episode_id=episode_id,
        stamps_ns=stamps_ns,
        observations=observations,
        actions=intended,
        executed=intended if executed is None else executed,
        driver=np.full(ticks, EXPERT, np.uint8),
        starts_memory=np.arange(ticks) == 0,
    )
