"""What carries the past: how the frames of a stack become one input of an encoder."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

__all__ = ["ConcatenationMemory", "Memory"]


class Memory(nn.Module, ABC):
    """How a policy remembers. Frames arrive oldest first on axis 1 and never cross an episode's start."""

    @abstractmethod
    def channels(self, per_frame: int) -> int:
        """How many channels an encoder sees, given those of one frame."""

    @abstractmethod
    def fold(self, frames: Tensor) -> Tensor:
        """``(N, frames, C, ...)`` to what the encoder takes, ``(M, channels(C), ...)``."""

    @abstractmethod
    def recall(self, features: Tensor, batch: int) -> Tensor:
        """The encoders' ``(M, D)`` to one row an observation, ``(batch, D)``."""


class ConcatenationMemory(Memory):
    """The last ``frames`` observations as one input: frames become channels, and nothing is kept between calls."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames

    def channels(self, per_frame: int) -> int:
        """``frames`` times as many."""
        return self.frames * per_frame

    def fold(self, frames: Tensor) -> Tensor:
        """``(N, frames, C, ...)`` to ``(N, frames * C, ...)``."""
        return frames.flatten(1, 2)

    def recall(self, features: Tensor, batch: int) -> Tensor:
        """The features as they are: one row an observation already."""
        return features
