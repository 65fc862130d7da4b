"""Acrobot-v1: two links, a torque at the joint between them, to be swung up (Sutton & Barto 2018, as in Gymnasium)."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np

from models.data import FloatArray
from sim.control.task import Actions, Booleans, ControlTask, Floats

__all__ = ["Acrobot"]

GRAVITY = 9.8
LENGTH_1_M = 1.0
MASS_1_KG = MASS_2_KG = 1.0
CENTRE_1_M = CENTRE_2_M = 0.5
INERTIA = 1.0
FASTEST_1_RAD_S, FASTEST_2_RAD_S = 4 * pi, 9 * pi
STEP_S = 0.2


@dataclass(frozen=True)
class Acrobot(ControlTask):
    """Reward -1 for every step until the tip is a link's length above the fixed joint, where the episode ends.

    States are the first link's angle (rad, 0 hanging down), the second's relative to it, and their rates (rad/s);
    angles are observed as cosine and sine. Actions 0, 1, 2 are a torque of -1, 0, 1 N m.
    """

    name: str = "acrobot"
    gymnasium_id: str = "Acrobot-v1"
    observation_names: tuple[str, ...] = (
        "position.cos_1",
        "position.sin_1",
        "position.cos_2",
        "position.sin_2",
        "velocity.joint_1",
        "velocity.joint_2",
    )
    action_count: int = 3
    action_values: tuple[tuple[float, ...], ...] = ((-1.0,), (0.0,), (1.0,))
    action_low: tuple[float, ...] = ()
    action_high: tuple[float, ...] = ()
    horizon: int = 500
    solved_at: float | None = -100.0

    def start(self, rng: np.random.Generator, count: int) -> Floats:
        """Close to rest, hanging; Gymnasium rounds starts to float32."""
        return rng.uniform(-0.1, 0.1, size=(count, 4)).astype(np.float32).astype(np.float64)

    def step(self, states: Floats, actions: Actions) -> tuple[Floats, Floats, Booleans]:
        """One step of the classical Runge-Kutta method."""
        torque = np.asarray(actions, np.float64) - 1.0
        here = states.T
        half = STEP_S / 2.0
        slope_1 = _slope(here, torque)
        slope_2 = _slope(here + half * slope_1, torque)
        slope_3 = _slope(here + half * slope_2, torque)
        slope_4 = _slope(here + STEP_S * slope_3, torque)
        there = here + STEP_S / 6.0 * (slope_1 + 2 * slope_2 + 2 * slope_3 + slope_4)
        angle_1, angle_2 = _wrapped(there[0]), _wrapped(there[1])
        rate_1 = np.clip(there[2], -FASTEST_1_RAD_S, FASTEST_1_RAD_S)
        rate_2 = np.clip(there[3], -FASTEST_2_RAD_S, FASTEST_2_RAD_S)
        up = -np.cos(angle_1) - np.cos(angle_2 + angle_1) > 1.0
        return np.stack([angle_1, angle_2, rate_1, rate_2], axis=1), np.where(up, 0.0, -1.0), up

    def observe(self, states: Floats) -> FloatArray:
        """Cosine and sine of both angles, then the rates."""
        angle_1, angle_2, rate_1, rate_2 = states.T
        columns = [np.cos(angle_1), np.sin(angle_1), np.cos(angle_2), np.sin(angle_2), rate_1, rate_2]
        return np.stack(columns, axis=1).astype(np.float32)

    def states_of(self, observations: FloatArray) -> Floats:
        """Angles of the cosines and sines."""
        cosine_1, sine_1, cosine_2, sine_2, rate_1, rate_2 = observations.astype(np.float64).T
        return np.stack([np.arctan2(sine_1, cosine_1), np.arctan2(sine_2, cosine_2), rate_1, rate_2], axis=1)


def _slope(states: Floats, torque: Floats) -> Floats:
    """Time derivative of states ``(4, N)``; the book's dynamics, in the order of Gymnasium's operations."""
    angle_1, angle_2, rate_1, rate_2 = states
    cosine, sine = np.cos(angle_2), np.sin(angle_2)
    reach = LENGTH_1_M * CENTRE_2_M
    d_1 = (
        MASS_1_KG * CENTRE_1_M**2
        + MASS_2_KG * (LENGTH_1_M**2 + CENTRE_2_M**2 + 2 * LENGTH_1_M * CENTRE_2_M * cosine)
        + INERTIA
        + INERTIA
    )
    d_2 = MASS_2_KG * (CENTRE_2_M**2 + reach * cosine) + INERTIA
    phi_2 = MASS_2_KG * CENTRE_2_M * GRAVITY * np.cos(angle_1 + angle_2 - pi / 2.0)
    phi_1 = (
        -MASS_2_KG * reach * rate_2**2 * sine
        - 2 * MASS_2_KG * reach * rate_2 * rate_1 * sine
        + (MASS_1_KG * CENTRE_1_M + MASS_2_KG * LENGTH_1_M) * GRAVITY * np.cos(angle_1 - pi / 2)
        + phi_2
    )
    faster_2 = (torque + d_2 / d_1 * phi_1 - MASS_2_KG * reach * rate_1**2 * sine - phi_2) / (
        MASS_2_KG * CENTRE_2_M**2 + INERTIA - d_2**2 / d_1
    )
    faster_1 = -(d_2 * faster_2 + phi_1) / d_1
    return np.stack([rate_1, rate_2, faster_1, faster_2])


def _wrapped(angle: Floats) -> Floats:
    """To [-π, π], a turn at a time."""
    while (over := angle > pi).any():
        angle = np.where(over, angle - 2 * pi, angle)
    while (under := angle < -pi).any():
        angle = np.where(under, angle + 2 * pi, angle)
    return angle
