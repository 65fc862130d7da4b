"""What an augmentation is: examples in, examples out, observation and action changed together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.data import FloatArray
from models.errors import TrainingError

__all__ = ["Augmentation", "Chain", "Examples"]


@dataclass(frozen=True, slots=True)
class Examples:
    """N observations with what is to be done about them. Arrays are never written to.

    Attributes:
        observations: stream key to ``(N, frames, height, width, channels)`` uint8 or ``(N, frames, dims)`` float32 in
            SI units, oldest frame first.
        actions: ``(N, chunk, dims)`` float32 in SI units; step ``i`` is meant for ``i`` ticks later.
        period_s: from one tick to the next.

    Raises:
        TrainingError: arrays with different numbers of rows.
    """

    observations: Mapping[str, npt.NDArray[np.generic]]
    actions: FloatArray
    period_s: float

    def __post_init__(self) -> None:
        counts = {key: len(rows) for key, rows in self.observations.items()} | {"action": len(self.actions)}
        if len(set(counts.values())) != 1 or self.actions.ndim != 3 or not self.period_s > 0.0:
            raise TrainingError("examples do not fit together", found=f"rows {counts}, action {self.actions.shape}")

    def __len__(self) -> int:
        """N."""
        return len(self.actions)

    def stream(self, key: str) -> npt.NDArray[np.generic]:
        """The arrays of one stream; ``TrainingError`` when there is none of that key."""
        if key not in self.observations:
            raise TrainingError(
                f"an augmentation needs the stream {key!r}",
                found=", ".join(sorted(self.observations)),
                fix="record that camera too, or name the stream that it is recorded under",
            )
        return self.observations[key]

    def pictures(self, key: str, height: int, width: int) -> npt.NDArray[np.uint8]:
        """Stacks ``(N, frames, height, width, channels)`` of a camera; ``TrainingError`` when it is of another size."""
        stacks = self.stream(key)
        if stacks.ndim != 5 or stacks.dtype != np.uint8 or stacks.shape[2:4] != (height, width):
            raise TrainingError(
                f"the stream {key!r} does not hold the pictures of the camera that is described for it",
                found=f"{stacks.dtype} {stacks.shape[2:]}",
                expected=f"uint8, {height} x {width} pixels",
                fix="describe the camera in the size that its pictures are recorded in",
            )
        return stacks.astype(np.uint8, copy=False)


class Augmentation(ABC):
    """Turns recorded examples into others that could have been recorded. Implementations are frozen dataclasses."""

    @property
    def reads(self) -> tuple[str, ...]:
        """Streams that it needs beside those that the policy sees, such as a side camera's."""
        return ()

    @abstractmethod
    def __call__(self, examples: Examples, random: np.random.Generator) -> Examples:
        """Return as many examples, of the policy's streams; ``random`` alone decides which."""


@dataclass(frozen=True)
class Chain(Augmentation):
    """One augmentation after the other."""

    parts: tuple[Augmentation, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """What any part reads."""
        return tuple(dict.fromkeys(key for part in self.parts for key in part.reads))

    def __call__(self, examples: Examples, random: np.random.Generator) -> Examples:
        """Apply every part, first to last."""
        for part in self.parts:
            examples = part(examples, random)
        return examples
