"""What a policy did in its environments, in arrays of steps by environments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.reinforcement.actor import Actor
from models.reinforcement.world import Actions, Bools, Floats, Integers, World

__all__ = ["Collector", "Rollout"]


@dataclass(frozen=True, eq=False)
class Rollout:
    """T steps of N environments.

    Attributes:
        observations: ``(T, N, O)`` float32, before each action.
        actions: ``(T, N)`` int64 or ``(T, N, A)`` float32.
        next_observations: ``(T, N, O)`` float32, where it led, before any new episode.
        rewards: ``(T, N)``, the world's own.
        terminated: ``(T, N)``, the task ended the episode with this step.
        truncated: ``(T, N)``, the horizon did.
        elapsed: ``(T, N)``, steps of the episode, this one counted.
        returns: undiscounted, of the episodes that ended in these steps.
    """

    observations: npt.NDArray[np.float32]
    actions: Actions
    next_observations: npt.NDArray[np.float32]
    rewards: Floats
    terminated: Bools
    truncated: Bools
    elapsed: Integers
    returns: tuple[float, ...]

    @property
    def size(self) -> int:
        """T · N."""
        return self.rewards.size


class Collector:
    """Lets a policy act, from where the last rollout ended.

    Args:
        world: the environments.
        random: draws the actions.

    Attributes:
        steps: taken so far, of all environments together.
    """

    def __init__(self, world: World, random: np.random.Generator) -> None:
        self._world, self._random = world, random
        self._elapsed = np.zeros(len(world.observations), np.int64)
        self._gained = np.zeros(len(world.observations))
        self.steps = 0

    def collect(self, actor: Actor, steps: int) -> Rollout:
        """So many steps of every environment."""
        count, size = self._world.observations.shape
        observations, following = (np.empty((steps, count, size), np.float32) for _ in range(2))
        rewards = np.empty((steps, count))
        terminated, truncated = (np.empty((steps, count), np.bool_) for _ in range(2))
        elapsed = np.empty((steps, count), np.int64)
        actions, returns = [], list[float]()
        for step in range(steps):
            observations[step] = self._world.observations
            actions.append(actor.act(observations[step], self._random))
            _, rewards[step], terminated[step], truncated[step] = self._world.step(actions[-1])
            following[step] = self._world.final_observations
            self._elapsed += 1
            self._gained += rewards[step]
            elapsed[step] = self._elapsed
            over = terminated[step] | truncated[step]
            if over.any():
                returns += self._gained[over].tolist()
                self._gained[over], self._elapsed[over] = 0.0, 0
        self.steps += rewards.size
        done = np.stack(actions)
        return Rollout(observations, done, following, rewards, terminated, truncated, elapsed, tuple(returns))
