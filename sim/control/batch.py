"""Many worlds of one task that are stepped together; where an episode ends the next one begins."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.data import FloatArray
from models.errors import SimulationError
from sim.control.task import Actions, Booleans, ControlTask, Floats

__all__ = ["ControlBatch"]


class ControlBatch:
    """N worlds; one step of all is one step of NumPy.

    An episode is *terminated* where the task says that it has come to its end, and *truncated* at the horizon. In
    either case the same step begins the next one: the observations that it returns are then the new episode's, and
    :attr:`final_observations` holds what the step itself led to.

    With ``absorbing`` every episode lasts the whole horizon: who comes to the end stays there, unmoved, with reward 0,
    and nothing is ever terminated. A learned reward then cannot be collected, or escaped from, by ending sooner or
    later (Kostrikov et al. 2019); :attr:`absorbed` says who is there.

    Args:
        task: what is stepped.
        count: N.
        seed: equal seeds give equal starts, in the order in which episodes end.
        absorbing: whether episodes last the whole horizon.

    Attributes:
        observations: ``(N, O)`` float32, what the next actions answer.
        final_observations: ``(N, O)``, what the last step led to, before any new start.
        absorbed: ``(N,)``, who had come to the end before the observation was made; never without ``absorbing``.
        final_absorbed: ``(N,)``, who had after the last step, before any new start.
        final_returns: ``(N,)`` rewards of the episode up to and with the last step; whole where it ended.
        final_lengths: ``(N,)`` steps of the same.
        steps: of all worlds together, since the first start.
    """

    def __init__(self, task: ControlTask, count: int, seed: int, *, absorbing: bool = False) -> None:
        if count < 1 or seed < 0:
            raise SimulationError("a batch needs a world and a seed", found=f"{count} worlds, seed {seed}")
        self.task, self.count, self.absorbing = task, count, absorbing
        self._random = np.random.default_rng(np.random.SeedSequence([seed, 0x62617463]))
        self.steps = 0
        self._states = task.start(self._random, count)
        self._returns: Floats = np.zeros(count)
        self._lengths: npt.NDArray[np.int64] = np.zeros(count, np.int64)
        self.absorbed: Booleans = np.zeros(count, np.bool_)
        self.observations: FloatArray = task.observe(self._states)
        self.final_observations = self.observations
        self.final_absorbed = self.absorbed
        self.final_returns, self.final_lengths = self._returns, self._lengths

    @property
    def states(self) -> Floats:
        """``(N, S)``, of which ``observations`` is what one sees."""
        return self._states

    def step(self, actions: Actions) -> tuple[FloatArray, Floats, Booleans, Booleans]:
        """Step all worlds.

        Args:
            actions: ``(N,)`` integers or ``(N, A)`` floats.

        Returns:
            Observations ``(N, O)``, rewards ``(N,)``, terminated and truncated ``(N,)``.

        Raises:
            SimulationError: these are no actions of the task, or not one for each world.
        """
        actions = np.asarray(actions)
        self.task.require_actions(actions, self.count)
        states, rewards, terminated = self.task.step(self._states, actions)
        if self.absorbing:
            states = np.where(self.absorbed[:, None], self._states, states)
            rewards = np.where(self.absorbed, 0.0, rewards)
            self.final_absorbed = self.absorbed | terminated
            terminated = np.zeros(self.count, np.bool_)
        self.steps += self.count
        self.final_returns, self.final_lengths = self._returns + rewards, self._lengths + 1
        truncated = self.final_lengths >= self.task.horizon
        self.final_observations = self.task.observe(states)
        self._begin_anew(states, terminated | truncated)
        return self.observations, rewards, terminated, truncated

    def _begin_anew(self, states: Floats, ended: Booleans) -> None:
        """Start the next episode where one has ended."""
        self._states, self.observations = states, self.final_observations
        self._returns, self._lengths, self.absorbed = self.final_returns, self.final_lengths, self.final_absorbed
        if ended.any():
            self._states = states.copy()
            self._states[ended] = self.task.start(self._random, int(ended.sum()))
            self.observations = self.final_observations.copy()
            self.observations[ended] = self.task.observe(self._states[ended])
            self._returns, self._lengths = np.where(ended, 0.0, self._returns), np.where(ended, 0, self._lengths)
            self.absorbed = self.absorbed & ~ended
