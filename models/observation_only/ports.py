"""What a learner needs of a world: many copies that are stepped together. ``sim.control.ControlBatch`` is one."""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt

from models.data import FloatArray

__all__ = ["Act", "Actions", "Worlds"]

Actions = npt.NDArray[Any]
"""``(N,)`` integers where actions are chosen, ``(N, A)`` floats in SI units where they are vectors."""


class Worlds(Protocol):
    """N worlds; an episode that ends is followed by the next in the same step."""

    @property
    def observations(self) -> FloatArray:
        """``(N, O)``, what the next actions answer."""

    @property
    def final_observations(self) -> FloatArray:
        """``(N, O)``, what the last step led to, before a new start."""

    def step(self, actions: Actions) -> tuple[Any, ...]:
        """Step all worlds; nothing that it returns is looked at here, least of all a reward."""


class Act(Protocol):
    """A policy as worlds ask it."""

    def __call__(self, observations: FloatArray, /) -> Actions:
        """``(N, O)`` to actions of N worlds."""
