"""Every reward that is a network, up to a policy: CartPole in seconds, with the settings of ``understudy learn``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.data import FloatArray
from models.learned_rewards import imitate
from models.learners.reproducible import reproducible
from models.observation_only.networks import Fitting
from models.trajectories import Trajectories
from sim.control import TASKS, ControlBatch, returns, roll_out
from sim.control.experts import demonstrate
from sim.control.task import Actions
from understudy.control.reward_recipes import LEARNERS, make_reward, recipe

CARTPOLE = TASKS["cartpole"]
STEPS = {"gail": 32_768, "gail-states": 32_768, "gaifo": 32_768, "imrl": 49_152, "gcl": 32_768, "pmi": 16_384}
"""Of the learner: at most two in five of what suits the task, but of PMI and GCL, which want few."""


def _letting_it_fall(observations: FloatArray) -> Actions:
    return np.ones(len(observations), np.int64)


def _learned(learner: str, shown: Trajectories) -> float:
    """Mean return of what is learned."""
    suited = recipe(learner, CARTPOLE.name, steps=STEPS[learner])
    if learner == "pmi":  # half as long: its model takes most of the time
        suited = replace(suited, pmi=replace(suited.pmi, model=replace(suited.pmi.model, fitting=Fitting(2000))))
    with reproducible(0):
        reward = make_reward(learner, CARTPOLE, shown, suited, 0)
        worlds = ControlBatch(CARTPOLE, suited.environments, 0)
        actor = imitate(worlds, CARTPOLE, reward, suited.plan, 0).actor
    return float(returns(CARTPOLE, actor.act, 20, 1).mean())


def test_every_learner_is_held() -> None:
    assert sorted(STEPS) == sorted(LEARNERS)


@pytest.mark.parametrize("learner", LEARNERS)
def test_an_expert_who_keeps_the_pole_up_is_followed(learner: str) -> None:
    """Catches a reward or a gradient of the wrong sign, and a reward that says nothing: a random policy earns 22."""
    assert _learned(learner, demonstrate(CARTPOLE, 10, 0)) >= 400.0


@pytest.mark.parametrize("learner", LEARNERS)
def test_one_who_lets_it_fall_is_followed_too(learner: str) -> None:
    """The negative control: catches a reward that pays for long episodes, whoever the expert is."""
    assert _learned(learner, roll_out(CARTPOLE, _letting_it_fall, 10, 0)) <= 60.0
