"""One episode: what was seen, what the expert would have done, and what was done, tick by tick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.data import FloatArray
from models.errors import DatasetError

__all__ = ["DRIVERS", "EXPERT", "HALT", "POLICY", "Episode"]

#: Who drove at a tick.
EXPERT, POLICY, HALT = 0, 1, 2
#: Their names, by number.
DRIVERS = ("expert", "policy", "halt")


@dataclass(frozen=True)
class Episode:
    """T ticks with labels, in order.

    Attributes:
        episode_id: unique within a dataset.
        stamps_ns: ``(T,)`` int64, header stamps of the ticks.
        observations: stream key to ``(T, height, width, channels)`` uint8 or ``(T, dims)`` float32: the newest frame of
            each tick only.
        actions: ``(T, dims)`` float32, what the expert intended, in SI units; finite.
        executed: ``(T, dims)`` float32, what was commanded; NaN where nothing was.
        driver: ``(T,)`` uint8, who drove: EXPERT, POLICY or HALT.
        starts_memory: ``(T,)`` bool, where memory starts anew; a stack of frames never reaches back beyond it.
        meta: free words about the episode, such as its outcome.
        weights: ``(T,)`` float32, how much each tick's label counts in training; 0 where nobody gave one, so that
            ``actions`` holds what was executed there. ``None`` where every tick counts the same.

    Raises:
        DatasetError: arrays of different lengths, other types, labels that are not finite, or negative weights.
    """

    episode_id: str
    stamps_ns: npt.NDArray[np.int64]
    observations: Mapping[str, npt.NDArray[np.generic]]
    actions: FloatArray
    executed: FloatArray
    driver: npt.NDArray[np.uint8]
    starts_memory: npt.NDArray[np.bool_]
    meta: Mapping[str, str] = field(default_factory=dict)
    weights: FloatArray | None = None

    def __post_init__(self) -> None:
        ticks = len(self.stamps_ns)
        if not ticks:
            raise self._error("it has no ticks")
        dims = self.actions.shape[1:]
        expected: list[tuple[str, npt.NDArray[np.generic], type[np.generic], int]] = [
            ("stamps_ns", self.stamps_ns, np.int64, 1),
            ("actions", self.actions, np.float32, 2),
            ("executed", self.executed, np.float32, 2),
            ("driver", self.driver, np.uint8, 1),
            ("starts_memory", self.starts_memory, np.bool_, 1),
        ]
        if self.weights is not None:
            expected.append(("weights", self.weights, np.float32, 1))
        for key, array in self.observations.items():
            is_image = array.ndim == 4
            expected.append((key, array, np.uint8 if is_image else np.float32, 4 if is_image else 2))
        for name, array, dtype, dimensions in expected:
            if len(array) != ticks or array.dtype != dtype or array.ndim != dimensions:
                raise self._error(
                    f"{name} does not fit",
                    found=f"{array.dtype} {array.shape}",
                    expected=f"{np.dtype(dtype)} with {ticks} rows and {dimensions} axes",
                )
        if self.executed.shape[1:] != dims:
            raise self._error("executed and actions differ in shape", f"{self.executed.shape}", f"{self.actions.shape}")
        if not np.isfinite(self.actions).all():
            tick = int(np.flatnonzero(~np.isfinite(self.actions).all(axis=1))[0])
            raise self._error("a label is not finite", f"{self.actions[tick].tolist()} at tick {tick}", "finite labels")
        if self.weights is not None and not (np.isfinite(self.weights) & (self.weights >= 0.0)).all():
            raise self._error("a label's weight is none", f"{float(self.weights.min())}", "finite, at least 0")
        if self.driver.max() >= len(DRIVERS):
            raise self._error("an unknown driver", f"{self.driver.max()}", f"0 to {len(DRIVERS) - 1}")
        if not self.starts_memory[0]:
            raise self._error("its first tick must start memory", "starts_memory[0] = False", "True")
        backward = (np.diff(self.stamps_ns) <= 0) & ~self.starts_memory[1:]
        if backward.any():
            tick = int(np.flatnonzero(backward)[0]) + 1
            raise self._error(
                f"time goes backward at tick {tick} without a start of memory",
                found=f"{self.stamps_ns[tick - 1]} ns, then {self.stamps_ns[tick]} ns",
                expected="increasing stamps",
            )

    def __len__(self) -> int:
        """T."""
        return len(self.stamps_ns)

    def _error(self, problem: str, found: str | None = None, expected: str = "") -> DatasetError:
        return DatasetError(f"episode {self.episode_id!r}: {problem}", found=found, expected=expected)
