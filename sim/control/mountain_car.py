"""MountainCar-v0: a car too weak for the hill has to swing up (Moore 1990, as Gymnasium has it)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.data import FloatArray
from sim.control.task import Actions, Booleans, ControlTask, Floats

__all__ = ["MountainCar"]

LEFT, RIGHT, GOAL = -1.2, 0.6, 0.5
FASTEST = 0.07
FORCE = 0.001
GRAVITY = 0.0025


@dataclass(frozen=True)
class MountainCar(ControlTask):
    """Reward -1 for every step until the car is on the right hill, where the episode ends.

    States are place and speed (per step), and are observed as they are. Actions 0, 1, 2 push left, not at all, right.
    """

    name: str = "mountain-car"
    gymnasium_id: str = "MountainCar-v0"
    observation_names: tuple[str, ...] = ("position.car", "velocity.car")
    action_count: int = 3
    action_values: tuple[tuple[float, ...], ...] = ((-1.0,), (0.0,), (1.0,))
    action_low: tuple[float, ...] = ()
    action_high: tuple[float, ...] = ()
    horizon: int = 200
    solved_at: float | None = -110.0

    def start(self, rng: np.random.Generator, count: int) -> Floats:
        """At rest, near the bottom."""
        return np.stack([rng.uniform(-0.6, -0.4, size=count), np.zeros(count)], axis=1)

    def step(self, states: Floats, actions: Actions) -> tuple[Floats, Floats, Booleans]:
        """One step; the wall on the left stops the car."""
        place, speed = states.T
        speed = speed + ((actions - 1) * FORCE + np.cos(3 * place) * -GRAVITY)
        speed = np.clip(speed, -FASTEST, FASTEST)
        place = np.clip(place + speed, LEFT, RIGHT)
        speed = np.where((place == LEFT) & (speed < 0.0), 0.0, speed)
        there = (place >= GOAL) & (speed >= 0.0)
        return np.stack([place, speed], axis=1), np.full(len(states), -1.0), there

    def observe(self, states: Floats) -> FloatArray:
        """The state itself."""
        return states.astype(np.float32)

    def states_of(self, observations: FloatArray) -> Floats:
        """The observation itself."""
        return observations.astype(np.float64)
