"""ILPO: latent actions from watching alone, real ones from a few steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.data import FloatArray
from models.errors import TrainingError
from models.learners.reproducible import reproducible
from models.observation_only.ilpo import IlpoSettings, LatentPolicy, ilpo
from models.observation_only.networks import Fitting
from sim.control import TASKS, ControlBatch, returns, roll_out
from sim.control.experts import demonstrate
from sim.control.task import Actions

CAR = TASKS["mountain-car"]
SMALL = IlpoSettings(interactions=1000, rounds=2, latent=Fitting(1000, 128), remapping=Fitting(200, 128))


def swing(observations: FloatArray) -> Actions:
    return np.where(observations[:, 1] < 0.0, 0, 2)


def test_a_few_steps_turn_latent_actions_into_real_ones() -> None:
    """Catches a remapping that is fitted to what was meant, and not to what came of it."""
    pole, shown = TASKS["cartpole"], demonstrate(TASKS["cartpole"], 20, seed=1).without_actions()
    settings = IlpoSettings(latents=2, interactions=1200, rounds=2, latent=Fitting(1500))
    policy, rounds = ilpo(ControlBatch(pole, 20, 0), shown, 2, settings, seed=0)
    assert [one.steps for one in rounds] == [600, 1200]
    assert rounds[-1].latents_used == 2
    assert returns(pole, policy.act, 20, seed=2).mean() > 300.0


def test_the_policys_loss_does_not_reach_the_generator() -> None:
    """Catches a generator that is bent towards the mean of all actions."""
    before, after = (torch.from_numpy(part) for part in roll_out(CAR, swing, 2, seed=1).pairs)
    with reproducible(0):
        model = LatentPolicy(before, after, SMALL)
    model.loss(before, after).backward()  # type: ignore[no-untyped-call]
    both = model.heads.weight.grad
    assert both is not None
    model.zero_grad()
    model.errors(before, after).min(dim=1).values.mean().backward()  # type: ignore[no-untyped-call]
    alone = model.heads.weight.grad
    assert alone is not None
    torch.testing.assert_close(both, alone)
    assert all(weight.grad is None for weight in model.policy.parameters())


def test_the_generator_predicts_changes() -> None:
    """A generator that knows nothing says that the state changes as it does on average, whatever z."""
    before, after = (torch.from_numpy(part) for part in roll_out(CAR, swing, 2, seed=1).pairs)
    with reproducible(0):
        model = LatentPolicy(before, after, SMALL)
    with torch.no_grad():
        model.heads.weight.zero_()
        model.heads.bias.zero_()
        np.testing.assert_allclose(model.errors(before, after).mean(dim=0), [1.0] * 3, rtol=1e-4)


def test_what_makes_no_sense_is_refused() -> None:
    for wrong in ({"latents": 1}, {"epsilon": 1.5}, {"interactions": 1, "rounds": 2}):
        with pytest.raises(TrainingError, match="no such run of ILPO"):
            replace(SMALL, **wrong)
