"""What a control task is: states, what one sees of them, and where actions lead, for many worlds at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.data import FloatArray
from models.errors import SimulationError

__all__ = ["Actions", "Booleans", "ControlTask", "Floats"]

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Actions = npt.NDArray[Any]
"""``(N,)`` integers where actions are counted, ``(N, A)`` floats where they are not."""


@dataclass(frozen=True)
class ControlTask(ABC):
    """A world without memory: everything is in the states, so that one task steps any number of them.

    Attributes:
        name: of the task.
        gymnasium_id: of the environment whose dynamics these are, step for step; empty where it is not Gymnasium's.
        observation_names: O of them, in the order of the columns, as a contract selects them.
        action_count: actions are the integers below; 0 where they are continuous.
        action_values: ``(K, A)`` what each counted action commands a robot, SI units; empty where they are continuous.
        action_low: smallest action by dimension, SI units; empty where actions are counted.
        action_high: largest.
        horizon: steps after which an episode is cut off.
        solved_at: mean return from which Gymnasium calls the task solved; None where it does not say.
    """

    name: str
    gymnasium_id: str
    observation_names: tuple[str, ...]
    action_count: int
    action_values: tuple[tuple[float, ...], ...]
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    horizon: int
    solved_at: float | None

    @property
    def observation_size(self) -> int:
        """O."""
        return len(self.observation_names)

    @abstractmethod
    def start(self, rng: np.random.Generator, count: int) -> Floats:
        """States ``(N, S)`` in which episodes begin."""

    @abstractmethod
    def step(self, states: Floats, actions: Actions) -> tuple[Floats, Floats, Booleans]:
        """Where actions lead; neither checks actions nor looks at the time.

        Args:
            states: ``(N, S)``.
            actions: ``(N,)`` or ``(N, A)``.

        Returns:
            Next states ``(N, S)``, rewards ``(N,)``, and whether the episode has come to its end there ``(N,)``.
        """

    @abstractmethod
    def observe(self, states: Floats) -> FloatArray:
        """States ``(N, S)`` to observations ``(N, O)``, float32 as Gymnasium's."""

    @abstractmethod
    def states_of(self, observations: FloatArray) -> Floats:
        """Observations ``(N, O)`` to states ``(N, S)`` that look like that: :meth:`observe` the other way."""

    def successors(self, observations: FloatArray) -> FloatArray:
        """What each counted action leads to, ``(N, O)`` to ``(N, K, O)``."""
        states = self.states_of(observations)
        led_to = [self.step(states, np.full(len(states), action))[0] for action in range(self.action_count)]
        return np.stack([self.observe(ahead) for ahead in led_to], axis=1)

    def require_actions(self, actions: Actions, count: int) -> None:
        """Raise ``SimulationError`` unless these are actions for ``count`` worlds."""
        size = len(self.action_low)
        shape = (count, size) if size else (count,)
        fits = actions.shape == shape
        if fits and self.action_count:
            whole = np.issubdtype(actions.dtype, np.integer)
            fits = bool(whole and actions.min() >= 0 and actions.max() < self.action_count)
        elif fits:
            fits = bool(np.isfinite(actions).all())
        if not fits:
            kinds = f"integers from 0 to {self.action_count - 1}" if self.action_count else "finite numbers"
            raise SimulationError(
                f"no such actions in {self.name}",
                found=f"{actions.dtype} {actions.shape}"
                + (f" from {actions.min()} to {actions.max()}" if actions.size else ""),
                expected=f"{shape}, {kinds}",
            )
