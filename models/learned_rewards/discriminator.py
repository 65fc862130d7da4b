"""Telling an expert's steps from a learner's: a smooth classifier, and the rewards that are made of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.errors import TrainingError
from models.recorded_steps import RecordedSteps

__all__ = ["Discriminator", "DiscriminatorConfig", "RewardForm", "gradient_penalty"]

Float32s = npt.NDArray[np.float32]
# Under the root of a gradient's length, whose own gradient is infinite at 0.
LENGTH_FLOOR = 1e-8


class RewardForm(StrEnum):
    """How the probability D that the expert did it becomes a reward.

    The sign is a bias where episodes just end: rewards that are never negative pay for every step and so for long
    episodes, rewards that are never positive cost and so pay for ending it. With absorbing states each is without it.
    """

    POSITIVE = "positive"
    """``-log(1 - D)``, from 0 up."""
    NEGATIVE = "negative"
    """``log D``, from 0 down."""
    DIFFERENCE = "difference"
    """``log D - log(1 - D)``, of either sign (Fu et al. 2018, arXiv:1710.11248)."""

    def of(self, logits: Float32s) -> npt.NDArray[np.float64]:
        """Rewards of ``log D - log(1 - D)``, ``(M,)``."""
        exact = logits.astype(np.float64)
        if self is RewardForm.POSITIVE:
            return np.logaddexp(0.0, exact)
        if self is RewardForm.NEGATIVE:
            return -np.logaddexp(0.0, -exact)
        return exact


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Options of a discriminator."""

    # Units of both hidden layers.
    width: int = 64
    # Steps of gradient descent a round, and rows of each side in a step.
    updates: int = 8
    minibatch: int = 256
    # Adam's learning rate.
    rate: float = 1e-3
    # λ of the gradient penalty. Without one the discriminator tells any two finite sets of steps apart, and its reward
    # says of each step only whether it was in the expert's.
    penalty: float = 1.0
    # Whether slopes below 1 are penalised too. If they are, it cannot say that learner and expert are the same.
    both_sides: bool = True

    def __post_init__(self) -> None:
        """Reject what cannot work."""
        if min(self.width, self.updates, self.minibatch) < 1 or self.rate <= 0.0 or self.penalty < 0.0:
            raise TrainingError(
                "options of the discriminator are out of range",
                found=self,
                expected="counts of at least 1, a positive rate, a penalty of 0 or more",
            )


class Discriminator:
    """``D(x) = σ(f(x))``, the probability that x is the expert's: the expert's label is 1, the learner's 0.

    Descends ``-E_expert[log D] - E_learner[log(1 - D)]`` plus the gradient penalty.

    Args:
        size: numbers in x, F.
        config: the options.
        seed: of weights.
    """

    def __init__(self, size: int, config: DiscriminatorConfig, seed: int) -> None:
        self.config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            # Smooth, because the penalty is on its slope.
            self._layers = nn.Sequential(
                nn.Linear(size, config.width),
                nn.Tanh(),
                nn.Linear(config.width, config.width),
                nn.Tanh(),
                nn.Linear(config.width, 1),
            )
        example = [torch.zeros(config.minibatch, size), torch.ones(config.minibatch, size)]
        example.append(torch.full((config.minibatch, 1), 0.5))
        self._steps = RecordedSteps(list(self._layers.parameters()), self._loss, example)

    def learn(self, expert: Float32s, learner: Float32s, shares: Float32s, rate: float) -> float:
        """One step of gradient descent for every ``minibatch`` rows; the mean loss.

        Args:
            expert: ``(K · minibatch, F)``.
            learner: the same.
            shares: ``(K · minibatch, 1)`` within [0, 1], where between the two the slope is looked at.
            rate: learning rate.
        """
        steps = len(expert) // self.config.minibatch
        rows = [torch.from_numpy(part) for part in (expert, learner, shares)]
        return self._steps.run(rows, [rate] * steps) / steps

    def logits(self, rows: Float32s) -> Float32s:
        """``log D - log(1 - D)`` of ``(M, F)``, ``(M,)``."""
        with torch.inference_mode():
            found: Float32s = self._layers(torch.from_numpy(rows)).squeeze(1).numpy()
        return found

    def _loss(self, rows: list[Tensor]) -> Tensor:
        expert, learner, shares = rows
        told = functional.softplus(-self._layers(expert)).mean() + functional.softplus(self._layers(learner)).mean()
        if self.config.penalty == 0.0:
            return told
        between = shares * expert + (1.0 - shares) * learner
        return told + self.config.penalty * gradient_penalty(self._layers, between, self.config.both_sides)


def gradient_penalty(network: nn.Module, rows: Tensor, both_sides: bool = True) -> Tensor:
    """``E[(‖∇_x f(x)‖₂ - 1)²]`` over rows ``(M, F)`` (Gulrajani et al. 2017, arXiv:1704.00028, equation 3).

    On one side only slopes above 1 count, ``max(0, ‖∇_x f(x)‖₂ - 1)²`` (Petzka et al. 2018, arXiv:1709.08894).
    """
    rows = rows.detach().requires_grad_()
    (slopes,) = torch.autograd.grad(network(rows).sum(), rows, create_graph=True)
    lengths = (slopes.square().sum(dim=1) + LENGTH_FLOOR).sqrt()
    over = lengths - 1.0 if both_sides else (lengths - 1.0).clamp(min=0.0)
    return over.square().mean()
