"""Generative adversarial imitation learning (Ho & Ermon 2016, arXiv:1606.03476), of state and action or of states.

Pseudo-code, with x the state and action ``(s, a)``, or the state alone where the expert's actions are unknown or of
another kind than the learner's::

    repeat
        τ ~ π_θ                                                           imitate
        D_w uphill on E_expert[log D_w(x)] + E_τ[log(1 - D_w(x))]         Gail.learn
        θ one step of PPO towards more of the reward of D_w               imitate

**The expert's label is 1**: D is the probability that the expert did it. (The algorithm as the lectures quote it has
the labels the other way round and calls ``log D`` a cost; their slides have them as here.)

The reward is one of three forms; what their signs do is said at :class:`RewardForm`. Episodes are compared at a fixed
horizon, in an absorbing state, so that no form pays just for staying or for leaving: see :class:`Transitions`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from models.errors import TrainingError
from models.learned_rewards.discriminator import Discriminator, DiscriminatorConfig, RewardForm
from models.learned_rewards.loop import Experience, Floats, LearnedReward
from models.learned_rewards.transitions import Transitions
from models.learned_rewards.views import ActionView, StateView, View
from models.reinforcement import Shape
from models.trajectories import Trajectories

__all__ = ["Gail", "GailConfig", "gail", "state_gail"]


@dataclass(frozen=True)
class GailConfig:
    """Options of the reward."""

    form: RewardForm = RewardForm.DIFFERENCE
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    # As of the plan: whether episodes go on in the absorbing state.
    absorbing: bool = True
    # Rounds of the learner's steps that the discriminator learns from, the newest among them. One round of worlds that
    # began together is one part of an episode, and what tells that part from whole episodes is no news.
    memory: int = 1

    def __post_init__(self) -> None:
        """Reject what cannot work."""
        if self.memory < 1:
            problem = "a discriminator needs the learner's steps"
            raise TrainingError(problem, found=f"memory {self.memory}", expected="at least 1 round")


class Gail(LearnedReward):
    """A discriminator's opinion as reward; its figure is the discriminator's loss.

    The loss is ``2 log 2 = 1.39`` (plus the penalty) where it cannot tell the two apart.

    Args:
        view: what it sees of a step.
        expert: the expert's steps.
        config: the options.
        seed: of weights and draws.
    """

    def __init__(self, view: View, expert: Transitions, config: GailConfig, seed: int) -> None:
        self._view, self._expert, self._config = view, expert, config
        self._random = np.random.default_rng(np.random.SeedSequence([seed, 0x6761696C]))
        self._recent: deque[Transitions] = deque(maxlen=config.memory)
        self.discriminator = Discriminator(view.size, config.discriminator, seed)

    def learn(self, experience: Experience) -> float:
        """Some steps of the discriminator, on as many of the expert's steps as of the learner's."""
        config, view, seen = self._config.discriminator, self._view, experience.seen
        view.notice(self._expert)
        view.notice(seen)
        count = config.updates * config.minibatch
        self._recent.append(seen)
        recent = Transitions.joined(list(self._recent))
        expert = view.draw(self._expert, view.rows(self._expert), count, self._random)
        learner = view.draw(recent, view.rows(recent), count, self._random)
        shares = self._random.random((count, 1), np.float32)
        return self.discriminator.learn(expert, learner, shares, config.rate * (1.0 - experience.done))

    def rewards(self, experience: Experience) -> Floats:
        """``(T · N,)``, of the discriminator as it is now."""
        return self._config.form.of(self.discriminator.logits(self._view.rows(experience.seen)))

    def absorbing_reward(self) -> float:
        """Of a step in the absorbing state."""
        return float(self._config.form.of(self.discriminator.logits(self._view.absorbed()))[0])


def gail(shape: Shape, shown: Trajectories, config: GailConfig, seed: int) -> Gail:
    """The reward of state and action; ``imitate`` makes a policy of it.

    Raises:
        TrainingError: the demonstrations have no actions, or are of another task.
    """
    expert = Transitions.of_expert(shown, shape, absorbing=config.absorbing)
    view = ActionView(shape)
    view.rows(expert)
    return Gail(view, expert, config, seed)


def state_gail(shape: Shape, shown: Trajectories, config: GailConfig, seed: int) -> Gail:
    """The reward of the state that a step led to; actions of the demonstrations are not looked at."""
    expert = Transitions.of_expert(shown.without_actions(), shape, absorbing=config.absorbing)
    return Gail(StateView(shape), expert, config, seed)
