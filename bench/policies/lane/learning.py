"""Behavioural cloning in the small worlds: the project's learner, with what all their experiments share."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from models.episodes import EpisodeDataset
from models.learners import BehavioralCloning, BehavioralCloningConfig
from models.policies import Policy, PolicyConfig
from models.policies.heads import HeadOptions

__all__ = ["drawing", "learn", "network"]

# Drives side by side from which a policy with a state learns.
LANES = 16


def network(head: HeadOptions, memory: str = "stack", *, previous_action: bool = False) -> PolicyConfig:
    """A small network on numbers, acting with what is likeliest."""
    recurrent: dict[str, Any] = {"memory": memory, "memory_features": 32, "memory_warm_up": 0}
    if memory == "stack":
        recurrent = {}
    # Nothing but the numbers is seen, so none of them is hidden in training.
    return PolicyConfig(head=head, state_features=64, state_dropout=0.0, previous_action=previous_action, **recurrent)


def drawing(policy: PolicyConfig) -> PolicyConfig:
    """The same, acting by drawing where its head has a distribution."""
    return replace(policy, act="sample" if policy.head.can_sample else "likeliest")


def learn(
    dataset: EpisodeDataset,
    policy: PolicyConfig,
    seed: int,
    epochs: int,
    *,
    sequence: int = 64,
    keeps_last: bool = False,
    **options: Any,
) -> tuple[Policy, float]:
    """A policy, and the seconds of wall time that it took.

    Args:
        dataset: of the robot with the policy's memory.
        policy: the network.
        seed: of everything.
        epochs: passes over the dataset.
        sequence: ticks that gradients of a policy with a state reach back.
        keeps_last: whether to keep the last epoch's weights, whatever held-out drives say.
        options: further ones of ``BehavioralCloningConfig``.
    """
    if policy.is_recurrent:
        options |= {"sequence": sequence, "batch_size": sequence * LANES}
    config = BehavioralCloningConfig(
        policy=policy,
        epochs=epochs,
        held_out=0.1,
        learning_rate=3e-3,
        evaluate_every=epochs,
        safety=None,
        seed=seed,
        **options,
    )
    started_s = time.perf_counter()
    learned = BehavioralCloning(config).fit(dataset, evaluate=(lambda _policy: 0.0) if keeps_last else None).policy
    return learned, round(time.perf_counter() - started_s, 1)
