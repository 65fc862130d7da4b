"""ILPO's policy as a ``Policy``, so that it exports like every other; nothing is trained again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from models.contract import Contract
from models.observation_only.latent import Ilpo
from models.policies import Policy
from models.policies.choices import choice_policy
from models.policies.heads.joint import JointHead
from models.policies.vector_encoder import VectorEncoder

__all__ = ["policy_of"]

# How much more a latent action's logit counts than a real one's: more than these ever differ, so that the likeliest
# pair has the likeliest latent action. Where two latent actions are closer than a thousandth of that, either may act.
PRECEDENCE = 1e3


def policy_of(learned: Ilpo, contract: Contract, action_values: Sequence[Sequence[float]]) -> Policy:
    """One network that chooses among pairs ``(z, a)``, as ILPO does: first z, then a.

    Latent policy and remapping are two perceptrons of the same observation; side by side, with blocks of zeros between
    them, they are one of twice the width. Its logit of a pair is ``PRECEDENCE · log π_ω(z | s) + log π_ξ(a | z, s)``,
    up to what does not decide; a pair commands what its action does.

    Args:
        learned: what was learned.
        contract: one vector stream, one frame, no recurrence.
        action_values: ``(K, A)`` what each action commands, SI units.

    Raises:
        TrainingError: the contract sees or commands something else.
    """
    latent = learned.latent
    pairs = np.tile(np.array(action_values), (latent.latents, 1))
    wanted, commanded = _layers(latent.policy), _layers(learned.remapping)
    width = wanted[0].out_features + commanded[0].out_features
    policy = choice_policy(
        contract, pairs, latent.state.mean.numpy(), latent.state.scale.numpy(), width=width, act="likeliest"
    )
    encoder, head = policy.inputs()[0][1], policy.head
    assert isinstance(encoder, VectorEncoder)
    assert isinstance(head, JointHead)
    first = encoder.layers[0]
    assert isinstance(first, nn.Linear)
    with torch.no_grad():
        first.weight.copy_(torch.cat([wanted[0].weight, commanded[0].weight]))
        policy.fusion.weight.copy_(torch.block_diag(wanted[1].weight, commanded[1].weight))  # type: ignore[no-untyped-call]
        count = learned.action_count
        before = PRECEDENCE * wanted[2].weight.repeat_interleave(count, dim=0)
        head.output.weight.copy_(torch.cat([before, commanded[2].weight], dim=1))
        for layer, parts in ((first, 0), (policy.fusion, 1)):
            layer.bias.copy_(torch.cat([wanted[parts].bias, commanded[parts].bias]))
        offset: Tensor = PRECEDENCE * wanted[2].bias.repeat_interleave(count)
        head.output.bias.copy_(offset + commanded[2].bias)
    return policy.eval()


def _layers(network: nn.Sequential) -> list[nn.Linear]:
    """Its three linear layers."""
    return [layer for layer in network if isinstance(layer, nn.Linear)]
