"""Understudy's side: its own learner, as ``understudy train`` runs it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch

from bench.demonstrations import demonstrated
from bench.train.cartpole import Act, Demonstrations, Floats, Integers
from bench.train.order import Order, Trained, answer
from models.contract import Contract, parse_contract
from models.episodes import EpisodeDataset, open_dataset, write_dataset
from models.learners import BehavioralCloning, BehavioralCloningConfig
from models.policies import Policy, PolicyConfig
from models.policies.heads import IndependentOptions

__all__ = ["STATE", "WIDTH", "act_of", "configuration", "train", "write"]

STATE = "observation.state"
PUSH_N = 10.0
# Two layers of so many units are the default of `imitation`'s policy.
WIDTH = 32

_CONTRACT = f"""
robot_type: cartpole
fps: 50
observations:
  {STATE}:
    channel: {{topic: /cartpole/state, type: std_msgs/msg/Float32MultiArray}}
    align: {{strategy: hold, timeline: receive}}
    select: [position, velocity, angle, angular_velocity]
actions:
  action:
    channel: {{topic: /cartpole/force, type: std_msgs/msg/Float32}}
    align: {{strategy: hold, timeline: receive}}
    select: [force]
limits: {{action: {{force: {{min: -{PUSH_N}, max: {PUSH_N}, rate: 1000, unit: N, stop: 0}}}}}}
"""


def contract() -> Contract:
    """The cart's."""
    return parse_contract(_CONTRACT, "cartpole")


def write(path: Path, demonstrations: Demonstrations) -> EpisodeDataset:
    """The demonstrations as a dataset; forces in N."""
    robot = contract()
    ends = np.cumsum(demonstrations.lengths)
    episodes = []
    for number, (end, length) in enumerate(zip(ends.tolist(), demonstrations.lengths, strict=True)):
        rows = slice(end - length, end)
        forces = (PUSH_N * (2.0 * demonstrations.actions[rows, None] - 1.0)).astype(np.float32)
        episodes.append(
            demonstrated(
                f"episode-{number}",
                np.arange(length, dtype=np.int64) * round(1e9 * robot.period_s),
                {STATE: demonstrations.observations[rows]},
                forces,
            )
        )
    return write_dataset(path, episodes, robot)


def configuration(order: Order, episodes: int) -> BehavioralCloningConfig:
    """Two layers, a choice between two forces trained by cross-entropy, and one episode held out.

    No safety classifier, which the other side does not have either.
    """
    return BehavioralCloningConfig(
        policy=PolicyConfig(
            head=IndependentOptions(bins=2),
            features=WIDTH,
            state_features=WIDTH,
            state_layers=1,
            state_dropout=0.0,
        ),
        epochs=order.epochs,
        batch_size=order.batch_size,
        learning_rate=order.learning_rate,
        held_out=1.0 / episodes,
        safety=None,
        seed=order.seed,
        threads=order.threads or torch.get_num_threads(),
    )


@cache
def _dataset(path: str) -> EpisodeDataset:
    return open_dataset(path)


def train(order: Order) -> Trained:
    """Behavioural cloning of the dataset, less the episode that chooses the epoch."""
    dataset = _dataset(order.demonstrations)
    trained = BehavioralCloning(configuration(order, len(dataset.episode_ids))).fit(dataset)
    kept = set(trained.training_episodes)
    frames = sum(length for name, length in zip(dataset.episode_ids, dataset.lengths, strict=True) if name in kept)
    policy = trained.policy
    layers = (*policy.encoders.parameters(), *policy.fusion.parameters(), *policy.head.parameters())
    return Trained(act_of(policy), frames * order.epochs, sum(layer.numel() for layer in layers))


def act_of(policy: Policy) -> Act:
    """The policy as the environment asks it."""

    def act(observations: Floats) -> Integers:
        with torch.inference_mode():
            forces, _ = policy({STATE: torch.from_numpy(observations[:, None])})
        actions: Integers = (forces[:, 0, 0].numpy() > 0.0).astype(np.int64)
        return actions

    return act


if __name__ == "__main__":
    answer(train, torch.get_num_threads)
