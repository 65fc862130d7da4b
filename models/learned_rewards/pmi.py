"""PMI-IL's loop (PMI deck, equations 15 to 21): policy optimisation on a model that tells next states apart.

The model and its reward are in :mod:`models.observation_only.pmi`; here they take part in the loop of all learned
rewards. Pseudo-code::

    φ₁, φ₂ by InfoNCE on the expert's (s, s'), kept by next-state top-1      pmi (before the first round)
    repeat
        τ ~ π                                                                imitate
        r = log softmax over {s'} and X of φ₁ᵀφ₂(s) / τ, at s'; or φ₁(s')ᵀφ₂(s)   Pmi.rewards
        π one step of PPO towards more of it, and of λ H(π)                  imitate

X are next states of the expert, or those of the agent in this very round.

The softmax's reward is never positive, so that it would favour short episodes; with the absorbing state it does not
(see :class:`Transitions`). There the model knows without learning: who is absorbed stays, so that the next state is
certain (log 1, or a cosine of 1) where an expert ever was, and nothing could be less likely where none was.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field

import numpy as np

from models.learned_rewards.loop import Experience, Floats, LearnedReward
from models.learned_rewards.transitions import Transitions
from models.observation_only.pmi import (
    FORMS,
    NEGATIVES,
    PmiCheck,
    PmiReward,
    PmiSettings,
    Successors,
    fit_next_state_model,
)
from models.reinforcement import Shape
from models.trajectories import Trajectories

__all__ = ["FORMS", "NEGATIVES", "Pmi", "PmiConfig", "pmi"]


@dataclass(frozen=True)
class PmiConfig:
    """Options of the reward; those that make no sense raise ``TrainingError`` when it is made."""

    # How the model is fitted.
    model: PmiSettings = field(default_factory=PmiSettings)
    # "softmax" or "cosine", and of the softmax: τ, where X comes from ("expert" or "agent"), and how many they are.
    form: str = "softmax"
    temperature: float = 0.1
    negatives: str = "agent"
    count: int = 256
    # As of the plan: whether episodes go on in the absorbing state.
    absorbing: bool = True


class Pmi(LearnedReward):
    """How likely the expert would have gone where one went; its figure is the model's next-state top-1.

    Args:
        reward: of steps that are taken.
        checks: what the model was kept by.
        visited: whether the expert was ever in the absorbing state.
        config: the options.
    """

    def __init__(self, reward: PmiReward, checks: tuple[PmiCheck, ...], visited: bool, config: PmiConfig) -> None:
        self._reward, self._visited, self._config = reward, visited, config
        self.checks = checks
        self.top_1 = max(check.top_1 for check in checks)

    def learn(self, experience: Experience) -> float:
        """Nothing more: the model is the expert's alone."""
        return self.top_1

    def rewards(self, experience: Experience) -> Floats:
        """``(T · N,)``; negatives of the agent are drawn from these very steps."""
        seen = experience.seen
        return self._reward(seen.observations, seen.next_observations).astype(np.float64)

    def absorbing_reward(self) -> float:
        """The largest that there is where the expert was there, else the smallest."""
        config = self._config
        if config.form == "cosine":
            return 1.0 if self._visited else -1.0
        # The true next state opposite to φ₂, all negatives right on it.
        return 0.0 if self._visited else -2.0 / config.temperature - math.log(config.count)

    def summary(self) -> dict[str, object]:
        """What a report says of the model: its top-1, and every examination."""
        return {"next_state_top_1": self.top_1, "checks": [asdict(check) for check in self.checks]}


def pmi(shape: Shape, shown: Trajectories, successors: Successors, config: PmiConfig, seed: int) -> Pmi:
    """The reward; ``imitate`` makes a policy of it. Actions of the demonstrations are not looked at.

    Args:
        shape: of the task.
        shown: demonstrations, two at least.
        successors: what actions would have led to; the model is kept by it, and not fitted to it.
        config: the options.
        seed: of weights, order, and negatives.

    Raises:
        TrainingError: the demonstrations are of another task or too few, or options make no sense.
    """
    watched = shown.without_actions()
    expert = Transitions.of_expert(watched, shape, absorbing=config.absorbing)
    model, checks = fit_next_state_model(watched, successors, config.model, seed)
    reward = PmiReward(
        model,
        expert.next_observations,
        form=config.form,
        temperature=config.temperature,
        negatives=config.negatives,
        count=config.count,
        seed=seed,
    )
    return Pmi(reward, checks, expert.absorbed > 0, config)
