"""ILPO: latent actions from watching alone, real ones from a few steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.data import FloatArray
from models.errors import TrainingError
from models.learners.reproducible import reproducible
from models.observation_only.exported import policy_of
from models.observation_only.ilpo import Ilpo, IlpoSettings, LatentPolicy, _fit_remapping, _Lived, ilpo
from models.observation_only.networks import Fitting
from sim.control import TASKS, ControlBatch, returns, roll_out
from sim.control.experts import demonstrate
from sim.control.task import Actions
from understudy.control.contract import STREAM, control_contract

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
        # Of the two numbers of a state, the one that it is ten times as exact in counts a hundred times as much.
        model.spread.copy_(torch.tensor([0.0, -np.log(10.0)]))
        np.testing.assert_allclose(model.errors(before, after).mean(dim=0), [101.0 / 2.0] * 3, rtol=1e-4)


def test_a_habit_is_not_taken_for_a_meaning() -> None:
    """Catches a remapping that learns what the policy prefers to do, and not what an action is.

    Action 1 is always the first latent action, action 0 is that one time in three; but it is done nine times in ten.
    """
    before, after = (torch.from_numpy(part) for part in roll_out(CAR, swing, 2, seed=1).pairs)
    count = 3000
    random = np.random.default_rng(0)
    habit = random.random(count) < 0.9
    actions = torch.from_numpy(np.where(habit, 0, 1))
    latents = np.where(habit, random.integers(3, size=count) > 0, 0)
    rarity = np.where(habit, 1.0 / 0.9, 1.0 / 0.1)
    weights = torch.from_numpy((np.eye(SMALL.latents)[latents] * rarity[:, None]).astype(np.float32))
    rows = before[torch.from_numpy(random.integers(len(before), size=count))]
    with reproducible(0):
        policy = Ilpo(LatentPolicy(before, after, SMALL), 2, 16)
        _fit_remapping(policy, [_Lived(rows, actions, weights)], SMALL.remapping)
        chosen = policy.remap(before, torch.zeros(len(before), dtype=torch.int64)).argmax(dim=1)
    assert float(chosen.float().mean()) > 0.9


def test_the_bundles_network_acts_as_the_two_that_were_learned() -> None:
    """Catches blocks in the wrong place, pairs in another order, and a real action that outvotes the latent one."""
    for name, task in TASKS.items():
        if not task.action_count:
            continue
        random = np.random.default_rng(0)
        rows = random.normal(0.2, 2.0, size=(1000, task.observation_size)).astype(np.float32)
        seen = torch.from_numpy(rows)
        with reproducible(0):
            latent = LatentPolicy(seen, seen + torch.randn_like(seen), SMALL)
            policy = Ilpo(latent, task.action_count, SMALL.width)
            for network in (latent.policy, policy.remapping):
                torch.nn.init.normal_(network[-1].weight)  # type: ignore[arg-type]
        values = np.array(task.action_values)
        whole = policy_of(policy, control_contract(task), task.action_values)
        with torch.inference_mode():
            commands, _ = whole({STREAM: seen[:, None]})
            ordered = latent(seen).sort(dim=1).values
        apart = (commands[:, 0].numpy() != values[policy.act(rows)].astype(np.float32)).any(axis=1)
        assert apart.mean() < 0.02, name
        # Only where two latent actions are as good as equal.
        assert not apart[(ordered[:, -1] - ordered[:, -2]).numpy() > 0.1].any(), name
        assert len(np.unique(policy.act(rows))) >= 2


def test_what_makes_no_sense_is_refused() -> None:
    for wrong in ({"latents": 1}, {"epsilon": 1.5}, {"epsilon": 0.0}, {"interactions": 1, "rounds": 2}, {"hold": 0}):
        with pytest.raises(TrainingError, match="no such run of ILPO"):
            replace(SMALL, **wrong)
