"""What differs between learning actions to choose from and actions that are vectors: losses, inference, draws."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models.data import FloatArray
from models.errors import TrainingError
from models.observation_only.ports import Act, Actions
from models.observation_only.transitions import held
from models.policies import Policy
from models.policies.choices import action_logits, likeliest_action
from models.policies.commands import command_features, command_head, mean_command
from models.policies.heads import GaussianOptions, JointOptions

__all__ = ["ActionKind", "Choices", "Commands", "kind_of"]

Floats = npt.NDArray[np.floating]


class ActionKind(ABC):
    """A distribution over actions: of an inverse model's outputs, and of a policy."""

    outputs: int
    """Numbers that an inverse model gives for each pair of states."""

    @abstractmethod
    def at_random(self, random: np.random.Generator, hold: int) -> Act:
        """A policy that draws every action with the same probability, and keeps each for so many steps."""

    @abstractmethod
    def loss(self, outputs: Tensor, actions: Tensor) -> Tensor:
        """``-log p(a)`` up to a constant, the mean over ``(M, outputs)`` and M actions."""

    @abstractmethod
    def infer(self, outputs: Tensor) -> tuple[Actions, float]:
        """The likeliest actions, and the mean probability of each; NaN where actions are vectors."""

    @abstractmethod
    def share_found(self, outputs: Tensor, actions: Tensor) -> float:
        """Share of actions that are inferred; of their variance, where actions are vectors."""

    @abstractmethod
    def cloning_loss(self, policy: Policy, observations: Tensor, actions: Tensor) -> Tensor:
        """``-log π(a | s)``, the mean over ``(M, O)`` and M actions."""

    @abstractmethod
    def likeliest(self, policy: Policy) -> Act:
        """The policy as it drives."""

    @abstractmethod
    def drawn(self, policy: Policy) -> Act:
        """The policy, drawing: what it is unsure of it tries in several ways."""


class Choices(ActionKind):
    """K actions to choose from: a softmax."""

    def __init__(self, count: int) -> None:
        self.outputs = count

    def at_random(self, random: np.random.Generator, hold: int) -> Act:
        """Each of the K."""
        return held(lambda count: random.integers(self.outputs, size=count), hold)

    def loss(self, outputs: Tensor, actions: Tensor) -> Tensor:
        """Cross-entropy of logits."""
        return functional.cross_entropy(outputs, actions)

    def infer(self, outputs: Tensor) -> tuple[Actions, float]:
        """Numbers of actions, ``(M,)``."""
        best, index = outputs.softmax(dim=1).max(dim=1)
        return index.numpy(), float(best.mean())

    def share_found(self, outputs: Tensor, actions: Tensor) -> float:
        """Of all."""
        return float((outputs.argmax(dim=1) == actions).float().mean())

    def cloning_loss(self, policy: Policy, observations: Tensor, actions: Tensor) -> Tensor:
        """Cross-entropy."""
        return functional.cross_entropy(action_logits(policy, observations), actions)

    def likeliest(self, policy: Policy) -> Act:
        """The most probable of the K."""
        return likeliest_action(policy)

    def drawn(self, policy: Policy) -> Act:
        """By their probabilities."""

        def act(observations: FloatArray) -> Actions:
            with torch.no_grad():
                probabilities = action_logits(policy, torch.from_numpy(observations)).softmax(dim=1)
                return torch.multinomial(probabilities, 1)[:, 0].numpy()

        return act


class Commands(ActionKind):
    """Vectors within a range: a normal distribution in halves of it, of fixed spread for an inverse model.

    Args:
        low: ``(A,)`` smallest, SI units.
        high: ``(A,)`` largest.
    """

    def __init__(self, low: Floats, high: Floats) -> None:
        self.outputs = len(low)
        self._low, self._high = low.astype(np.float32), high.astype(np.float32)
        self._centre, self._reach = (torch.from_numpy(0.5 * (high + sign * low)).float() for sign in (1.0, -1.0))

    def at_random(self, random: np.random.Generator, hold: int) -> Act:
        """Anything within the range."""
        shape = self._low, self._high
        return held(lambda count: random.uniform(*shape, size=(count, self.outputs)).astype(np.float32), hold)

    def loss(self, outputs: Tensor, actions: Tensor) -> Tensor:
        """The squared error, in halves of the range."""
        return (outputs - self._normalise(actions)).square().mean()

    def infer(self, outputs: Tensor) -> tuple[Actions, float]:
        """Means ``(M, A)``, within the range."""
        found = (outputs * self._reach + self._centre).numpy()
        return np.clip(found, self._low, self._high), float("nan")

    def share_found(self, outputs: Tensor, actions: Tensor) -> float:
        """Of the variance."""
        wanted = self._normalise(actions)
        missed, spread = (outputs - wanted).square().sum(), (wanted - wanted.mean(dim=0)).square().sum()
        return float(1.0 - missed / spread)

    def cloning_loss(self, policy: Policy, observations: Tensor, actions: Tensor) -> Tensor:
        """Negative log-likelihood of the Gaussian head."""
        wanted = policy.action_normalizer(actions).unsqueeze(1)
        valid = torch.ones_like(wanted[..., 0])
        return command_head(policy).loss(command_features(policy, observations), wanted, valid).mean()

    def likeliest(self, policy: Policy) -> Act:
        """The mean."""
        return mean_command(policy)

    def drawn(self, policy: Policy) -> Act:
        """The mean and as much noise as it did not explain."""

        def act(observations: FloatArray) -> Actions:
            with torch.no_grad():
                features = command_features(policy, torch.from_numpy(observations))
                noise = torch.randn(len(features), self.outputs)
                return policy.limit(command_head(policy).sample(features, noise))[:, 0].numpy()

        return act

    def _normalise(self, actions: Tensor) -> Tensor:
        return (actions - self._centre) / self._reach


def kind_of(policy: Policy) -> ActionKind:
    """What a policy of ``choice_policy`` or ``command_policy`` does.

    Raises:
        TrainingError: it is neither.
    """
    options = policy.specification.config.head
    if isinstance(options, JointOptions):
        return Choices(options.clusters)
    if isinstance(options, GaussianOptions):
        normalizer = policy.action_normalizer
        low, high = (normalizer.mean + sign * normalizer.scale for sign in (-1.0, 1.0))
        return Commands(low.numpy(), high.numpy())
    raise TrainingError(
        "such a policy is not learned from observation",
        found=f"a {options.kind} head",
        expected="one that chooses among actions (joint), or commands numbers (gaussian)",
    )
