"""Two worlds of Gymnasium, and an expert for each: CartPole-v1 with two actions, Pendulum-v1 with a torque.

Both sides import it, so it knows NumPy and Gymnasium only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.episode_returns import episode_returns
from bench.train import cartpole

__all__ = ["TASKS", "Act", "Actions", "Floats", "Task", "returns", "swing_up"]

Floats = npt.NDArray[np.float32]
Actions = npt.NDArray[np.float32] | npt.NDArray[np.int64]
Act = Callable[[Floats], Actions]
"""Observations ``(N, D)`` to what the environment takes: ``(N,)`` int64 choices, or ``(N, 1)`` float32 torques."""


@dataclass(frozen=True)
class Task:
    """One world.

    Attributes:
        environment: Gymnasium's name of it.
        expert: who is imitated.
        has_choice: between two actions; otherwise the action is a torque.
        longest: steps of an episode at most.
        episodes: of a round; so many are driven side by side where a library can.
        control: of the negative control: somebody who always does this, as a share of the largest action.
    """

    environment: str
    expert: Act
    has_choice: bool
    longest: int
    episodes: int
    control: float

    @property
    def steps(self) -> int:
        """Of a round."""
        return self.longest * self.episodes


# Gymnasium's pendulum: angle θ from upright, θ'' = 15 sin θ + 3 u, |u| <= 2 N m; energy per inertia θ'²/2 + 15 cos θ.
WEIGHT, LEVER, LARGEST_TORQUE = 15.0, 3.0, 2.0
#: How fast energy is pumped, and how the upright pendulum is held: a stiffness of (4/s)² and 0.85 of critical damping.
PUMP, STIFFNESS, DAMPING = 0.3, (WEIGHT + 16.0) / LEVER, 2.0 * 0.85 * 4.0 / LEVER
#: Within this angle the torque can hold the pendulum, and is told to.
HELD_RAD = 0.35


def swing_up(observations: Floats) -> Floats:
    """Pump energy until it is that of the upright pendulum, then hold it (Åström & Furuta 2000).

    Args:
        observations: ``(N, 3)`` cos θ, sin θ, θ'.
    """
    cosine, sine, rate = np.asarray(observations, np.float64).T
    angle = np.arctan2(sine, cosine)
    missing = WEIGHT - (0.5 * rate**2 + WEIGHT * cosine)
    # At rest at the bottom nothing can be pumped: a push to one side.
    pumped = PUMP * missing * np.where(np.abs(rate) < 1e-3, 1.0, rate)
    held = -STIFFNESS * angle - DAMPING * rate
    torque = np.where(np.abs(angle) < HELD_RAD, held, pumped)
    found: Floats = np.clip(torque, -LARGEST_TORQUE, LARGEST_TORQUE).astype(np.float32)[:, None]
    return found


TASKS = {
    "cartpole": Task("CartPole-v1", cartpole.expert, has_choice=True, longest=500, episodes=3, control=1.0),
    "pendulum": Task("Pendulum-v1", swing_up, has_choice=False, longest=200, episodes=8, control=0.0),
}


def returns(task: Task, act: Act, starts: Sequence[int]) -> list[float]:
    """The return of one episode from each start."""
    return episode_returns(task.environment, act, starts)
