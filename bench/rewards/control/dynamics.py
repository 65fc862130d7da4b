"""Batched worlds against Gymnasium's: how far apart after a step, and how much faster."""

from __future__ import annotations

import time

import gymnasium
import numpy as np

from bench.harness import Bench
from sim.control import TASKS, ControlBatch, ControlTask
from sim.control.task import Actions

__all__ = ["dynamics"]

WORLDS = 256


def dynamics(bench: Bench, quick: bool) -> dict[str, object]:
    """One world against Gymnasium, and a batch for its speed."""
    steps = 1_000 if quick else 10_000
    results: dict[str, object] = {"steps": steps, "worlds": WORLDS}
    for task in TASKS.values():
        apart, theirs = _against_gymnasium(task, steps)
        ours = _speed(task, 200 if quick else 1000)
        bench.goal(f"{task.name}: largest difference from Gymnasium after a step", apart, "<=", 1e-12)
        results[task.name] = {"largest_difference": apart, "steps_per_s": ours, "gymnasium_steps_per_s": theirs}
    return results


def _actions(task: ControlTask, random: np.random.Generator, count: int) -> Actions:
    if task.action_count:
        return random.integers(task.action_count, size=count)
    return random.uniform(task.action_low, task.action_high, size=(count, len(task.action_low))).astype(np.float32)


def _against_gymnasium(task: ControlTask, steps: int) -> tuple[float, float]:
    """The largest difference of a state after one step from the same state; Gymnasium's steps a second."""
    random = np.random.default_rng(0)
    environment = gymnasium.make(task.gymnasium_id)
    bare = environment.unwrapped
    environment.reset(seed=0)
    states, actions, led_to = [], _actions(task, random, steps), []
    worked = 0.0
    for action in actions:
        states.append(np.array(bare.state, np.float64))
        started = time.perf_counter()
        _, _, terminated, truncated, _ = environment.step(action)
        worked += time.perf_counter() - started
        led_to.append(np.array(bare.state, np.float64))
        if terminated or truncated:
            environment.reset()
    found, _, _ = task.step(np.array(states), actions)
    return float(np.abs(found - np.array(led_to)).max()), steps / worked


def _speed(task: ControlTask, steps: int) -> float:
    batch, random = ControlBatch(task, WORLDS, 0), np.random.default_rng(0)
    actions = _actions(task, random, WORLDS)
    started = time.perf_counter()
    for _ in range(steps):
        batch.step(actions)
    return steps * WORLDS / (time.perf_counter() - started)
