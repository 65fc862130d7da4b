"""Behavioural cloning from observation: actions are inferred from what the learner's own did, and never seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.data import FloatArray
from models.errors import TrainingError
from models.learners.reproducible import reproducible
from models.observation_only.action_kinds import Choices, Commands, kind_of
from models.observation_only.bco import BcoRound, BcoSettings, InverseDynamics, bco, clone, infer
from models.observation_only.networks import Fitting, fit
from models.observation_only.transitions import Transitions, collect, drawn_at_random
from models.policies import Policy
from models.policies.choices import likeliest_action
from models.policies.commands import command_policy
from models.policies.heads import PointOptions
from models.policies.one_vector import one_vector_policy
from models.trajectories import Trajectories
from sim.control import TASKS, ControlBatch, returns, roll_out
from sim.control.task import Actions
from understudy.control.contract import control_contract
from understudy.control.runs import new_policy

CAR = TASKS["mountain-car"]
FEW = BcoSettings(alpha=0.5, rounds=2, exploration=3000, hold=5, inverse=Fitting(400), cloning=Fitting(300), width=32)


def swing(observations: FloatArray) -> Actions:
    """Push the way the car goes: up in about 120 steps."""
    return np.where(observations[:, 1] < 0.0, 0, 2)


def learned(shown: Trajectories, settings: BcoSettings = FEW) -> tuple[Policy, tuple[BcoRound, ...]]:
    with reproducible(0):
        policy = new_policy(CAR, shown)
    return policy, bco(ControlBatch(CAR, 20, 0), shown, policy, settings, seed=0)


def test_a_car_learns_to_swing_from_what_it_saw() -> None:
    shown = roll_out(CAR, swing, 10, seed=1)
    policy, rounds = learned(shown.without_actions())
    found = returns(CAR, likeliest_action(policy), 20, seed=2)
    assert found.mean() > shown.returns.mean() - 10.0
    assert [one.number for one in rounds] == [1, 2]
    # The second round has seen more: half as many steps as the expert took, in whole steps of all worlds.
    assert rounds[0].steps == 3000
    assert rounds[1].steps == 3000 + 20 * -(-round(0.5 * len(shown.pairs[0])) // 20)
    assert rounds[1].inverse_accuracy > 0.95


def test_the_experts_actions_change_nothing() -> None:
    """Catches an inverse model that is fitted to the demonstrations: there it would find what it is to infer."""
    shown = roll_out(CAR, swing, 4, seed=1)
    assert shown.actions is not None
    few = replace(FEW, inverse=Fitting(50), cloning=Fitting(50))
    weights = [
        learned(one, few)[0].state_dict()
        for one in (shown, replace(shown, actions=2 - shown.actions), shown.without_actions())
    ]
    for name, tensor in weights[0].items():
        assert torch.equal(tensor, weights[1][name])
        assert torch.equal(tensor, weights[2][name])


def test_an_expert_that_always_does_the_same_teaches_nothing_else() -> None:
    """The negative control: who never pushes stays in the valley."""
    shown = roll_out(CAR, lambda rows: np.ones(len(rows), np.int64), 10, seed=1)
    policy, _ = learned(shown.without_actions())
    assert returns(CAR, likeliest_action(policy), 20, seed=2).mean() < -190.0


def test_the_inverse_model_is_asked_for_the_change() -> None:
    """Catches a model that mixes up before and after, or leaves one of them out."""
    worlds = ControlBatch(TASKS["cartpole"], 50, 0)
    lived = collect(worlds, drawn_at_random(2, np.random.default_rng(0)), 5000)
    before, actions, after = (torch.from_numpy(part) for part in (lived.before, lived.actions, lived.after))
    with reproducible(0):
        model = InverseDynamics(lived, Choices(2), width=32)
        fit(
            model.parameters(),
            lambda rows: torch.nn.functional.cross_entropy(model(rows[0], rows[2]), rows[1]),
            [before, actions, after],
            Fitting(300),
        )
    found, confidence = infer(model, lived.before, lived.after)
    assert (found == lived.actions).mean() > 0.99
    assert confidence > 0.9
    turned, _ = infer(model, lived.after, lived.before)
    assert (turned == lived.actions).mean() < 0.2


def test_commands_are_inferred_from_what_they_did() -> None:
    """Catches units that are mixed up between an inverse model, a policy and a world: torques of a pendulum."""
    task = TASKS["pendulum"]
    low, high = np.array(task.action_low), np.array(task.action_high)
    kind = Commands(low, high)
    lived = collect(ControlBatch(task, 50, 0), kind.at_random(np.random.default_rng(0), 1), 6000)
    before, actions, after = (torch.from_numpy(part) for part in (lived.before, lived.actions, lived.after))
    assert lived.actions.min() < 0.9 * low[0]
    assert lived.actions.max() > 0.9 * high[0]
    with reproducible(0):
        model = InverseDynamics(lived, kind, width=64)
        fit(
            model.parameters(),
            lambda rows: kind.loss(model(rows[0], rows[2]), rows[1]),
            [before, actions, after],
            Fitting(1500),
        )
        found, _ = infer(model, lived.before, lived.after)
        assert np.abs(found - lived.actions).mean() < 0.1
        with torch.inference_mode():
            assert kind.share_found(model(before, after), actions) > 0.98
        # What is cloned from them is what was done: a policy that says minus a half of the rate.
        wanted = np.clip(-0.5 * lived.before[:, 2:], low, high).astype(np.float32)
        policy = command_policy(control_contract(task), low, high, lived.before.mean(axis=0), lived.before.std(axis=0))
        clone(policy, lived.before, wanted, Fitting(800))
    assert isinstance(kind_of(policy), Commands)
    act = kind_of(policy)
    assert np.abs(act.likeliest(policy)(lived.before) - wanted).mean() < 0.1
    # Of what it can explain it grows sure: a mean of 1.6 to begin with, twice 0.8 of a deviation of half the range.
    apart = np.abs(act.drawn(policy)(lived.before) - act.likeliest(policy)(lived.before)).mean()
    assert 0.001 < apart < 0.8


def test_other_policies_are_refused() -> None:
    task = TASKS["pendulum"]
    scale = np.zeros(3), np.ones(3)
    policy = one_vector_policy(control_contract(task), PointOptions(), scale, (np.zeros(1), np.ones(1)), width=4)
    with pytest.raises(TrainingError, match="not learned from observation"):
        kind_of(policy)
    with pytest.raises(TrainingError, match="do not fit the contract"):
        command_policy(control_contract(task), np.array([-9.0]), np.array([9.0]), *scale)
    with pytest.raises(TrainingError, match="sees one vector"):
        command_policy(control_contract(task), np.array([-1.0]), np.array([1.0]), np.zeros(4), np.ones(4))


def test_transitions_end_where_episodes_end() -> None:
    """Catches a transition from the last state of an episode to the first of the next."""
    worlds = ControlBatch(TASKS["cartpole"], 10, 0)
    lived = collect(worlds, drawn_at_random(2, np.random.default_rng(0)), 2000)
    states, _, _ = worlds.task.step(lived.before.astype(np.float64), lived.actions)
    np.testing.assert_allclose(lived.after, states, atol=1e-5)
    assert len(lived) == 2000
    assert len(lived + lived) == 4000


def test_held_actions_are_held() -> None:
    act = drawn_at_random(3, np.random.default_rng(0), hold=4)
    rows = np.zeros((50, 2), np.float32)
    drawn = np.array([act(rows) for _ in range(40)])
    assert (drawn.reshape(10, 4, 50) == drawn.reshape(10, 4, 50)[:, :1]).all()
    assert 0.2 < (drawn[4] != drawn[3]).mean() < 1.0


def test_what_makes_no_sense_is_refused() -> None:
    for wrong in ({"alpha": -1.0}, {"rounds": 0}, {"exploration": 0}, {"hold": 0}):
        with pytest.raises(TrainingError, match="no such run of BCO"):
            replace(FEW, **wrong)  # type: ignore[arg-type]


def test_a_fit_that_diverges_says_so() -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    with pytest.raises(TrainingError, match="diverged"):
        fit([weight], lambda rows: (weight * rows[0]).sum() * torch.inf, [torch.ones(10)], Fitting(steps=3))


def test_both_are_transitions() -> None:
    one = Transitions(np.zeros((1, 2), np.float32), np.zeros(1, np.int64), np.ones((1, 2), np.float32))
    assert (one + one).after.shape == (2, 2)
