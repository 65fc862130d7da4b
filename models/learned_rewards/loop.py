"""The loop that every learned reward shares: act, let the reward learn, let the policy learn.

::

    repeat
        τ ~ π_θ                                  Ppo.collect
        the reward learns from τ                 LearnedReward.learn
        θ one step towards more of that reward   Ppo.improve
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.learned_rewards.transitions import Transitions
from models.reinforcement import Actor, Ppo, PpoConfig, Rollout, Shape, World

__all__ = ["Experience", "Imitator", "LearnedReward", "Plan", "Round", "imitate"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Experience:
    """What the learner has just done.

    Attributes:
        seen: its steps, T · N of them, as a reward sees them.
        rollout: the same with the actions' numbers.
        actor: the policy that did it.
        done: share of the training that is over.
    """

    seen: Transitions
    rollout: Rollout
    actor: Actor
    done: float


class LearnedReward(ABC):
    """A reward that is not given, and may learn while the policy does."""

    @abstractmethod
    def learn(self, experience: Experience) -> float:
        """Take in what the learner has just done; returns its figure: see the reward."""

    @abstractmethod
    def rewards(self, experience: Experience) -> Floats:
        """``(T · N,)``, of every step that was taken."""

    @abstractmethod
    def absorbing_reward(self) -> float:
        """Of a step in the absorbing state."""


@dataclass(frozen=True)
class Plan:
    """How long and how a policy is learned from a reward that learns."""

    # Steps of all environments together.
    steps: int = 200_000
    # Whether episodes that the task ends go on in the absorbing state; otherwise nothing comes after them, and the
    # sign of the reward is a bias.
    absorbing: bool = True
    ppo: PpoConfig = field(default_factory=PpoConfig)


@dataclass(frozen=True, slots=True)
class Round:
    """One round.

    Attributes:
        iteration: from 1.
        steps: of all environments, so far.
        seconds: of acting and learning, so far.
        true_return: mean of the episodes that ended in this round, in the world's own reward, which nothing learns
            from; NaN where none ended.
        figure: of the reward.
        divergence: of the policy's step, nats.
        entropy: of the policy, nats.
    """

    iteration: int
    steps: int
    seconds: float
    true_return: float
    figure: float
    divergence: float
    entropy: float


Watch = Callable[[Round, int, Actor], bool]
"""Told after every round, with the number of rounds and the policy; True ends the training. Its time does not count."""


@dataclass(frozen=True, eq=False)
class Imitator:
    """What was learned.

    Attributes:
        actor: the policy of the last round.
        reward: what it was learned from.
        rounds: one record a round.
    """

    actor: Actor
    reward: LearnedReward
    rounds: tuple[Round, ...]


def imitate(
    world: World, shape: Shape, reward: LearnedReward, plan: Plan, seed: int, watch: Watch | None = None
) -> Imitator:
    """Learn a policy from a reward that learns.

    Args:
        world: environments to act in.
        shape: of the task.
        reward: whose demonstrations are within it.
        plan: the options.
        seed: of the policy and of its draws.
        watch: see :data:`Watch`.
    """
    learner = Ppo(world, shape, plan.ppo, seed)
    count = max(1, plan.steps // (plan.ppo.steps * len(world.observations)))
    rounds: list[Round] = []
    seconds = 0.0
    for iteration in range(1, count + 1):
        started, done = time.perf_counter(), (iteration - 1) / count
        rollout = learner.collect()
        seen = Transitions.of_rollout(rollout, shape, absorbing=plan.absorbing)
        experience = Experience(seen, rollout, learner.actor, done)
        figure = reward.learn(experience)
        gained = reward.rewards(experience).reshape(rollout.rewards.shape)
        # Once there, always there: the sum of γ^k r over what is left, as the horizon only cuts an episode off.
        ended = reward.absorbing_reward() / (1.0 - plan.ppo.discount) if plan.absorbing else 0.0
        made = learner.improve(rollout, gained, done=done, ended_value=ended)
        seconds += time.perf_counter() - started
        true_return = float(np.mean(rollout.returns)) if rollout.returns else float("nan")
        steps = learner.collector.steps
        rounds.append(Round(iteration, steps, seconds, true_return, figure, made.divergence, made.entropy))
        if watch is not None and watch(rounds[-1], count, learner.actor):
            break
    return Imitator(learner.actor, reward, tuple(rounds))
