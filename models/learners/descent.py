"""Descending the loss by Adam (Kingma & Ba 2015, arXiv:1412.6980), at a rate that falls along half a cosine."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from models.learners.cloning_config import BehavioralCloningConfig
from models.learners.lessons import Lessons
from models.policies import Policy

__all__ = ["Descent", "EagerDescent", "mean_loss"]


class Descent(ABC):
    """Changes a policy's weights, one pass over its lessons at a time.

    Args:
        lessons: what it learns from, and whose policy it changes.
        config: learning rate, weight decay, light, and how many passes there will be.
    """

    def __init__(self, lessons: Lessons, config: BehavioralCloningConfig) -> None:
        self._lessons, self._config = lessons, config
        self._steps = 0
        self._steps_in_all = config.epochs * lessons.count

    @abstractmethod
    def epoch(self, alpha: float) -> float:
        """One pass in random order; the mean loss of a frame while the weights changed.

        Args:
            alpha: as of :meth:`Lessons.shuffled`.
        """

    def close(self) -> None:
        """Leave the policy on its own; nothing more is learned."""
        return

    def _rate(self, steps: int) -> float:
        """Learning rate after so many steps."""
        return 0.5 * self._config.learning_rate * (1.0 + math.cos(math.pi * steps / self._steps_in_all))


class EagerDescent(Descent):
    """Operation by operation, by torch's own engine and optimiser: for lessons of every kind."""

    def __init__(self, lessons: Lessons, config: BehavioralCloningConfig) -> None:
        super().__init__(lessons, config)
        weights = lessons.policy.parameters()
        self._optimiser = torch.optim.Adam(weights, weight_decay=config.weight_decay, fused=True)

    def epoch(self, alpha: float) -> float:
        """A step for each lesson."""
        policy, samples = self._lessons.policy, self._lessons.samples
        total = 0.0
        for lesson in self._lessons.shuffled(self._config.light, alpha):
            valid, weights = samples.valid[lesson.ticks], samples.weights[lesson.ticks]
            loss = mean_loss(policy, lesson.features, lesson.targets, valid, weights)
            self._optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            self._optimiser.param_groups[0]["lr"] = self._rate(self._steps)
            self._optimiser.step()
            self._steps += 1
            total += float(loss.detach()) * len(lesson.ticks)
        return total / len(self._lessons.ticks)


def mean_loss(
    policy: Policy, features: Tensor, targets: Tensor, valid: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Mean loss of one number of an action, over the chunk steps that lie inside their episode and have a label.

    Args:
        policy: with the head whose loss it is.
        features: ``(N, width)``.
        targets: ``(N, chunk, A)`` in normalised units.
        valid: ``(N, chunk)``.
        weights: ``(N,)``, how much each label counts; all the same when not given.
    """
    loss = policy.head.loss(features, targets, valid)
    if weights is None:
        return loss.sum() / (valid.sum() * targets.shape[2])
    count = (weights[:, None] * valid).sum() * targets.shape[2]
    return (weights * loss).sum() / count.clamp_min(1e-9)  # a stretch may be without any label
