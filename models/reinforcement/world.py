"""What policy optimisation asks of a world: several environments side by side, in arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Actions", "Bools", "Floats", "Integers", "Shape", "World"]

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Actions = npt.NDArray[Any]
"""``(N,)`` int64 in [0, K) where actions are chosen, ``(N, A)`` floats where they are vectors."""


class Shape(Protocol):
    """What a policy has to know of a task."""

    @property
    def observation_size(self) -> int:
        """Numbers in an observation, O."""

    @property
    def action_count(self) -> int:
        """Actions to choose from, K; 0 where an action is a vector."""

    @property
    def action_low(self) -> Sequence[float]:
        """Smallest action by dimension, A of them; empty where actions are chosen."""

    @property
    def action_high(self) -> Sequence[float]:
        """Largest."""

    @property
    def horizon(self) -> int:
        """Steps after which an episode is cut off."""


class World(Protocol):
    """N environments, each of which begins a new episode by itself when one is over."""

    @property
    def observations(self) -> Floats:
        """``(N, O)``: what is seen now, of a new episode where one was over."""

    @property
    def final_observations(self) -> Floats:
        """``(N, O)``: where the last step led, before any new episode; equal to ``observations`` where none began."""

    def step(self, actions: Actions) -> tuple[Floats, Floats, Bools, Bools]:
        """Act.

        Returns:
            ``observations`` after it; rewards ``(N,)``; ``(N,)`` whether the task ended the episode (terminated); and
            whether the horizon did (truncated).
        """
