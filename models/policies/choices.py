"""A policy that chooses among a few given actions, seeing one vector: what control tasks with counted actions want."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.contract import Contract
from models.data import FloatArray
from models.errors import TrainingError
from models.policies.heads import JointOptions
from models.policies.heads.joint import JointHead
from models.policies.one_vector import one_vector_policy
from models.policies.policy import Policy

__all__ = ["action_logits", "choice_policy", "likeliest_action"]

Floats = npt.NDArray[np.floating]


def choice_policy(
    contract: Contract, actions: Floats, mean: Floats, deviation: Floats, *, width: int = 64, act: str = "likeliest"
) -> Policy:
    """A network with fresh weights: two hidden layers, and a softmax over the actions.

    Its head is the joint one, whose clusters are the actions themselves, so that it exports like any other.

    Args:
        contract: one vector stream, one frame, no recurrence.
        actions: ``(K, A)`` in SI units, within the contract's limits.
        mean: ``(O,)`` of the observations.
        deviation: ``(O,)``.
        width: of the hidden layers.
        act: ``likeliest``, or ``sample`` to draw.

    Raises:
        TrainingError: the contract sees something else, or the actions do not fit it.
    """
    count, dims = actions.shape
    outside = (actions < contract.action_minimum).any() or (actions > contract.action_maximum).any()
    if count < 2 or dims != len(contract.action_names) or outside:
        raise TrainingError(
            "these actions do not fit the contract",
            found=f"actions {actions.shape}: {actions.min(0)} to {actions.max(0)}",
            expected=f"(K, {len(contract.action_names)}), at least two, within the contract's limits",
        )
    scales = (mean, deviation), (np.zeros(dims), np.ones(dims))
    policy = one_vector_policy(contract, JointOptions(clusters=count), *scales, width=width, act=act)
    _head(policy).centres.copy_(policy.action_normalizer(torch.from_numpy(actions.astype(np.float32))))
    return policy


def action_logits(policy: Policy, observations: Tensor) -> Tensor:
    """``(N, O)`` in SI units to the logits of the actions, ``(N, K)``, with gradients."""
    key = policy.specification.streams[0].key
    logits: Tensor = _head(policy).output(policy.features(policy.prepare({key: observations.unsqueeze(1)})))
    return logits


def likeliest_action(policy: Policy) -> Callable[[FloatArray], npt.NDArray[np.int64]]:
    """Observations ``(N, O)`` to the number of the likeliest action of each, ``(N,)``."""

    def act(observations: FloatArray) -> npt.NDArray[np.int64]:
        with torch.inference_mode():
            return action_logits(policy, torch.from_numpy(observations)).argmax(dim=1).numpy()

    return act


def _head(policy: Policy) -> JointHead:
    assert isinstance(policy.head, JointHead)
    return policy.head
