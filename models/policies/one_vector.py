"""A policy that sees one vector, now: two hidden layers and a head, without a trained safety classifier."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.contract import Contract
from models.errors import TrainingError
from models.policies.heads import HeadOptions
from models.policies.policy import Policy, Scaling
from models.policies.specification import PolicyConfig, PolicySpecification, StreamShape

__all__ = ["Scale", "one_vector_policy"]

Scale = tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]
"""Means and deviations, ``(D,)`` each, SI units."""


def one_vector_policy(
    contract: Contract, head: HeadOptions, seen: Scale, commanded: Scale, *, width: int, act: str = "likeliest"
) -> Policy:
    """A network with fresh weights.

    Args:
        contract: one vector stream, one frame, no recurrence.
        head: output layer.
        seen: of the observations, O numbers.
        commanded: of the actions.
        width: of both hidden layers.
        act: ``likeliest``, or ``sample`` to draw.

    Raises:
        TrainingError: the contract sees something else.
    """
    (mean, deviation), streams = seen, contract.observations
    sees = len(streams) == 1 and not streams[0].is_image and len(streams[0].names) == len(mean) == len(deviation)
    if not sees or contract.memory.frames != 1 or contract.memory.recurrent:
        raise TrainingError(
            "such a policy sees one vector, now",
            found=f"streams {', '.join(stream.key for stream in streams)}, {contract.memory.frames} frames",
            expected=f"one vector of {len(mean)} numbers, and memory: {{frames: 1, recurrent: false}}",
        )
    config = PolicyConfig(
        head=head,
        act=act,
        features=width,
        state_features=width,
        state_layers=1,
        state_dropout=0.0,
        safety_features=1,
    )
    stream = StreamShape(streams[0].key, (len(mean),))
    scaling = Scaling(
        mean={stream.key: mean, "action": commanded[0]},
        deviation={stream.key: deviation, "action": commanded[1]},
        minimum=contract.action_minimum,
        maximum=contract.action_maximum,
    )
    policy = Policy(PolicySpecification((stream,), 1, contract.action_names, config), scaling)
    policy.safety.mute()
    return policy
