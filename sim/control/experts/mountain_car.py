"""Mountain car by planning: the fewest steps to the hill, by value iteration on a fine grid of states."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import sparse

from models.data import FloatArray
from sim.control.mountain_car import FASTEST, GOAL, LEFT, MountainCar
from sim.control.task import Actions, Floats

__all__ = ["expert", "steps_to_go"]

TASK = MountainCar()
PLACES, SPEEDS = 691, 401
"""Points of the grid. A push changes the speed by 0.001, three cells."""
MOST_STEPS = 200


@cache
def steps_to_go() -> Floats:
    """``(PLACES, SPEEDS)`` fewest steps to the goal from each point, between points by bilinear interpolation.

    ``V(s) = 1 + min_a V(f(s, a))``, and 0 on the hill, from ``V = 0`` upwards: after k sweeps all that is at most k is
    right.
    """
    place, speed = np.meshgrid(np.linspace(LEFT, GOAL, PLACES), np.linspace(-FASTEST, FASTEST, SPEEDS), indexing="ij")
    states = np.stack([place.ravel(), speed.ravel()], axis=1)
    tables = []
    for action in range(TASK.action_count):
        ahead, _, there = TASK.step(states, np.full(len(states), action))
        corners, weights = _corners(ahead)
        weights[there] = 0.0
        rows = np.repeat(np.arange(len(states)), 4)
        shape = (len(states), len(states))
        tables.append(sparse.csr_array((weights.ravel(), (rows, corners.ravel())), shape=shape))
    done = (states[:, 0] >= GOAL) & (states[:, 1] >= 0.0)
    values = np.zeros(len(states))
    for _ in range(MOST_STEPS):
        values = np.where(done, 0.0, 1.0 + np.min([table @ values for table in tables], axis=0))
    return np.asarray(values.reshape(PLACES, SPEEDS), np.float64)


def expert(observations: FloatArray) -> Actions:
    """``(N, 2)`` to the action from which the fewest steps remain, ``(N,)``; of equal ones the first."""
    states = observations.astype(np.float64)
    values, remaining = steps_to_go().ravel(), []
    for action in range(TASK.action_count):
        ahead, _, there = TASK.step(states, np.full(len(states), action))
        corners, weights = _corners(ahead)
        remaining.append(np.where(there, 0.0, (values[corners] * weights).sum(axis=1)))
    best: Actions = np.argmin(remaining, axis=0)
    return best


def _corners(states: Floats) -> tuple[Actions, Floats]:
    """The four points around each of ``(N, 2)`` states, ``(N, 4)`` flat numbers, and their weights ``(N, 4)``."""
    along = (states - [LEFT, -FASTEST]) / [(GOAL - LEFT) / (PLACES - 1), 2 * FASTEST / (SPEEDS - 1)]
    along = np.clip(along, 0.0, [PLACES - 1, SPEEDS - 1])
    low = np.minimum(along.astype(np.int64), [PLACES - 2, SPEEDS - 2])
    share = along - low
    corners, weights = [], []
    for down in (0, 1):
        for right in (0, 1):
            corners.append((low[:, 0] + down) * SPEEDS + low[:, 1] + right)
            weights.append(np.abs(1 - down - share[:, 0]) * np.abs(1 - right - share[:, 1]))
    return np.stack(corners, axis=1), np.stack(weights, axis=1)
