"""The peer's side: `imitation`'s BC as its documentation runs it; it runs in ``.peers/imitation``.

https://imitation.readthedocs.io/en/latest/algorithms/bc.html: ``bc.BC(observation_space=..., action_space=...,
demonstrations=..., rng=...)``, then ``train(n_epochs=...)``. Batch size, network and optimiser are its defaults.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from imitation.algorithms import bc
from imitation.data.types import Transitions

from bench.train.cartpole import Floats, Integers, load
from bench.train.order import Order, Trained, answer

# Batches between two tables of its log, in a run without them.
NEVER = 10**9


@cache
def _transitions(path: str) -> Any:
    found = load(Path(path))
    ends = np.zeros(len(found), np.bool_)
    ends[np.cumsum(found.lengths) - 1] = True
    return Transitions(
        obs=found.observations,
        acts=found.actions,
        infos=np.array([{}] * len(found)),
        next_obs=found.following,
        dones=ends,
    )


def train(order: Order) -> Trained:
    """``BC(...).train(n_epochs=...)`` on all demonstrations."""
    transitions = _transitions(order.demonstrations)
    torch.manual_seed(order.seed)
    with gymnasium.make("CartPole-v1") as environment:
        trainer = bc.BC(
            observation_space=environment.observation_space,
            action_space=environment.action_space,
            demonstrations=transitions,
            rng=np.random.default_rng(order.seed),
            batch_size=order.batch_size,
        )
    trainer.optimizer.param_groups[0]["lr"] = order.learning_rate
    quiet = {} if order.chatty else {"progress_bar": False, "log_interval": NEVER}
    trainer.train(n_epochs=order.epochs, **quiet)
    policy = trainer.policy

    def act(observations: Floats) -> Integers:
        actions, _ = policy.predict(observations, deterministic=True)
        return np.asarray(actions, np.int64)

    layers = (*policy.mlp_extractor.policy_net.parameters(), *policy.action_net.parameters())
    return Trained(act, len(transitions) * order.epochs, sum(layer.numel() for layer in layers))


if __name__ == "__main__":
    # Before `train`, which is what is timed.
    import sys

    threads = Order.from_json(sys.argv[1]).threads
    if threads:
        torch.set_num_threads(threads)
    answer(train, torch.get_num_threads)
