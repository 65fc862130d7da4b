"""PMI-IL: which loss, which reward, which sign, and which model is kept."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.data import FloatArray
from models.errors import TrainingError
from models.observation_only.networks import Fitting
from models.observation_only.pmi import (
    NextStateModel,
    PmiReward,
    PmiSettings,
    fit_next_state_model,
    info_nce,
    next_state_top_1,
)
from sim.control import TASKS, roll_out
from sim.control.task import Actions

CAR = TASKS["mountain-car"]
SMALL = PmiSettings(embedding=8, width=32, fitting=Fitting(400, 128), rounds=4)


def swing(observations: FloatArray) -> Actions:
    return np.where(observations[:, 1] < 0.0, 0, 2)


def successors(before: FloatArray) -> FloatArray:
    return CAR.successors(before)


def fresh(before: FloatArray) -> NextStateModel:
    torch.manual_seed(0)
    return NextStateModel(torch.from_numpy(before), SMALL).eval()


def test_the_true_next_state_is_one_of_m() -> None:
    """Equation 14: one true state and M - 1 others. Who knows nothing is then wrong by log M, not log(M + 1)."""
    before, after = roll_out(CAR, swing, 2, seed=0).pairs
    model = fresh(before)
    with torch.no_grad():
        for layer in (model.phi_1[-1], model.phi_2[-1]):
            assert isinstance(layer, torch.nn.Linear)
            layer.weight.zero_()
            layer.bias.fill_(1.0)
        loss = info_nce(model, torch.from_numpy(before[:64]), torch.from_numpy(after[:64]), 0.1)
    assert float(loss) == pytest.approx(math.log(64), abs=1e-5)


def test_equation_19_is_a_cosine() -> None:
    """Only of unit vectors."""
    before, after = roll_out(CAR, swing, 2, seed=0).pairs
    model = fresh(before)
    with torch.no_grad():
        first, second = model.next_states(torch.from_numpy(after)), model.states(torch.from_numpy(before))
    np.testing.assert_allclose(first.norm(dim=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(second.norm(dim=1), 1.0, atol=1e-5)
    found = PmiReward(model, after, form="cosine")(before, after)
    np.testing.assert_allclose(found, (first * second).sum(dim=1), atol=1e-6)
    assert np.abs(found).max() <= 1.0 + 1e-6


@pytest.mark.parametrize("negatives", ["expert", "agent"])
def test_the_softmax_reward_is_the_logarithm_itself(negatives: str) -> None:
    """Equations 17, 18 and 21 have the loss, with a minus: catches a reward that punishes what the expert does."""
    before, after = roll_out(CAR, swing, 2, seed=0).pairs
    model, temperature = fresh(before), 0.3
    found = PmiReward(model, after, temperature=temperature, negatives=negatives, count=16, seed=3)(before, after)
    drawn = torch.randint(len(after), (16,), generator=torch.Generator().manual_seed(3)).numpy()
    with torch.no_grad():
        first = model.next_states(torch.from_numpy(after)).numpy().astype(np.float64)
        second = model.states(torch.from_numpy(before)).numpy().astype(np.float64)
    for index in (0, 5, 50):
        true = np.exp(first[index] @ second[index] / temperature)
        others = np.exp(first[drawn] @ second[index] / temperature).sum()
        assert found[index] == pytest.approx(np.log(true / (true + others)), abs=1e-4)


def test_what_the_expert_does_is_worth_more() -> None:
    shown = roll_out(CAR, swing, 12, seed=0)
    model, checks = fit_next_state_model(shown.without_actions(), successors, SMALL, seed=0)
    before, after = roll_out(CAR, swing, 5, seed=1).pairs
    for form in ("softmax", "cosine"):
        reward = PmiReward(model, shown.pairs[1], form=form)
        moved = reward(before, np.roll(after, 40, axis=0))
        assert reward(before, after).mean() > moved.mean() + 0.1
    assert [check.steps for check in checks] == [100, 200, 300, 400]


def test_the_model_with_the_best_top_1_is_kept() -> None:
    """Catches a choice by the last step, or by the lowest loss."""
    shown = roll_out(CAR, swing, 12, seed=0)
    model, checks = fit_next_state_model(shown, successors, SMALL, seed=0)
    held_out = shown.only([0])
    best = max(check.top_1 for check in checks)
    assert next_state_top_1(model, *held_out.pairs, successors) == best
    assert next(check for check in checks if check.top_1 == best).kept
    assert best > 1.0 / 3.0


def test_a_tie_is_not_right() -> None:
    before, after = roll_out(CAR, swing, 2, seed=0).pairs
    model = fresh(before)
    with torch.no_grad():
        layer = model.phi_1[-1]
        assert isinstance(layer, torch.nn.Linear)
        layer.weight.zero_()
    assert next_state_top_1(model, before, after, successors) == 0.0
    # But where all actions lead to the same place there is nothing to tell apart.
    assert next_state_top_1(model, before, after, lambda rows: np.repeat(rows[:, None], 3, axis=1)) == 1.0


def test_what_makes_no_sense_is_refused() -> None:
    before, after = roll_out(CAR, swing, 2, seed=0).pairs
    for wrong in ({"form": "cosin"}, {"negatives": "both"}, {"temperature": 0.0}):
        with pytest.raises(TrainingError, match="no such reward of PMI"):
            PmiReward(fresh(before), after, **wrong)  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match="no such next-state model"):
        replace(SMALL, scale=0.0)
    with pytest.raises(TrainingError, match="nothing is left"):
        fit_next_state_model(roll_out(CAR, swing, 1, seed=0), successors, SMALL, seed=0)
