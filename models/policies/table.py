"""A tabular policy as a network: cells and a row of action probabilities each, so that it exports like any other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from models.cells import Cells
from models.contract import Contract
from models.errors import TrainingError
from models.policies.heads import JointOptions
from models.policies.heads.joint import JointHead
from models.policies.policy import Policy, Scaling
from models.policies.specification import PolicyConfig, PolicySpecification, StreamShape
from models.policies.table_encoder import TableEncoder

__all__ = ["table_policy"]

Floats = npt.NDArray[np.float64]
# Probabilities below this are raised to it: no logarithm of zero, and nobody ever draws such an action.
LEAST_PROBABILITY = 1e-12


def table_policy(
    contract: Contract, cells: Cells, probabilities: Floats, actions: Floats, *, act: str = "likeliest"
) -> Policy:
    """The policy ``π(a | cell)``, exactly: nothing is trained.

    A row of the table holds ``-log π(a | cell)``, which is never negative, so that it passes the fusion's rectifier as
    it is; the head's layer turns its sign, and its softmax over the actions gives π back.

    Args:
        contract: one vector stream, one frame, no recurrence.
        cells: of that vector, in SI units.
        probabilities: ``(cells, K)``.
        actions: ``(K, A)`` in SI units, within the contract's limits.
        act: ``likeliest``, or ``sample`` to draw from π.

    Raises:
        TrainingError: the contract sees something else, or a table does not fit.
    """
    stream = _only_stream(contract, cells)
    count, dims = actions.shape
    fits = probabilities.shape == (cells.count, count) and dims == len(contract.action_names)
    if not fits or (actions < contract.action_minimum).any() or (actions > contract.action_maximum).any():
        raise TrainingError(
            "the table does not fit the contract",
            found=f"probabilities {probabilities.shape}, actions {actions.shape}: {actions.min(0)} to {actions.max(0)}",
            expected=f"({cells.count}, K) and (K, {len(contract.action_names)}), within the contract's limits",
        )
    config = PolicyConfig(
        head=JointOptions(clusters=count),
        act=act,
        features=count,
        state_features=count,
        state_cells=cells.counts,
        state_dropout=0.0,
        safety_features=1,
    )
    low, high = np.array(cells.low), np.array(cells.high)
    widths = np.array([cells.width(axis) for axis in range(len(cells.counts))])
    scaling = Scaling(
        mean={stream.key: (low + high) / 2.0, "action": np.zeros(dims)},
        deviation={stream.key: widths, "action": np.ones(dims)},
        minimum=contract.action_minimum,
        maximum=contract.action_maximum,
    )
    policy = Policy(PolicySpecification((stream,), 1, contract.action_names, config), scaling)
    _fill(policy, probabilities, actions)
    return policy.eval()


def _only_stream(contract: Contract, cells: Cells) -> StreamShape:
    streams = contract.observations
    fits = len(streams) == 1 and not streams[0].is_image and len(streams[0].names) == len(cells.counts)
    if not fits or contract.memory.frames != 1 or contract.memory.recurrent:
        raise TrainingError(
            "a tabular policy sees one vector, now",
            found=f"streams {', '.join(stream.key for stream in streams)}, {contract.memory.frames} frames, "
            f"recurrent: {str(contract.memory.recurrent).lower()}",
            expected=f"one vector of {len(cells.counts)} numbers, and memory: {{frames: 1, recurrent: false}}",
        )
    return StreamShape(streams[0].key, (len(cells.counts),))


@torch.no_grad()
def _fill(policy: Policy, probabilities: Floats, actions: Floats) -> None:
    encoder, head = policy.inputs()[0][1], policy.head
    assert isinstance(encoder, TableEncoder)
    assert isinstance(head, JointHead)
    surprise = -np.log(np.clip(probabilities, LEAST_PROBABILITY, 1.0))
    encoder.rows.weight.copy_(torch.from_numpy(surprise))
    for layer, sign in ((policy.fusion, 1.0), (head.output, -1.0)):
        nn.init.eye_(layer.weight).mul_(sign)
        nn.init.zeros_(layer.bias)
    head.centres.copy_(policy.action_normalizer(torch.from_numpy(actions.astype(np.float32))))
    policy.safety.mute()
