"""What a reward sees of a step: state and action, the state it led to, or state and change."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from models.errors import TrainingError
from models.learned_rewards.transitions import Transitions
from models.reinforcement.statistics import RunningStatistics
from models.reinforcement.world import Shape

__all__ = ["ActionView", "ChangeView", "StateView", "View"]

Float32s = npt.NDArray[np.float32]
# How far the absorbing state lies from all others, in deviations of states. A reward whose slope is held near 1 cannot
# tell it from them by more than that; were it nearer than the outermost states, falling would be better than leaning.
FAR = 5.0


class View(ABC):
    """Steps as rows of numbers of about equal size; the last one of a row says "absorbed".

    Statistics are of everything that was noticed, expert's and learner's.

    Args:
        shape: of the task.
        size: numbers in a row without the last, F - 1.
        far: how far the absorbing state lies from all others.
    """

    def __init__(self, shape: Shape, size: int, far: float = FAR) -> None:
        self._states = RunningStatistics(shape.observation_size)
        self.size, self._far = size + 1, far

    def notice(self, seen: Transitions) -> None:
        """Count more steps into the statistics."""
        self._states.add(seen.observations)

    def rows(self, seen: Transitions) -> Float32s:
        """``(M, F)``, of the steps that were taken."""
        parts = self._see(seen)
        return np.concatenate([*parts, np.zeros((len(seen), 1), np.float32)], axis=1)

    def absorbed(self) -> Float32s:
        """``(1, F)``, of a step in the absorbing state."""
        row = np.zeros((1, self.size), np.float32)
        row[0, -1] = self._far
        return row

    def draw(self, seen: Transitions, rows: Float32s, count: int, random: np.random.Generator) -> Float32s:
        """``(count, F)`` drawn with what was absorbed; ``rows`` are those of ``seen``."""
        drawn, absorbed = seen.draw(count, random)
        found: Float32s = np.where(absorbed[:, None], self.absorbed(), rows[drawn])
        return found

    @abstractmethod
    def _see(self, seen: Transitions) -> list[Float32s]:
        """Columns of the rows."""


class ActionView(View):
    """State and action ``(s, a)``."""

    def __init__(self, shape: Shape, far: float = FAR) -> None:
        super().__init__(shape, shape.observation_size + (shape.action_count or len(shape.action_low)), far)

    def _see(self, seen: Transitions) -> list[Float32s]:
        if seen.actions is None:
            raise TrainingError(
                "these demonstrations have no actions",
                expected="demonstrations with actions",
                fix="learn from states (gail-states, gaifo, imrl), or record actions too",
            )
        return [self._states.normalise(seen.observations), seen.actions]


class StateView(View):
    """The state that a step led to, ``s'``: of a whole episode all states but the first."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape, shape.observation_size)

    def _see(self, seen: Transitions) -> list[Float32s]:
        return [self._states.normalise(seen.next_observations)]


class ChangeView(View):
    """State and next state, as ``(s, s' - s)``.

    The same information as ``(s, s')``; but what an action does in one step is a small part of a state's range, and a
    smooth function of ``(s, s')`` cannot see it. A change is measured in deviations of changes.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape, 2 * shape.observation_size)
        self._changes = RunningStatistics(shape.observation_size)

    def notice(self, seen: Transitions) -> None:
        """Count more steps into the statistics of states and changes."""
        super().notice(seen)
        self._changes.add(seen.next_observations - seen.observations)

    def _see(self, seen: Transitions) -> list[Float32s]:
        changes = self._changes.normalise(seen.next_observations - seen.observations)
        return [self._states.normalise(seen.observations), changes]
