"""Every head, memory and encoder, small, and a robot without a camera whose policies export in a second."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from policy_samples import CONTRACT, STATE
from torch import Tensor

from models.bundle.known_answer import Arrays
from models.contract import Contract, parse_contract
from models.policies import Policy, PolicyConfig, PolicySpecification, Scaling, StreamShape
from models.policies.checkpoint import Checkpoint
from models.policies.heads import (
    AdversarialOptions,
    AutoregressiveOptions,
    CvaeOptions,
    FlowOptions,
    GaussianOptions,
    HeadOptions,
    IndependentOptions,
    JointOptions,
    MixtureOptions,
    NBestOptions,
    PointOptions,
    TrailOptions,
)

WIDTH, CHUNK, DIMS = 8, 3, 2

HEADS: dict[str, HeadOptions] = {
    "point": PointOptions(),
    "gaussian": GaussianOptions(),
    "independent": IndependentOptions(bins=12),
    "joint": JointOptions(clusters=6),
    "autoregressive": AutoregressiveOptions(bins=12, hidden=16),
    "mixture": MixtureOptions(modes=3),
    "cvae": CvaeOptions(latent=2, hidden=16),
    "n_best": NBestOptions(draws=4, latent=2, hidden=16),
    "adversarial": AdversarialOptions(latent=2, hidden=16),
    "flow": FlowOptions(steps=4, hidden=16),
    "trail": TrailOptions(),
}
"""One of each kind."""

SAMPLING = [name for name, options in HEADS.items() if options.can_sample]

BLIND = CONTRACT.replace(
    CONTRACT[CONTRACT.index("  observation.images.front") : CONTRACT.index("  observation.state")], ""
)
"""The small car without its camera."""

MEMORIES: dict[str, dict[str, Any]] = {
    "stack": {},
    "rnn": {"memory": "rnn", "memory_features": 5},
    "gru": {"memory": "gru", "memory_features": 5},
    "lstm": {"memory": "lstm", "memory_features": 5},
}
"""The options of one policy of each kind."""


def blind_contract(recurrent: bool = False) -> Contract:
    return parse_contract(BLIND.replace("frames: 2", "frames: 2, recurrent: true") if recurrent else BLIND)


def blind_policy(seed: int = 0, **options: Any) -> Policy:
    """A policy of the blind car with random weights."""
    config = PolicyConfig(features=WIDTH, state_features=4, safety_features=4, chunk=CHUNK, **options)
    contract = blind_contract(config.is_recurrent)
    specification = PolicySpecification((StreamShape(STATE, (2,)),), 2, contract.action_names, config)
    mean, deviation = np.array([4.0, 0.0], np.float32), np.array([1.0, 0.5], np.float32)
    scaling = Scaling(
        mean={STATE: mean, "action": mean},
        deviation={STATE: deviation, "action": deviation},
        minimum=contract.action_minimum,
        maximum=contract.action_maximum,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Policy(specification, scaling).eval()


def blind_checkpoint(policy: Policy) -> Checkpoint:
    contract = blind_contract(policy.is_recurrent)
    probe = {STATE: np.random.default_rng(3).normal(size=(40, 2, 2)).astype(np.float32)}
    return Checkpoint(policy, contract, {"name": "none"}, "d" * 64, 1.0, probe)


def states(count: int, seed: int = 0) -> dict[str, npt.NDArray[np.generic]]:
    """``count`` observations of the blind car."""
    return {STATE: np.random.default_rng(seed).normal(size=(count, 2, 2)).astype(np.float32)}


def tensors(rows: Arrays) -> dict[str, Tensor]:
    return {key: torch.from_numpy(np.ascontiguousarray(values)) for key, values in rows.items()}
