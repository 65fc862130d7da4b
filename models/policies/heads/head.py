"""The interface of a policy head."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

__all__ = ["Head"]


class Head(nn.Module, ABC):
    """An output layer and its loss. Actions are in normalised units here; ``Policy`` owns units and limits."""

    @abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """The actions to execute, ``(N, width)`` to ``(N, chunk, A)``."""

    @abstractmethod
    def loss(self, features: Tensor, actions: Tensor) -> Tensor:
        """Loss of every element, not reduced: ``(N, width)`` and expert actions ``(N, chunk, A)`` to ``(N, chunk, A)``.

        It is not reduced so that the learner can leave out chunk steps beyond an episode's end and weigh samples.
        """
