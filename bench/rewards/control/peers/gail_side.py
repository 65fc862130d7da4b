"""`imitation`'s GAIL as its documentation runs it; runs in ``.peers/imitation``.

https://imitation.readthedocs.io/en/latest/algorithms/gail.html, options and all. Worlds last the whole horizon there:
CartPole and MountainCar are those of `seals`; for Acrobot, which `seals` has not, its own wrapper makes one.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import Any

import gymnasium
import numpy as np
import seals  # noqa: F401 — makes its environments known
import torch
from imitation.algorithms.adversarial.gail import GAIL
from imitation.data.types import Trajectory
from imitation.rewards.reward_nets import BasicRewardNet
from imitation.util.networks import RunningNorm
from imitation.util.util import make_vec_env
from seals.util import AbsorbAfterDoneWrapper
from stable_baselines3 import PPO
from stable_baselines3.ppo import MlpPolicy

from bench.episode_returns import episode_returns
from bench.rewards.control.peers.order import Answer, Order, Point

ENVIRONMENTS = 8
HORIZONS = {"CartPole-v1": 500, "Acrobot-v1": 500, "MountainCar-v0": 200}
FIXED = {"CartPole-v1": "seals/CartPole-v0", "MountainCar-v0": "seals/MountainCar-v0"}


class _ReachedError(Exception):
    """The policy is as good as was asked for."""


def _worlds(order: Order) -> Any:
    random = np.random.default_rng(order.seed)
    if order.gymnasium_id in FIXED:
        return make_vec_env(FIXED[order.gymnasium_id], rng=random, n_envs=ENVIRONMENTS)
    # As `seals` makes its MountainCar. The limit has to be outside: who is absorbed inside never ends an episode.
    gymnasium.register(
        id="Absorbing-v0",
        entry_point=lambda **options: AbsorbAfterDoneWrapper(gymnasium.make(order.gymnasium_id, **options)),
        max_episode_steps=HORIZONS[order.gymnasium_id],
    )
    return make_vec_env("Absorbing-v0", rng=random, n_envs=ENVIRONMENTS)


def _demonstrations(order: Order) -> list[Trajectory]:
    """Episodes that last the whole horizon: who ends sooner stays where it ended, doing the same again."""
    horizon = HORIZONS[order.gymnasium_id]
    found = []
    with np.load(order.demonstrations, allow_pickle=False) as shown:
        first = 0
        begun = 0
        for length in shown["lengths"].tolist():
            seen = shown["observations"][first : first + length + 1]
            done = shown["actions"][begun : begun + length]
            left = horizon - length
            seen = np.concatenate([seen, np.repeat(seen[-1:], left, axis=0)])
            done = np.concatenate([done, np.repeat(done[-1:], left, axis=0)])
            found.append(Trajectory(obs=seen, acts=done, infos=None, terminal=True))
            first, begun = first + length + 1, begun + length
    return found


def train(order: Order) -> Answer:
    """``GAIL(...).train(...)``, judged after every round."""
    worlds = _worlds(order)
    learner = PPO(
        env=worlds,
        policy=MlpPolicy,
        batch_size=64,
        ent_coef=0.0,
        learning_rate=0.0004,
        gamma=0.95,
        n_epochs=5,
        seed=order.seed,
        device="cpu",
    )
    reward = BasicRewardNet(worlds.observation_space, worlds.action_space, normalize_input_layer=RunningNorm)
    trainer = GAIL(
        demonstrations=_demonstrations(order),
        demo_batch_size=1024,
        gen_replay_buffer_capacity=512,
        n_disc_updates_per_round=8,
        venv=worlds,
        gen_algo=learner,
        reward_net=reward,
    )
    points: list[Point] = []
    judged_s, started_s = 0.0, time.perf_counter()

    def judge(_: int) -> None:
        nonlocal judged_s
        began_s = time.perf_counter()
        score = float(np.mean(episode_returns(order.gymnasium_id, act, order.starts)))
        points.append(Point(learner.num_timesteps, began_s - started_s - judged_s, score))
        judged_s += time.perf_counter() - began_s
        if order.until is not None and score >= order.until:
            raise _ReachedError

    def act(observations: np.ndarray) -> np.ndarray:
        actions: np.ndarray = learner.predict(observations, deterministic=True)[0]
        return actions

    with suppress(_ReachedError):
        trainer.train(order.steps, judge)
    return Answer(tuple(points))


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(Order.from_json(sys.argv[1]).seed)
    print(train(Order.from_json(sys.argv[1])).to_json())
