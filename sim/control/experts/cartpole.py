"""CartPole by a linear-quadratic regulator about the upright pole; it never lets the pole fall."""

from __future__ import annotations

from functools import cache

import numpy as np

from models.data import FloatArray
from sim.control.cartpole import CART_KG, GRAVITY, HALF_LENGTH_M, MOMENT, POLE_KG, STEP_S, TOTAL_KG
from sim.control.task import Actions, Floats

__all__ = ["expert", "gain"]

# Squares of the state, in which a radian counts as much as three metres, and of the force.
STATE_COST, FORCE_COST = np.diag([1.0, 1.0, 10.0, 1.0]), 1e-3
RICCATI_STEPS = 3000


@cache
def gain() -> Floats:
    """``(4,)`` K of the regulator ``force = -K x``, from the Riccati recursion.

    The task's equations for small angles, in its own Euler steps.
    """
    leverage = HALF_LENGTH_M * (4.0 / 3.0 - POLE_KG / TOTAL_KG)
    ratio = MOMENT / (CART_KG + POLE_KG)
    motion = np.zeros((4, 4))
    motion[0, 1] = motion[2, 3] = 1.0
    motion[3, 2] = GRAVITY / leverage
    motion[1, 2] = -ratio * motion[3, 2]
    force = np.array([0.0, 1.0 / TOTAL_KG + ratio / (TOTAL_KG * leverage), 0.0, -1.0 / (TOTAL_KG * leverage)])
    a, b = np.eye(4) + STEP_S * motion, STEP_S * force
    value, found = STATE_COST.copy(), np.zeros(4)
    for _ in range(RICCATI_STEPS):
        found = (b @ value @ a) / (FORCE_COST + b @ value @ b)
        value = STATE_COST + a.T @ value @ (a - np.outer(b, found))
    return found


def expert(observations: FloatArray) -> Actions:
    """Push to the side to which the regulator would push, ``(N, 4)`` to ``(N,)``."""
    return (observations @ -gain() > 0.0).astype(np.int64)
