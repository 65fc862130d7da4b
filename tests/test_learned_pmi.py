"""PMI-IL in the loop of learned rewards: what it sees, where its negatives come from, and what ending is worth."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from models.errors import TrainingError
from models.learned_rewards import Experience, Pmi, PmiConfig, Transitions, pmi
from models.observation_only.networks import Fitting
from models.observation_only.pmi import PmiSettings
from models.reinforcement import Collector
from models.reinforcement.actor import make_actor
from models.trajectories import Trajectories
from sim.control import TASKS, ControlBatch, roll_out

CARTPOLE, CAR = TASKS["cartpole"], TASKS["mountain-car"]
SMALL = PmiConfig(PmiSettings(embedding=8, width=32, fitting=Fitting(300, 128), rounds=3), count=64)


def _balancing(observations: np.ndarray) -> np.ndarray:
    """Keeps the pole up: pushes towards where it falls."""
    return (observations @ np.array([0.05, 0.1, 1.0, 0.3]) > 0.0).astype(np.int64)


def _swinging(observations: np.ndarray) -> np.ndarray:
    return np.where(observations[:, 1] < 0.0, 0, 2)


@pytest.fixture(scope="module")
def shown() -> Trajectories:
    return roll_out(CARTPOLE, _balancing, 4, 0)


@pytest.fixture(scope="module")
def experience() -> Experience:
    actor = make_actor(CARTPOLE, 8)
    rollout = Collector(ControlBatch(CARTPOLE, 4, 0), np.random.default_rng(0)).collect(actor, 100)
    return Experience(Transitions.of_rollout(rollout, CARTPOLE, absorbing=True), rollout, actor, 0.0)


def _made(shown: Trajectories, **options: object) -> Pmi:
    return pmi(CARTPOLE, shown, CARTPOLE.successors, dataclasses.replace(SMALL, **options), 0)  # type: ignore[arg-type]


def _of(seen: Transitions, experience: Experience) -> Experience:
    return dataclasses.replace(experience, seen=seen)


def test_it_never_sees_an_action(shown: Trajectories, experience: Experience) -> None:
    assert shown.actions is not None
    honest, misled = _made(shown), _made(dataclasses.replace(shown, actions=1 - shown.actions))
    other = Transitions.of_rollout(
        dataclasses.replace(experience.rollout, actions=1 - experience.rollout.actions), CARTPOLE, absorbing=True
    )
    np.testing.assert_array_equal(honest.rewards(experience), misled.rewards(_of(other, experience)))


@pytest.mark.parametrize("options", [{}, {"form": "cosine"}, {"negatives": "expert"}], ids=str)
def test_the_experts_steps_pay_more(options: dict[str, object], shown: Trajectories, experience: Experience) -> None:
    """Catches the lecture's sign, with which the learner would flee from the expert."""
    reward = _made(shown, **options)
    expert = Transitions.of_expert(shown, CARTPOLE, absorbing=True)
    gained, lost = reward.rewards(_of(expert, experience)), reward.rewards(experience)
    assert gained.shape == (len(expert),)
    assert gained.mean() > lost.mean() + 0.05
    assert reward.learn(experience) == reward.top_1 == max(check.top_1 for check in reward.checks)


@pytest.mark.parametrize("options", [{}, {"form": "cosine"}, {"temperature": 1.0}, {"negatives": "expert"}], ids=str)
def test_nothing_pays_less_than_an_end_that_the_expert_never_came_to(
    options: dict[str, object], shown: Trajectories, experience: Experience
) -> None:
    """Catches a reward for which falling is better than leaning, and one for which a goal is no goal."""
    gained = _made(shown, **options).rewards(experience)
    assert not shown.terminated.any()
    assert _made(shown, **options).absorbing_reward() < gained.min()
    swung = roll_out(CAR, _swinging, 3, 0)
    assert swung.terminated.all()
    reward = pmi(CAR, swung, CAR.successors, dataclasses.replace(SMALL, **options), 0)  # type: ignore[arg-type]
    there = Transitions.of_expert(swung, CAR, absorbing=True)
    assert reward.absorbing_reward() >= reward.rewards(_of(there, experience)).max()


def test_the_agents_negatives_are_its_own(shown: Trajectories, experience: Experience) -> None:
    """The same steps among others: worth another reward by the agent's negatives, the same by the expert's."""
    seen = experience.seen
    few = Transitions(seen.observations[:50], None, seen.next_observations[:50], 0)
    for negatives, same in (("expert", True), ("agent", False)):
        reward = _made(shown, negatives=negatives)
        alone, among = reward.rewards(_of(few, experience)), reward.rewards(experience)[:50]
        assert np.allclose(alone, among, atol=1e-5) is same


def test_what_makes_no_sense_is_refused(shown: Trajectories) -> None:
    with pytest.raises(TrainingError, match="another task"):
        pmi(CAR, shown, CAR.successors, SMALL, 0)
    with pytest.raises(TrainingError, match="no such reward of PMI"):
        _made(shown, form="sine")
