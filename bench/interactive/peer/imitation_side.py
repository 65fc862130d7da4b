"""The peer's side: `imitation`'s DAgger and BC as its documentation runs them; it runs in ``.peers/imitation``.

https://imitation.readthedocs.io/en/latest/algorithms/dagger.html: ``SimpleDAggerTrainer(venv=..., scratch_dir=...,
expert_policy=..., bc_trainer=bc.BC(...), rng=...)``, then ``train(...)``. Network, optimiser and learning rate are its
defaults. Given are what both sides share: the expert, how much is driven, that the expert drives in the first round
only, and lessons of equal size; progress bar, log and drives for the log are off.
"""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import torch
from imitation.algorithms import bc
from imitation.algorithms.dagger import SimpleDAggerTrainer
from imitation.data import rollout
from imitation.data.wrappers import RolloutInfoWrapper
from imitation.policies.base import NonTrainablePolicy
from imitation.util.util import make_vec_env

from bench.interactive.peer.order import Learned, Order, answer
from bench.interactive.peer.tasks import Act, Actions, Floats

# Batches between two tables of its log, in a run without them.
NEVER = 10**9


class Expert(NonTrainablePolicy):  # type: ignore[misc]  # the library lives in another environment
    """The shared expert, as a policy of Stable-Baselines3."""

    def __init__(self, venv: Any, expert: Act) -> None:
        super().__init__(observation_space=venv.observation_space, action_space=venv.action_space)
        self._expert = expert

    def _choose_action(self, obs: Floats) -> Any:
        return self._expert(np.asarray(obs, np.float32)[None])[0]


def learn(order: Order) -> Learned:
    """Drive, ask, train."""
    task, rng = order.world, np.random.default_rng(order.seed)
    torch.manual_seed(order.seed)
    venv = make_vec_env(
        task.environment,
        rng=rng,
        n_envs=task.episodes,
        post_wrappers=[lambda environment, _: RolloutInfoWrapper(environment)],
    )
    trainer = bc.BC(
        observation_space=venv.observation_space,
        action_space=venv.action_space,
        rng=rng,
        batch_size=order.batch_size,
    )
    quiet = {"n_epochs": order.epochs, "progress_bar": False, "log_interval": NEVER, "log_rollouts_venv": None}
    expert = Expert(venv, task.expert)
    try:
        if order.algorithm == "bc":
            enough = rollout.make_sample_until(min_timesteps=order.rounds * task.steps, min_episodes=None)
            transitions = rollout.flatten_trajectories(rollout.rollout(expert, venv, enough, rng=rng))
            trainer.set_demonstrations(transitions)
            trainer.train(**quiet)
            frames, samples = len(transitions), len(transitions) * order.epochs
        else:
            frames, samples = _dagger(order, venv, expert, trainer, quiet, rng)
    finally:
        venv.close()

    def act(observations: Floats) -> Actions:
        actions: Actions = trainer.policy.predict(observations, deterministic=True)[0]
        return actions

    return Learned(act, frames, samples)


def _dagger(order: Order, venv: Any, expert: Any, trainer: Any, quiet: dict[str, Any], rng: Any) -> tuple[int, int]:
    """Rounds of its trainer, as ``SimpleDAggerTrainer.train`` goes through them; frames and samples."""
    task, samples, frames = order.world, 0, 0
    with tempfile.TemporaryDirectory(prefix="understudy-peer-") as folder:
        dagger = SimpleDAggerTrainer(
            venv=venv,
            scratch_dir=folder,
            expert_policy=expert,
            bc_trainer=trainer,
            beta_schedule=lambda number: float(number == 0),
            rng=rng,
        )
        for _ in range(order.rounds):
            # A wish for one step makes one round.
            dagger.train(
                1,
                rollout_round_min_episodes=task.episodes,
                rollout_round_min_timesteps=task.steps,
                bc_train_kwargs=dict(quiet),
            )
            frames = sum(len(trajectory) for trajectory in dagger._all_demos)
            samples += frames * order.epochs
    return frames, samples


if __name__ == "__main__":
    torch.set_num_threads(1)
    answer(learn)
