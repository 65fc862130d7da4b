"""A policy with a density, cloned from an expert's steps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.recorded_steps import RecordedSteps
from models.reinforcement import Actor, Shape
from models.reinforcement.actor import make_actor
from models.reinforcement.world import Actions

__all__ = ["clone_policy"]

WIDTH, UPDATES, MINIBATCH, RATE = 64, 2000, 256, 2e-3


def clone_policy(shape: Shape, observations: npt.NDArray[np.float32], actions: Actions, seed: int) -> Actor:
    """Minimise ``-log π(a | o)`` over the expert's steps, of which each is as likely as any other.

    ``models.learners.behavioral_cloning`` clones for a robot; this one is asked for densities and never drives.

    Args:
        shape: of the task.
        observations: ``(M, O)``.
        actions: as a world takes them.
        seed: of weights and of the order of rows.
    """
    random = np.random.default_rng(np.random.SeedSequence([seed, 0x636C6F6E]))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        actor = make_actor(shape, WIDTH)
    actor.statistics.add(observations)

    def loss(rows: list[Tensor]) -> Tensor:
        logs, _ = actor.log_probabilities(rows[0], rows[1])
        return -logs.mean()

    rows = [torch.from_numpy(actor.statistics.normalise(observations)), torch.from_numpy(actions)]
    order = torch.from_numpy(random.integers(0, len(observations), UPDATES * MINIBATCH))
    steps = RecordedSteps(list(actor.parameters()), loss, [column[order[:MINIBATCH]] for column in rows])
    falling = RATE * (1.0 - np.arange(UPDATES) / UPDATES)
    steps.run([column[order] for column in rows], falling.tolist())
    steps.close()
    return actor
