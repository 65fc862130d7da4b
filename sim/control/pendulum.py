"""Pendulum-v1: a pendulum with a weak motor, to be swung up and held; actions are torques (as Gymnasium has it)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.data import FloatArray
from sim.control.task import Actions, Booleans, ControlTask, Floats

__all__ = ["Pendulum"]

GRAVITY = 10.0
MASS_KG = LENGTH_M = 1.0
STEP_S = 0.05
FASTEST_RAD_S = 8.0
TORQUE_NM = 2.0


@dataclass(frozen=True)
class Pendulum(ControlTask):
    """The reward is minus the squared angle from upright, a tenth of the squared rate, and a little of the torque.

    States are the angle (rad, 0 upright) and its rate (rad/s); the angle is observed as cosine and sine. Actions are
    torques ``(N, 1)``, N m, clipped to the motor's. An episode never ends before its horizon.
    """

    name: str = "pendulum"
    gymnasium_id: str = "Pendulum-v1"
    observation_names: tuple[str, ...] = ("position.cos", "position.sin", "velocity.joint")
    action_count: int = 0
    action_values: tuple[tuple[float, ...], ...] = ()
    action_low: tuple[float, ...] = (-TORQUE_NM,)
    action_high: tuple[float, ...] = (TORQUE_NM,)
    horizon: int = 200
    solved_at: float | None = None

    def start(self, rng: np.random.Generator, count: int) -> Floats:
        """Any angle, slow."""
        return rng.uniform([-np.pi, -1.0], [np.pi, 1.0], size=(count, 2))

    def step(self, states: Floats, actions: Actions) -> tuple[Floats, Floats, Booleans]:
        """One semi-implicit Euler step."""
        angle, rate = states.T
        # Float32 torques stay float32 up to the sums, as in Gymnasium.
        torque = np.clip(actions, -TORQUE_NM, TORQUE_NM)[:, 0]
        upright = (angle + np.pi) % (2 * np.pi) - np.pi
        cost = upright**2 + 0.1 * rate**2 + 0.001 * (torque**2)
        pull = 3 * GRAVITY / (2 * LENGTH_M) * np.sin(angle) + 3.0 / (MASS_KG * LENGTH_M**2) * torque
        faster = np.clip(rate + pull * STEP_S, -FASTEST_RAD_S, FASTEST_RAD_S)
        there = np.stack([angle + faster * STEP_S, faster], axis=1)
        return there, -cost, np.zeros(len(states), np.bool_)

    def observe(self, states: Floats) -> FloatArray:
        """Cosine and sine of the angle, then the rate."""
        angle, rate = states.T
        return np.stack([np.cos(angle), np.sin(angle), rate], axis=1).astype(np.float32)

    def states_of(self, observations: FloatArray) -> Floats:
        """The angle of cosine and sine, within a turn."""
        cosine, sine, rate = observations.astype(np.float64).T
        return np.stack([np.arctan2(sine, cosine), rate], axis=1)
