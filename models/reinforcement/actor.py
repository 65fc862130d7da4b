"""A policy that learns from rewards: a distribution over actions, given an observation."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from models.reinforcement.networks import TwoLayers
from models.reinforcement.statistics import RunningStatistics
from models.reinforcement.world import Actions, Floats, Integers, Shape

__all__ = ["Actor", "ChoosingActor", "SteeringActor", "make_actor"]

Float32s = npt.NDArray[np.float32]
# An output layer this small makes every action about as likely as any other to begin with.
FIRST_GAIN = 0.01
# An exponential draw may round to 0, which has no logarithm.
LEAST_DRAW = 1e-30


class Actor(nn.Module, ABC):
    """``π_θ(a | o)``; observations are normalised by what has been seen so far.

    Args:
        shape: of the task.
        width: of both hidden layers.
        outputs: of the network.
    """

    def __init__(self, shape: Shape, width: int, outputs: int) -> None:
        super().__init__()
        self.shape, self.width = shape, width
        self.statistics = RunningStatistics(shape.observation_size)
        self.layers = TwoLayers(shape.observation_size, width, outputs, FIRST_GAIN)

    @abstractmethod
    def act(self, observations: Floats, random: np.random.Generator | None = None) -> Actions:
        """Actions of ``(N, O)`` observations as a world takes them: drawn, or the likeliest without ``random``."""

    @abstractmethod
    def log_probabilities(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """``log π(a | o)`` and the entropy of ``π(· | o)``, ``(M,)`` each, in nats.

        Args:
            observations: ``(M, O)``, normalised.
            actions: as :meth:`act` drew them, ``(M,)`` or ``(M, A)``.
        """


class ChoosingActor(Actor):
    """A softmax over K actions.

    Args:
        shape: of a task with ``action_count > 0``.
        width: of both hidden layers.
    """

    def __init__(self, shape: Shape, width: int) -> None:
        super().__init__(shape, width, shape.action_count)

    def act(self, observations: Floats, random: np.random.Generator | None = None) -> Integers:
        """Numbers of actions, ``(N,)``."""
        logits = self.layers.answer(self.statistics.normalise(observations))
        if random is not None:
            # The largest of logits plus Gumbel noise is a draw from their softmax.
            logits = logits - np.log(np.maximum(random.standard_exponential(logits.shape, np.float32), LEAST_DRAW))
        chosen: Integers = logits.argmax(axis=1)
        return chosen

    def log_probabilities(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Of a categorical distribution."""
        logs = torch.log_softmax(self.layers(observations), dim=1)
        return logs.gather(1, actions.unsqueeze(1)).squeeze(1), -(logs.exp() * logs).sum(dim=1)


class SteeringActor(Actor):
    """A normal distribution whose spread does not depend on the observation; acts with the mean.

    What is drawn may lie beyond the limits and is cut there by the world; its probability is that of the draw.

    Args:
        shape: of a task whose actions are vectors.
        width: of both hidden layers.
    """

    def __init__(self, shape: Shape, width: int) -> None:
        super().__init__(shape, width, len(shape.action_low))
        low, high = np.array(shape.action_low, np.float32), np.array(shape.action_high, np.float32)
        self.centre, self.reach = 0.5 * (high + low), 0.5 * (high - low)
        # In halves of the range, of which half a one is a wide spread already.
        self.log_spread = nn.Parameter(torch.full((len(self.reach),), math.log(0.5)))

    def act(self, observations: Floats, random: np.random.Generator | None = None) -> Float32s:
        """``(N, A)`` in the task's unit."""
        means = self.layers.answer(self.statistics.normalise(observations))
        if random is not None:
            spread = np.exp(self.log_spread.detach().numpy())
            means = means + spread * random.standard_normal(means.shape, np.float32)
        actions: Float32s = self.centre + self.reach * means
        return actions if random is not None else np.clip(actions, self.centre - self.reach, self.centre + self.reach)

    def log_probabilities(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Of a normal distribution, in halves of the range."""
        drawn = (actions - torch.from_numpy(self.centre)) / torch.from_numpy(self.reach)
        apart = (drawn - self.layers(observations)) * torch.exp(-self.log_spread)
        constant = self.log_spread + 0.5 * math.log(2.0 * math.pi)
        return -(0.5 * apart.square() + constant).sum(dim=1), (constant + 0.5).sum().expand(len(drawn))


def make_actor(shape: Shape, width: int) -> Actor:
    """The kind that the task's actions want."""
    return ChoosingActor(shape, width) if shape.action_count else SteeringActor(shape, width)
