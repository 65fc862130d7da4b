"""What a bundle is made of: something that answers raw observations, be it one network or several."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from models.policies.encoder import Encoder
from models.policies.specification import PolicySpecification, StreamShape

__all__ = ["ActingPolicy"]


class ActingPolicy(nn.Module, ABC):
    """Raw observations in; actions in SI units within limits, and the probability of being unsafe, out.

    Attributes:
        minimum: ``(A,)`` limits of the action in SI units.
        maximum: ``(A,)``.
    """

    minimum: Tensor
    maximum: Tensor

    @property
    @abstractmethod
    def specification(self) -> PolicySpecification:
        """Inputs, memory, action dimensions and options; of the first member where there are several."""

    @property
    @abstractmethod
    def jumps(self) -> bool:
        """Whether acting chooses between alternatives, so that the action jumps where two of them tie."""

    @property
    @abstractmethod
    def noise_width(self) -> int:
        """Standard normal numbers that one answer takes; 0 for a policy that does not draw."""

    @property
    def is_recurrent(self) -> bool:
        """Whether it keeps a state from tick to tick."""
        return self.specification.config.is_recurrent

    @property
    @abstractmethod
    def state_shape(self) -> tuple[int, ...]:
        """S, of one observation's state; ``(0,)`` without one."""

    @property
    @abstractmethod
    def state_limit(self) -> float:
        """Magnitude that no element of a healthy state exceeds."""

    @abstractmethod
    def inputs(self) -> list[tuple[StreamShape, Encoder]]:
        """Every stream with its encoder, in the order of the contract."""

    @abstractmethod
    def initial_state(self, batch: int) -> Tensor:
        """``(batch, *S)`` zeros: a recurrent policy that remembers nothing."""

    @abstractmethod
    def forward(self, raw: Mapping[str, Tensor], noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Raw observations to ``action (N, chunk, A)`` in SI units and ``unsafe_probability (N,)``; no recurrence."""

    @abstractmethod
    def step(
        self, raw: Mapping[str, Tensor], state: Tensor, noise: Tensor | None = None
    ) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """One tick of a recurrent policy: what :meth:`forward` gives, and the state ``(N, *S)`` after it."""
