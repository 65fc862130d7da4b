"""A policy that commands numbers, a normal distribution of them, seeing one vector: what driving by its state wants."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.contract import Contract
from models.data import FloatArray
from models.errors import TrainingError
from models.policies.heads import GaussianOptions
from models.policies.heads.gaussian import GaussianHead
from models.policies.one_vector import one_vector_policy
from models.policies.policy import Policy

__all__ = ["command_features", "command_head", "command_policy", "mean_command"]

Floats = npt.NDArray[np.floating]


def command_policy(
    contract: Contract, low: Floats, high: Floats, mean: Floats, deviation: Floats, *, width: int = 64
) -> Policy:
    """A network with fresh weights: two hidden layers and a Gaussian head, in halves of the range of the actions.

    Args:
        contract: one vector stream, one frame, no recurrence.
        low: ``(A,)`` smallest action, SI units, within the contract's limits.
        high: ``(A,)`` largest.
        mean: ``(O,)`` of the observations.
        deviation: ``(O,)``.
        width: of the hidden layers.

    Raises:
        TrainingError: the contract sees something else, or the actions do not fit it.
    """
    fits = low.shape == high.shape == contract.action_minimum.shape and bool((low < high).all())
    if not fits or (low < contract.action_minimum).any() or (high > contract.action_maximum).any():
        raise TrainingError(
            "these actions do not fit the contract",
            found=f"from {low} to {high}",
            expected=f"{len(contract.action_names)} of them, within {contract.action_minimum} and "
            f"{contract.action_maximum}",
        )
    scales = (mean, deviation), (0.5 * (low + high), 0.5 * (high - low))
    return one_vector_policy(contract, GaussianOptions(), *scales, width=width)


def command_features(policy: Policy, observations: Tensor) -> Tensor:
    """``(N, O)`` in SI units to what the head reads, ``(N, width)``, with gradients."""
    key = policy.specification.streams[0].key
    return policy.features(policy.prepare({key: observations.unsqueeze(1)}))


def command_head(policy: Policy) -> GaussianHead:
    """Its head."""
    assert isinstance(policy.head, GaussianHead)
    return policy.head


def mean_command(policy: Policy) -> Callable[[FloatArray], FloatArray]:
    """Observations ``(N, O)`` to the mean command of each, ``(N, A)`` SI units, within the limits."""

    def act(observations: FloatArray) -> FloatArray:
        with torch.inference_mode():
            features = command_features(policy, torch.from_numpy(observations))
            found: FloatArray = policy.limit(command_head(policy)(features))[:, 0].numpy()
        return found

    return act
