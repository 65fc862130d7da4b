"""Batched classic control against Gymnasium's own environments, step for step."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

from models.errors import SimulationError
from sim.control import TASKS, ControlTask
from sim.control.task import Actions, Floats

EVERY = pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
STEPS = 1500


def actions_of(task: ControlTask, random: np.random.Generator, count: int) -> Actions:
    """Held for a few steps each, so that the worlds get away from where they start; torques beyond the motor's too."""
    if task.action_count:
        return np.repeat(random.integers(task.action_count, size=count // 5 + 1), 5)[:count]
    drawn = random.uniform(-3.0, 3.0, size=(count // 5 + 1, len(task.action_low)))
    return np.repeat(drawn, 5, axis=0)[:count].astype(np.float32)


def gymnasium_of(task: ControlTask) -> Any:
    return gymnasium.make(task.gymnasium_id)


def put(environment: Any, state: Floats) -> None:
    """Place Gymnasium's world in a state; mountain cars keep theirs as a pair."""
    environment.reset(seed=0)
    bare = environment.unwrapped
    bare.state = tuple(state) if isinstance(bare.state, tuple) else np.array(state)


@EVERY
def test_it_is_the_environment_that_gymnasium_registers(task: ControlTask) -> None:
    environment = gymnasium_of(task)
    assert environment.spec.max_episode_steps == task.horizon
    if task.solved_at is not None:
        assert environment.spec.reward_threshold == task.solved_at
    assert environment.observation_space.shape == (task.observation_size,)
    if task.action_count:
        assert environment.action_space.n == task.action_count
    else:
        np.testing.assert_allclose(environment.action_space.low, task.action_low)
        np.testing.assert_allclose(environment.action_space.high, task.action_high)


@EVERY
def test_starts_are_drawn_as_gymnasium_draws_them(task: ControlTask) -> None:
    """The same generator, the same numbers: Gymnasium draws one world at a time, hence a batch of one."""
    environment = gymnasium_of(task)
    for seed in range(5):
        observed, _ = environment.reset(seed=seed)
        random, _ = gymnasium.utils.seeding.np_random(seed)
        np.testing.assert_array_equal(task.observe(task.start(random, 1))[0], observed)


@EVERY
def test_whole_episodes_run_as_in_gymnasium(task: ControlTask) -> None:
    """Thousands of steps, several worlds at once; every observation, reward and end. Catches a wrong term."""
    random, worlds = np.random.default_rng(7), 4
    environments = [gymnasium_of(task) for _ in range(worlds)]
    states = task.start(random, worlds)
    for environment, state in zip(environments, states, strict=True):
        put(environment, state)
    columns = [actions_of(task, random, STEPS) for _ in range(worlds)]
    ends = 0
    for time in range(STEPS):
        actions = np.stack([column[time] for column in columns])
        states, rewards, terminated = task.step(states, actions)
        observations = task.observe(states)
        for index, environment in enumerate(environments):
            seen, reward, end, cut, _ = environment.step(actions[index])
            bare = environment.unwrapped
            # Acrobot's motion is chaotic: the last bit of a cosine doubles every few steps of a free run.
            np.testing.assert_allclose(states[index], bare.state, rtol=1e-12, atol=1e-12)
            np.testing.assert_array_equal(observations[index], seen)
            assert rewards[index] == pytest.approx(reward, abs=1e-12)
            assert terminated[index] == end
            if end or cut:
                ends += 1
                states[index] = task.start(random, 1)[0]
                put(environment, states[index])
            else:
                states[index] = bare.state
    assert ends >= worlds * (STEPS // task.horizon)


@EVERY
def test_a_free_run_stays_with_gymnasium(task: ControlTask) -> None:
    """Without taking Gymnasium's state over after each step: one episode of random actions."""
    random = np.random.default_rng(3)
    environment, states = gymnasium_of(task), task.start(random, 1)
    put(environment, states[0])
    for action in actions_of(task, random, task.horizon):
        states, _, _ = task.step(states, np.asarray(action)[None])
        _, _, end, cut, _ = environment.step(action)
        np.testing.assert_allclose(states[0], environment.unwrapped.state, atol=1e-6)
        if end or cut:
            break


@EVERY
def test_states_far_from_the_start_agree_too(task: ControlTask) -> None:
    """Walls, clips and wrapped angles, which random actions seldom reach."""
    random = np.random.default_rng(11)
    spread = {"cartpole": 3.0, "acrobot": 30.0, "mountain-car": 1.3, "pendulum": 9.0}[task.name]
    states = random.uniform(-spread, spread, size=(500, task.start(random, 1).shape[1]))
    if task.name == "acrobot":
        states[:, :2] = random.uniform(-np.pi, np.pi, size=(500, 2))
    if task.name == "mountain-car":
        states = random.uniform([-1.2, -0.07], [0.6, 0.07], size=(500, 2))
        states[:50, 0] = -1.19
    actions = actions_of(task, random, 500)
    environment = gymnasium_of(task)
    found, rewards, terminated = task.step(states, actions)
    for index, state in enumerate(states):
        put(environment, state)
        _, reward, end, _, _ = environment.step(actions[index])
        np.testing.assert_allclose(found[index], environment.unwrapped.state, rtol=1e-12, atol=1e-12)
        assert rewards[index] == pytest.approx(reward, rel=1e-12)
        assert terminated[index] == end


@EVERY
def test_states_are_found_from_what_they_look_like(task: ControlTask) -> None:
    random = np.random.default_rng(5)
    states = task.start(random, 50)
    for _ in range(7):
        states, _, _ = task.step(states, actions_of(task, random, 50))
    seen = task.observe(states)
    np.testing.assert_allclose(task.observe(task.states_of(seen)), seen, atol=1e-6)
    if task.action_count:
        led_to = task.successors(seen)
        assert led_to.shape == (50, task.action_count, task.observation_size)
        actions = random.integers(task.action_count, size=50)
        there = task.observe(task.step(states, actions)[0])
        np.testing.assert_allclose(led_to[np.arange(50), actions], there, atol=1e-4)


def test_actions_that_a_task_does_not_have_are_refused() -> None:
    cartpole, pendulum = TASKS["cartpole"], TASKS["pendulum"]
    with pytest.raises(SimulationError, match="no such actions in cartpole") as caught:
        cartpole.require_actions(np.array([0, 2]), 2)
    assert "integers from 0 to 1" in caught.value.expected
    for wrong in (np.array([0.0, 1.0]), np.array([0]), np.array([[0], [1]])):
        with pytest.raises(SimulationError, match="no such actions"):
            cartpole.require_actions(wrong, 2)
    with pytest.raises(SimulationError, match="no such actions"):
        pendulum.require_actions(np.array([[np.nan]]), 1)
    cartpole.require_actions(np.array([0, 1]), 2)
    pendulum.require_actions(np.array([[0.5], [9.0]]), 2)
