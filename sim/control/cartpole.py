"""CartPole-v1: a pole on a cart that is pushed left or right (Barto, Sutton & Anderson 1983, as Gymnasium has it)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.data import FloatArray
from sim.control.task import Actions, Booleans, ControlTask, Floats

__all__ = ["CartPole"]

GRAVITY = 9.8
CART_KG, POLE_KG = 1.0, 0.1
TOTAL_KG = POLE_KG + CART_KG
HALF_LENGTH_M = 0.5
MOMENT = POLE_KG * HALF_LENGTH_M
FORCE_N = 10.0
STEP_S = 0.02
ANGLE_LIMIT_RAD = 12 * 2 * math.pi / 360
PLACE_LIMIT_M = 2.4


@dataclass(frozen=True)
class CartPole(ControlTask):
    """Reward 1 for every step; the episode ends when the pole leans 12° or the cart leaves its rail.

    States are place (m), speed (m/s), angle of the pole (rad, 0 upright) and its rate (rad/s), and are observed as
    they are. Action 0 pushes to the left, 1 to the right.
    """

    name: str = "cartpole"
    gymnasium_id: str = "CartPole-v1"
    observation_names: tuple[str, ...] = ("position.cart", "velocity.cart", "position.pole", "velocity.pole")
    action_count: int = 2
    action_values: tuple[tuple[float, ...], ...] = ((-FORCE_N,), (FORCE_N,))
    action_low: tuple[float, ...] = ()
    action_high: tuple[float, ...] = ()
    horizon: int = 500
    solved_at: float | None = 475.0

    def start(self, rng: np.random.Generator, count: int) -> Floats:
        """Close to rest, upright."""
        return rng.uniform(-0.05, 0.05, size=(count, 4))

    def step(self, states: Floats, actions: Actions) -> tuple[Floats, Floats, Booleans]:
        """One Euler step."""
        place, speed, angle, rate = states.T
        force = np.where(actions == 1, FORCE_N, -FORCE_N)
        cosine, sine = np.cos(angle), np.sin(angle)
        pushed = (force + MOMENT * np.square(rate) * sine) / TOTAL_KG
        angular = (GRAVITY * sine - cosine * pushed) / (
            HALF_LENGTH_M * (4.0 / 3.0 - POLE_KG * np.square(cosine) / TOTAL_KG)
        )
        linear = pushed - MOMENT * angular * cosine / TOTAL_KG
        ahead = np.stack(
            [place + STEP_S * speed, speed + STEP_S * linear, angle + STEP_S * rate, rate + STEP_S * angular], axis=1
        )
        fallen = (np.abs(ahead[:, 0]) > PLACE_LIMIT_M) | (np.abs(ahead[:, 2]) > ANGLE_LIMIT_RAD)
        return ahead, np.ones(len(states)), fallen

    def observe(self, states: Floats) -> FloatArray:
        """The state itself."""
        return states.astype(np.float32)

    def states_of(self, observations: FloatArray) -> Floats:
        """The observation itself."""
        return observations.astype(np.float64)
