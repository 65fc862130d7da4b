"""Acrobot by a small network that was searched for, and by looking where each action would lead it.

The network alone (``search``) swings up in 75 steps on average, and in twice as many from some starts. The expert asks
at every step what each action would come to if the network went on behind it, and takes the best (the rollout
algorithm, Bertsekas & Castañon 1999; one step of policy improvement). That is worth eight steps, and no start is bad.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from models.data import FloatArray
from sim.control.acrobot import Acrobot
from sim.control.experts.search import ACROBOT, ACROBOT_WEIGHTS
from sim.control.task import Actions, Floats

__all__ = ["expert", "network"]

TASK = Acrobot()
# Steps that are looked ahead; the network needs more from hardly anywhere.
MOST_STEPS = 150


@cache
def _weights() -> Floats:
    return np.loadtxt(ACROBOT_WEIGHTS)[None]


def network(observations: FloatArray) -> Actions:
    """What the network would do, ``(N, 6)`` to ``(N,)``."""
    actions: Actions = ACROBOT.act(_weights(), observations[None])[0]
    return actions


def expert(observations: FloatArray) -> Actions:
    """Swing up, ``(N, 6)`` to ``(N,)``; the network's own action unless another one saves a step."""
    states, usual = TASK.states_of(observations), network(observations)
    remaining = np.stack([_steps_after(states, action) for action in range(TASK.action_count)])
    rows = np.arange(len(usual))
    best = remaining.argmin(axis=0)
    actions: Actions = np.where(remaining[best, rows] < remaining[usual, rows], best, usual)
    return actions


def _steps_after(states: Floats, action: int) -> Floats:
    """Steps ``(N,)`` until the tip is up, with this action first and the network behind it."""
    steps, left = np.full(len(states), float(MOST_STEPS)), np.arange(len(states))
    states, _, up = TASK.step(states, np.full(len(states), action))
    for taken in range(1, MOST_STEPS):
        steps[left[up]] = taken
        left, states = left[~up], states[~up]
        if not len(left):
            break
        states, _, up = TASK.step(states, network(TASK.observe(states)))
    return steps
