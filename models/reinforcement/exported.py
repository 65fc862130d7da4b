"""A learned policy as a ``Policy``, exactly: nothing is trained again, so that it exports like every other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from models.contract import Contract
from models.errors import TrainingError
from models.policies import Policy
from models.policies.choices import choice_policy
from models.policies.heads.joint import JointHead
from models.policies.vector_encoder import VectorEncoder
from models.reinforcement.actor import Actor

__all__ = ["policy_of"]


def policy_of(actor: Actor, contract: Contract, action_values: Sequence[Sequence[float]]) -> Policy:
    """The network of an actor that chooses among actions; it acts with the likeliest.

    Args:
        actor: what was learned.
        contract: one vector stream, one frame, no recurrence.
        action_values: ``(K, A)`` what each action commands, SI units.

    Raises:
        TrainingError: the actor does not choose, or the contract sees or commands something else.
    """
    if not actor.shape.action_count:
        raise TrainingError("only a policy that chooses among actions is exported so far", found="actions are vectors")
    statistics = actor.statistics
    policy = choice_policy(
        contract, np.array(action_values), statistics.mean, statistics.scale, width=actor.width, act="likeliest"
    )
    encoder, head = policy.inputs()[0][1], policy.head
    assert isinstance(encoder, VectorEncoder)
    assert isinstance(head, JointHead)
    first = encoder.layers[0]
    assert isinstance(first, nn.Linear)
    layers, own = (first, policy.fusion, head.output), actor.layers
    with torch.no_grad():
        for there, here in zip(layers, (own.first, own.second, own.output), strict=True):
            there.weight.copy_(here.weight)
            there.bias.copy_(here.bias)
    return policy.eval()
