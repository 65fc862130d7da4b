"""How much of each learned reward, and of policy optimisation, each task wants.

What ``understudy learn`` takes unless it is told otherwise, and what the bench measures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from models.learned_rewards import (
    DiscriminatorConfig,
    GailConfig,
    GclConfig,
    ImrlConfig,
    LearnedReward,
    Plan,
    PmiConfig,
    gaifo,
    gail,
    gcl,
    imrl,
    pmi,
    state_gail,
)
from models.observation_only.pmi import PmiSettings
from models.reinforcement import PpoConfig
from models.trajectories import Trajectories
from sim.control import ControlTask

__all__ = ["LEARNERS", "PPO_RECIPES", "WATCHERS", "Recipe", "make_reward", "recipe", "with_pmi"]

LEARNERS = ("gail", "gail-states", "gaifo", "imrl", "gcl", "pmi")
WATCHERS = ("gail-states", "gaifo", "imrl", "pmi")
"""Learners that need no actions of the expert."""


@dataclass(frozen=True)
class Recipe:
    """What suits a task.

    Attributes:
        environments: N.
        plan: how long and how the policy learns.
        gail: options of the discriminators.
        imrl: of the forward model.
        gcl: of the neural cost.
        pmi: of the next-state model and its reward.
    """

    environments: int
    plan: Plan
    gail: GailConfig = field(default_factory=GailConfig)
    imrl: ImrlConfig = field(default_factory=ImrlConfig)
    gcl: GclConfig = field(default_factory=GclConfig)
    pmi: PmiConfig = field(default_factory=PmiConfig)


# Less patience than that, and the cart learns to carry the pole off the rail.
_CARTPOLE = PpoConfig(steps=64, discount=0.99, entropy_weight=0.01)
# Their goals are far from the start: a policy that makes up its mind soon never finds the short way.
_ACROBOT = PpoConfig(steps=128, entropy_weight=0.01)
_MOUNTAIN_CAR = PpoConfig(steps=128, entropy_weight=0.06)
# Metres within ten seconds: what is near counts.
_DRIVING = PpoConfig(steps=64, minibatch=512, discount=0.97, rate=1e-3)
# A flatter penalty: what tells a good swing from the best one is a small part of a state's range.
_SHARP = GailConfig(discriminator=DiscriminatorConfig(updates=10, penalty=0.1))

PPO_RECIPES: Mapping[str, Recipe] = {
    "cartpole": Recipe(16, Plan(steps=80_000, ppo=_CARTPOLE)),
    "acrobot": Recipe(16, Plan(steps=120_000, ppo=PpoConfig(steps=128))),
}
"""For a world's own reward."""

_RECIPES: Mapping[str, Recipe] = {
    "cartpole": Recipe(16, Plan(steps=40_000, ppo=_CARTPOLE)),
    "acrobot": Recipe(16, Plan(steps=150_000, ppo=_ACROBOT), _SHARP),
    "mountain-car": Recipe(16, Plan(steps=300_000, ppo=_MOUNTAIN_CAR), _SHARP),
    "driving": Recipe(32, Plan(steps=100_000, ppo=_DRIVING), _SHARP),
}
# Where a learner wants another way of learning from its reward.
_PPO: Mapping[tuple[str, str], PpoConfig] = {
    # A patient learner finds loops that look like the expert step by step; an impatient one does what the expert does
    # next.
    ("pmi", "acrobot"): PpoConfig(steps=128, discount=0.8, entropy_weight=0.001),
    ("pmi", "mountain-car"): PpoConfig(steps=128, discount=0.7, entropy_weight=0.001),
    ("imrl", "mountain-car"): PpoConfig(steps=128, discount=0.95, entropy_weight=0.01),
    # Its model is least wrong where nothing moves, and who looks far ahead stands still.
    ("imrl", "driving"): replace(_DRIVING, discount=0.5),
    # Its reward has the policy's entropy in it.
    ("gcl", "acrobot"): PpoConfig(steps=128),
    ("gcl", "mountain-car"): PpoConfig(steps=128),
}
# Steps, where a learner wants other than the task's; and PMI's model, which has to see a push in a place and a speed.
_STEPS: Mapping[tuple[str, str], int] = {
    ("pmi", "cartpole"): 30_000,
    ("pmi", "acrobot"): 120_000,
    ("pmi", "mountain-car"): 200_000,
}
_PMI: Mapping[str, PmiConfig] = {"mountain-car": PmiConfig(PmiSettings(octaves=3))}


def recipe(learner: str, task: str, *, steps: int | None = None) -> Recipe:
    """Of a learner of :data:`LEARNERS` in a task.

    Args:
        learner: its name.
        task: of ``understudy.control.tasks.task_named``, except the pendulum.
        steps: of all environments together, where not as many as suit the task.
    """
    found = _RECIPES[task]
    key = (learner, task)
    plan = replace(found.plan, ppo=_PPO.get(key, found.plan.ppo), steps=steps or _STEPS.get(key, found.plan.steps))
    return replace(found, plan=plan, pmi=_PMI.get(task, found.pmi))


def with_pmi(found: Recipe, options: Mapping[str, Any]) -> Recipe:
    """A recipe with other options of PMI.

    Args:
        found: what suits the task.
        options: ``form``, ``temperature``, ``negatives`` of the reward, and ``entropy``, λ of the policy.
    """
    of_reward = {name: value for name, value in options.items() if name != "entropy"}
    weight = float(options.get("entropy", found.plan.ppo.entropy_weight))
    plan = replace(found.plan, ppo=replace(found.plan.ppo, entropy_weight=weight))
    return replace(found, plan=plan, pmi=replace(found.pmi, **of_reward))


def make_reward(learner: str, task: ControlTask, shown: Trajectories, suited: Recipe, seed: int) -> LearnedReward:
    """The reward that a learner learns.

    Args:
        learner: of :data:`LEARNERS`.
        task: the world.
        shown: demonstrations.
        suited: the options.
        seed: of weights and draws.
    """
    absorbing = suited.plan.absorbing
    if learner == "imrl":
        return imrl(task, shown, replace(suited.imrl, absorbing=absorbing), seed)
    if learner == "gcl":
        return gcl(task, shown, replace(suited.gcl, absorbing=absorbing), seed)
    if learner == "pmi":
        return pmi(task, shown, task.successors, replace(suited.pmi, absorbing=absorbing), seed)
    config = replace(suited.gail, absorbing=absorbing)
    if learner == "gail":
        return gail(task, shown, config, seed)
    return state_gail(task, shown, config, seed) if learner == "gail-states" else gaifo(task, shown, config, seed)
