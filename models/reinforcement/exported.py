"""A learned policy as a ``Policy``, exactly: nothing is trained again, so that it exports like every other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from models.contract import Contract
from models.policies import Policy
from models.policies.choices import choice_policy
from models.policies.commands import command_head, command_policy
from models.policies.heads.joint import JointHead
from models.policies.vector_encoder import VectorEncoder
from models.reinforcement.actor import Actor, SteeringActor

__all__ = ["policy_of"]


def policy_of(actor: Actor, contract: Contract, action_values: Sequence[Sequence[float]]) -> Policy:
    """The network of an actor; it acts with the likeliest action.

    Args:
        actor: what was learned.
        contract: one vector stream, one frame, no recurrence.
        action_values: ``(K, A)`` what each counted action commands, SI units; empty where actions are vectors.

    Raises:
        TrainingError: the contract sees or commands something else.
    """
    statistics, shape = actor.statistics, actor.shape
    if shape.action_count:
        policy = choice_policy(
            contract, np.array(action_values), statistics.mean, statistics.scale, width=actor.width, act="likeliest"
        )
        assert isinstance(policy.head, JointHead)
        output = policy.head.output
    else:
        limits = np.array(shape.action_low), np.array(shape.action_high)
        policy = command_policy(contract, *limits, statistics.mean, statistics.scale, width=actor.width)
        output = command_head(policy).mean
    encoder = policy.inputs()[0][1]
    assert isinstance(encoder, VectorEncoder)
    first = encoder.layers[0]
    assert isinstance(first, nn.Linear)
    layers, own = (first, policy.fusion, output), actor.layers
    with torch.no_grad():
        for there, here in zip(layers, (own.first, own.second, own.output), strict=True):
            there.weight.copy_(here.weight)
            there.bias.copy_(here.bias)
        if isinstance(actor, SteeringActor):
            command_head(policy).log_std.copy_(actor.log_spread.unsqueeze(0))
    return policy.eval()
