"""stable-baselines3's PPO on a world's own reward, with the options that ours has; runs in ``.peers/imitation``."""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from bench.episode_returns import episode_returns
from bench.rewards.control.peers.order import Answer, Order, Point

#: Policies judged on the way.
POINTS = 10


class _Judging(BaseCallback):  # type: ignore[misc]
    """Stops the clock and judges, some ten times."""

    def __init__(self, order: Order) -> None:
        super().__init__()
        self._order, self.points, self._judged_s = order, list[Point](), 0.0
        self.started_s = time.perf_counter()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        due = self.num_timesteps * POINTS // self._order.steps
        if due > len(self.points):
            self.judge()

    def judge(self) -> None:
        """One more point."""
        began_s = time.perf_counter()
        score = float(np.mean(episode_returns(self._order.gymnasium_id, self._act, self._order.starts)))
        seconds = began_s - self.started_s - self._judged_s
        self.points.append(Point(self.num_timesteps, seconds, score))
        self._judged_s += time.perf_counter() - began_s

    def _act(self, observations: np.ndarray) -> np.ndarray:
        normalised = self.training_env.normalize_obs(observations)
        actions: np.ndarray = self.model.predict(normalised, deterministic=True)[0]
        return actions


def train(order: Order) -> Answer:
    """``PPO(...).learn(...)``; the learning rate falls to nothing, as ours does."""
    given = order.options
    worlds = VecNormalize(
        make_vec_env(order.gymnasium_id, n_envs=given["environments"], seed=order.seed), norm_reward=False
    )
    learner = PPO(
        "MlpPolicy",
        worlds,
        n_steps=given["steps"],
        n_epochs=given["passes"],
        batch_size=given["minibatch"],
        learning_rate=lambda left: given["rate"] * left,
        gamma=given["discount"],
        gae_lambda=given["trace"],
        clip_range=given["clip"],
        ent_coef=given["entropy_weight"],
        vf_coef=given["value_weight"],
        max_grad_norm=given["longest_gradient"],
        policy_kwargs={"net_arch": [given["width"], given["width"]], "activation_fn": torch.nn.ReLU},
        seed=order.seed,
        device="cpu",
    )
    judging = _Judging(order)
    learner.learn(order.steps, callback=judging)
    judging.judge()
    return Answer(tuple(judging.points))


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(train(Order.from_json(sys.argv[1])).to_json())
