"""Mean, spread and range of every stream, which normalisation is made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Histogram", "Statistics", "vector_statistics"]

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Statistics:
    """Of one stream or of the actions, over all ticks (and all pixels).

    Attributes:
        mean: ``(D,)`` float64 for vectors in SI units, ``(C,)`` for images in pixel values 0..255.
        std: the same; population standard deviation, zero for a constant.
        minimum: the same.
        maximum: the same.
    """

    mean: Float64Array
    std: Float64Array
    minimum: Float64Array
    maximum: Float64Array

    def to_lists(self) -> dict[str, list[float]]:
        """Plain numbers that survive JSON unchanged."""
        return {name: getattr(self, name).tolist() for name in ("mean", "std", "minimum", "maximum")}

    @classmethod
    def from_lists(cls, lists: dict[str, list[float]]) -> Statistics:
        """Inverse of :meth:`to_lists`. Raises KeyError, TypeError or ValueError."""
        return cls(*(np.array(lists[name], np.float64) for name in ("mean", "std", "minimum", "maximum")))


def vector_statistics(rows: npt.NDArray[np.float32]) -> Statistics:
    """Statistics of ``(T, D)``, summed in double precision."""
    return Statistics(
        rows.mean(axis=0, dtype=np.float64),
        rows.std(axis=0, dtype=np.float64),
        rows.min(axis=0).astype(np.float64),
        rows.max(axis=0).astype(np.float64),
    )


class Histogram:
    """Counts of the 256 pixel values of each channel: exact statistics of any number of images in little memory.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        self._counts = np.zeros((channels, 256), np.int64)

    def add(self, images: npt.NDArray[np.uint8]) -> None:
        """Count ``(T, height, width, C)``."""
        for channel, counts in enumerate(self._counts):
            counts += np.bincount(images[..., channel].reshape(-1), minlength=256)

    def statistics(self) -> Statistics:
        """Of everything counted so far."""
        values = np.arange(256, dtype=np.float64)
        total = self._counts.sum(axis=1)
        mean = self._counts @ values / total
        variance = np.array(
            [counts @ (values - m) ** 2 / n for counts, m, n in zip(self._counts, mean, total, strict=True)]
        )
        present = [np.flatnonzero(counts) for counts in self._counts]
        return Statistics(
            mean,
            np.sqrt(variance),
            np.array([found[0] for found in present], np.float64),
            np.array([found[-1] for found in present], np.float64),
        )
