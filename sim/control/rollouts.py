"""Whole episodes of a policy: what it is worth, and what it shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from models.data import FloatArray
from models.trajectories import Trajectories
from sim.control.task import Actions, ControlTask, Floats

__all__ = ["Act", "returns", "roll_out"]

Act = Callable[[FloatArray], Actions]
"""Observations ``(M, O)`` of the episodes that still run to their actions, ``(M,)`` or ``(M, A)``."""


def returns(task: ControlTask, act: Act, episodes: int, seed: int) -> Floats:
    """The true return of each of so many episodes, ``(N,)``; equal seeds give equal starts, whatever the policy."""
    return roll_out(task, act, episodes, seed).returns


def roll_out(task: ControlTask, act: Act, episodes: int, seed: int, *, exact: bool = False) -> Trajectories:
    """Episodes side by side, each until it ends or is cut off.

    Args:
        task: the world.
        act: the policy.
        episodes: N.
        seed: of the starts; equal seeds give equal starts, whatever the policy.
        exact: whether the policy is shown states ``(M, S)`` instead, as an expert may be who knows more than is seen.
    """
    states = task.start(np.random.default_rng(np.random.SeedSequence([seed, 0x726F6C6C])), episodes)
    running = np.arange(episodes)
    seen: list[list[FloatArray]] = [[row] for row in task.observe(states)]
    done: list[list[Actions]] = [[] for _ in range(episodes)]
    total, ended = np.zeros(episodes), np.zeros(episodes, np.bool_)
    for _ in range(task.horizon):
        shown: npt.NDArray[Any] = states if exact else task.observe(states)
        actions = np.asarray(act(shown))
        task.require_actions(actions, len(running))
        states, rewards, terminated = task.step(states, actions)
        total[running] += rewards
        ended[running] = terminated
        for episode, action, row in zip(running, actions, task.observe(states), strict=True):
            done[episode].append(action)
            seen[episode].append(row)
        states, running = states[~terminated], running[~terminated]
        if not len(running):
            break
    lengths = np.array([len(actions) for actions in done], np.int64)
    observations = np.concatenate([np.stack(rows) for rows in seen])
    return Trajectories(observations, lengths, ended, np.concatenate([np.stack(rows) for rows in done]), total)
