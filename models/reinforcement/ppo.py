"""Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347).

Pseudo-code, with ``π_θ`` the policy, ``V_φ`` the critic and r whatever reward is to be collected, the world's own or
one that is learned::

    repeat
        τ = T steps of N environments under π_θ                       Collector.collect
        Â = generalised advantages of r under V_φ; R = Â + V_φ
        for a few passes over τ, in random minibatches:               Ppo.improve
            ρ = π_θ(a | o) / π_old(a | o)
            θ, φ downhill on - min(ρ Â, clip(ρ, 1-ε, 1+ε) Â) + c (V_φ - R)² - β H(π_θ)

What is not in the paper is what every public implementation adds (Huang et al. 2022, "The 37 Implementation Details of
PPO"): advantages normalised a minibatch, the critic's change clipped as well, gradients shortened, observations
normalised by what has been seen so far, orthogonal weights. Returns are scaled by the critic, so that no reward is too
large or too small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.errors import TrainingError
from models.recorded_steps import RecordedSteps
from models.reinforcement.actor import Actor, make_actor
from models.reinforcement.advantages import generalised_advantages
from models.reinforcement.critic import Critic
from models.reinforcement.rollout import Collector, Rollout
from models.reinforcement.world import Floats, Shape, World

__all__ = ["Improvement", "Ppo", "PpoConfig"]

# Added to the deviation of a minibatch's advantages, all of which may be the same.
ADVANTAGE_FLOOR = 1e-8


@dataclass(frozen=True)
class PpoConfig:
    """Options of PPO; contradictions raise ``TrainingError`` at construction."""

    # Steps of every environment between two improvements, T.
    steps: int = 128
    # Passes over a rollout.
    passes: int = 10
    # Rows of a minibatch; what is left over of a pass is left out.
    minibatch: int = 256
    # Adam's learning rate to begin with; it falls to nothing over the training.
    rate: float = 1e-3
    # γ and λ.
    discount: float = 0.99
    trace: float = 0.95
    # ε, of the policy's ratio; and how far a prediction of the critic may move, in its scale.
    clip: float = 0.2
    value_clip: float = 0.2
    # c and β.
    value_weight: float = 0.5
    entropy_weight: float = 0.0
    # A gradient longer than this is shortened.
    longest_gradient: float = 0.5
    # Units of both hidden layers, of policy and critic.
    width: int = 64

    def __post_init__(self) -> None:
        """Reject what cannot work."""
        for name in ("steps", "passes", "minibatch", "width"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        for name in ("rate", "clip", "value_clip", "longest_gradient"):
            _require(getattr(self, name) > 0.0, name, getattr(self, name), "a positive number")
        for name in ("discount", "trace"):
            _require(0.0 <= getattr(self, name) < 1.0 + (name == "trace"), name, getattr(self, name), "a share below 1")
        _require(self.entropy_weight >= 0.0, "entropy_weight", self.entropy_weight, "0 or more")


def _require(fits: bool, name: str, found: object, expected: str) -> None:
    if not fits:
        raise TrainingError(f"the option {name} of PPO is out of range", found=found, expected=expected)


@dataclass(frozen=True, slots=True)
class Improvement:
    """What one improvement did.

    Attributes:
        loss: mean of the minibatches'.
        divergence: estimate of KL(π_old, π_θ) over the rollout, in nats (Schulman 2020, "Approximating KL Divergence").
        entropy: mean of the new policy's, in nats.
        explained: share of the returns' variance that the critic explained before it was improved.
    """

    loss: float
    divergence: float
    entropy: float
    explained: float


class Ppo:
    """The policy, its critic, and how they improve.

    Args:
        world: environments to act in.
        shape: of the task.
        config: the options.
        seed: of weights, draws and the order of rows.
    """

    def __init__(self, world: World, shape: Shape, config: PpoConfig, seed: int) -> None:
        self.config = config
        self._random = np.random.default_rng(np.random.SeedSequence([seed, 0x70706F]))
        rows = config.steps * len(world.observations)
        if config.minibatch > rows:
            raise TrainingError(
                "a minibatch is larger than a rollout",
                found=f"minibatch {config.minibatch}",
                expected=f"at most {rows}: {config.steps} steps of {len(world.observations)} environments",
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.actor: Actor = make_actor(shape, config.width)
            self.critic = Critic(shape.observation_size, config.width)
        self.collector = Collector(world, self._random)
        self._steps = self._record(shape)

    def _record(self, shape: Shape) -> RecordedSteps:
        count = self.config.minibatch
        kinds = np.zeros(count, np.int64) if shape.action_count else np.zeros((count, len(shape.action_low)), "f4")
        seen = torch.zeros(count, shape.observation_size)
        example = [seen, torch.from_numpy(kinds), *(torch.arange(count) / count for _ in range(4))]
        weights = [*self.actor.parameters(), *self.critic.parameters()]
        return RecordedSteps(weights, self._loss, example, longest=self.config.longest_gradient)

    def collect(self) -> Rollout:
        """The next rollout of the policy as it is."""
        return self.collector.collect(self.actor, self.config.steps)

    def improve(self, rollout: Rollout, rewards: Floats, *, done: float = 0.0, ended_value: float = 0.0) -> Improvement:
        """Make what paid likelier.

        Args:
            rollout: of the policy as it is.
            rewards: ``(T, N)``, what is to be collected.
            done: share of the training that is over, for the learning rate.
            ended_value: what the rest of an episode is worth once the task has ended it; see
                :func:`generalised_advantages`.
        """
        statistics, critic, shape = self.actor.statistics, self.critic, rollout.rewards.shape
        seen = statistics.normalise(rollout.observations).reshape(rollout.size, -1)
        following = statistics.normalise(rollout.next_observations).reshape(rollout.size, -1)
        values, next_values = critic.values(seen).reshape(shape), critic.values(following).reshape(shape)
        advantages = generalised_advantages(
            rewards,
            values,
            next_values,
            rollout.terminated,
            rollout.truncated,
            discount=self.config.discount,
            trace=self.config.trace,
            ended_value=ended_value,
        )
        returns = (advantages + values).ravel()
        explained = 1.0 - float(advantages.var() / max(returns.var(), 1e-12))
        critic.rescale(returns)
        observations = torch.from_numpy(seen)
        actions = torch.from_numpy(rollout.actions.reshape(rollout.size, *rollout.actions.shape[2:]))
        with torch.inference_mode():
            before, _ = self.actor.log_probabilities(observations, actions)
        columns = [(column / critic.scale).astype(np.float32) for column in (values.ravel(), returns)]
        rows = [observations, actions, before.clone(), torch.from_numpy(advantages.astype(np.float32).ravel())]
        loss = self._descend([*rows, *map(torch.from_numpy, columns)], self.config.rate * (1.0 - done))
        with torch.inference_mode():
            after, entropy = self.actor.log_probabilities(observations, actions)
        divergence = float(((after - before).exp() - 1.0 - (after - before)).mean())
        statistics.add(rollout.observations.reshape(rollout.size, -1))
        return Improvement(loss, divergence, float(entropy.mean()), explained)

    def _descend(self, rows: list[Tensor], rate: float) -> float:
        """Several passes in random minibatches; the mean loss."""
        size, total = self.config.minibatch, 0.0
        lessons = len(rows[0]) // size
        for _ in range(self.config.passes):
            order = torch.from_numpy(self._random.permutation(len(rows[0]))[: lessons * size])
            total += self._steps.run([column[order] for column in rows], [rate] * lessons)
        mean = total / (lessons * self.config.passes)
        if not math.isfinite(mean):
            raise TrainingError(
                "policy optimisation diverged", found=f"a loss of {mean}", fix="lower the learning rate, or the rewards"
            )
        return mean

    def _loss(self, rows: list[Tensor]) -> Tensor:
        """Of a minibatch: observations, actions, old log-probabilities, advantages, old values and returns."""
        observations, actions, before, advantages, old_values, returns = rows
        clip, config = self.config.clip, self.config
        advantages = (advantages - advantages.mean()) / (advantages.std() + ADVANTAGE_FLOOR)
        logs, entropy = self.actor.log_probabilities(observations, actions)
        ratio = (logs - before).exp()
        gain = torch.minimum(ratio * advantages, ratio.clamp(1.0 - clip, 1.0 + clip) * advantages)
        values = self.critic(observations)
        near = old_values + (values - old_values).clamp(-config.value_clip, config.value_clip)
        miss = torch.maximum((values - returns).square(), (near - returns).square())
        return config.value_weight * miss.mean() - gain.mean() - config.entropy_weight * entropy.mean()
