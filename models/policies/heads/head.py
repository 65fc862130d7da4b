"""The interface of a policy head."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from models.errors import TrainingError

__all__ = ["Head", "HeadOptions", "masked_sum"]


class Head(nn.Module, ABC):
    """An output layer and its loss: a distribution over chunks of actions, given features.

    Actions are in normalised units here; ``Policy`` owns units and limits. A head acts in two ways: :meth:`forward`
    commits to one chunk, :meth:`sample` draws one. Randomness comes in as an argument, so both are plain functions that
    export to ONNX and can be replayed.

    Chunk steps beyond an episode's end are told by ``valid``; a loss must not depend on the actions there.

    Args:
        chunk: actions per observation.
        dims: action dimensions, A.
        noise_width: standard normal numbers that one draw takes; 0 for a head that has no distribution.

    Attributes:
        jumps: whether acting chooses between alternatives, so that the action jumps where two of them tie. There two
            computers that round differently may both be right.
    """

    jumps: bool = False

    def __init__(self, chunk: int, dims: int, noise_width: int = 0) -> None:
        super().__init__()
        self.chunk, self.dims, self.noise_width = chunk, dims, noise_width

    @abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """The chunk to execute without any randomness, ``(N, width)`` to ``(N, chunk, A)``.

        Features that are not numbers give actions that are not numbers, never a choice between alternatives.
        """

    @abstractmethod
    def loss(self, features: Tensor, actions: Tensor, valid: Tensor) -> Tensor:
        """What training minimises, one number a sample: where the head has a likelihood, minus its logarithm.

        Args:
            features: ``(N, width)``.
            actions: ``(N, chunk, A)``, the expert's.
            valid: ``(N, chunk)``, 1 for steps inside the episode and 0 beyond its end.

        Returns:
            ``(N,)``, summed over valid steps and their dimensions: a joint distribution has no loss of one element.
            Whoever averages divides by ``A * valid.sum()``, so that losses compare across chunk lengths.
        """

    def sample(self, features: Tensor, noise: Tensor) -> Tensor:
        """A chunk drawn from the distribution, ``(N, width)`` and ``(N, noise_width)`` to ``(N, chunk, A)``.

        Args:
            features: of the observations.
            noise: independent standard normal numbers. Equal noise gives equal actions.
        """
        raise TrainingError(
            f"{type(self).__name__} has no distribution to draw from", fix='use another head, or `act="likeliest"`'
        )

    def know_units(self, normalise: Callable[[Tensor], Tensor]) -> None:
        """Take over options that are given in the action's unit; ``normalise`` puts ``(..., A)`` into normalised ones.

        ``Policy`` calls it once, at construction.
        """
        return

    def fit(self, actions: Tensor, valid: Tensor, seed: int) -> None:
        """Take from the training set what is not learned by gradient, such as the edges of bins, before training.

        Args:
            actions: ``(T, chunk, A)`` of every training sample.
            valid: ``(T, chunk)``.
            seed: of any random choice.
        """
        return

    def score(self, features: Tensor, actions: Tensor, valid: Tensor) -> Tensor:
        """What chooses the epoch on held-out samples, ``(N,)``, lower is better: the loss, unless that says nothing."""
        return self.loss(features, actions, valid)

    def diagnose(self, features: Tensor, actions: Tensor, valid: Tensor) -> dict[str, float]:
        """Numbers that show how this kind of head fails, by name; empty where the loss shows it."""
        return {}


@dataclass(frozen=True)
class HeadOptions(ABC):
    """The options of one kind of head; those that contradict each other raise ``TrainingError`` at construction.

    Attributes:
        kind: the head's name, which stays in checkpoints.
    """

    kind: str = field(default="", init=False)

    @property
    def can_sample(self) -> bool:
        """Whether the head has a distribution to draw from."""
        return True

    @abstractmethod
    def build(self, width: int, chunk: int, dims: int) -> Head:
        """The head with fresh weights.

        Args:
            width: of the features.
            chunk: actions per observation.
            dims: action dimensions.
        """


def masked_sum(elements: Tensor, valid: Tensor) -> Tensor:
    """Sum of ``(N, chunk, A)`` over valid steps, ``(N,)``; what stands beyond the end does not count."""
    if elements.shape[1] == 1:  # a chunk's first step is the tick itself, which no episode ends before
        return elements.sum(dim=(1, 2))
    zero = torch.zeros((), dtype=elements.dtype, device=elements.device)
    return torch.where(valid.unsqueeze(2) > 0, elements, zero).sum(dim=(1, 2))
