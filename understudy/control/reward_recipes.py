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


def _ppo(discount: float, entropy_weight: float) -> PpoConfig:
    """Of 64 worlds, whose rollouts are 4,096 steps."""
    return PpoConfig(steps=64, passes=6, minibatch=512, discount=discount, entropy_weight=entropy_weight)


PPO_RECIPES: Mapping[str, Recipe] = {
    "cartpole": Recipe(16, Plan(steps=80_000, ppo=PpoConfig(steps=64, discount=0.99, entropy_weight=0.01))),
    "acrobot": Recipe(16, Plan(steps=120_000, ppo=PpoConfig(steps=128))),
}
"""For a world's own reward."""

# What tells learner from expert must be ahead of the learner: with a fifth of these steps a round, and each round
# forgotten with the next, some seeds carry the pole off the rail and are told so too late.
_CARTPOLE = GailConfig(discriminator=DiscriminatorConfig(updates=40, both_sides=False), memory=8)
# A flatter penalty: what tells a good swing from the best one is a small part of a state's range.
_SHARP = GailConfig(discriminator=DiscriminatorConfig(updates=50, penalty=0.1, both_sides=False), memory=3)
_SHARPEST = GailConfig(
    discriminator=DiscriminatorConfig(updates=80, rate=3e-3, penalty=0.01, both_sides=False), memory=3
)
# The expert of the Acrobot does otherwise from one step to the next: a larger one that learns faster tells it apart.
_FINEST = GailConfig(
    discriminator=DiscriminatorConfig(width=128, updates=80, rate=3e-3, penalty=0.003, both_sides=False), memory=3
)

# As far ahead of the learner as the discriminators are.
_GUIDED = GclConfig(updates=80, rate=3e-3)

# Of the car by its state: metres within ten seconds, where what is near counts.
_DRIVING = Recipe(
    32,
    Plan(steps=100_000, ppo=PpoConfig(steps=64, minibatch=512, discount=0.97, rate=1e-3)),
    GailConfig(discriminator=DiscriminatorConfig(updates=10, penalty=0.1)),
)


def _pmi(steps: int, ppo: PpoConfig, octaves: int = 0) -> Recipe:
    """Of 16 worlds. On a hill, the next-state model has to see a push in a place and a speed: ``octaves``."""
    return Recipe(16, Plan(steps=steps, ppo=ppo), pmi=PmiConfig(PmiSettings(octaves=octaves)))


_WORLDS = 64
# Less patience than 0.99, and the cart learns to carry the pole off the rail. The others are the better the less they
# look ahead: a reward that says of each step whether the expert would have done it need not be waited for.
_RECIPES: Mapping[str, Recipe] = {
    "cartpole": Recipe(_WORLDS, Plan(steps=120_000, ppo=_ppo(0.99, 0.01)), _CARTPOLE),
    "acrobot": Recipe(_WORLDS, Plan(steps=200_000, ppo=_ppo(0.95, 0.02)), _SHARP),
    "mountain-car": Recipe(_WORLDS, Plan(steps=300_000, ppo=_ppo(0.95, 0.06)), _SHARP),
    "driving": _DRIVING,
}
# Where a learner wants something else.
_OTHERS: Mapping[tuple[str, str], Recipe] = {
    # Its model is wrong far from the expert and least wrong where nothing moves, so that a learner who looks far ahead
    # stays there. Its error is that of an action's effect, which is a small part of a state's usual change.
    ("imrl", "acrobot"): Recipe(_WORLDS, Plan(steps=150_000, ppo=_ppo(0.5, 0.003)), imrl=ImrlConfig(tolerance=0.2)),
    ("imrl", "mountain-car"): Recipe(
        _WORLDS, Plan(steps=250_000, ppo=_ppo(0.5, 0.003)), imrl=ImrlConfig(tolerance=0.3)
    ),
    # Sharper still, and less far ahead: the expert's actions say at each step what a longer look has to find out.
    ("gail", "acrobot"): Recipe(_WORLDS, Plan(steps=200_000, ppo=_ppo(0.8, 0.005)), _FINEST),
    ("gail", "mountain-car"): Recipe(_WORLDS, Plan(steps=300_000, ppo=_ppo(0.9, 0.06)), _SHARPEST),
    # Its model is least wrong where nothing moves, too.
    ("imrl", "driving"): replace(_DRIVING, plan=replace(_DRIVING.plan, ppo=replace(_DRIVING.plan.ppo, discount=0.5))),
    # A patient learner finds loops that look like the expert step by step; an impatient one does what the expert does
    # next.
    ("pmi", "cartpole"): _pmi(30_000, PpoConfig(steps=64, discount=0.99, entropy_weight=0.01)),
    ("pmi", "acrobot"): Recipe(_WORLDS, Plan(steps=150_000, ppo=_ppo(0.5, 0.003)), pmi=PmiConfig()),
    ("pmi", "mountain-car"): _pmi(200_000, PpoConfig(steps=128, discount=0.7, entropy_weight=0.001), octaves=3),
    # Its reward has the policy's entropy in it.
    ("gcl", "cartpole"): Recipe(16, Plan(steps=40_000, ppo=PpoConfig(steps=64, entropy_weight=0.01))),
    ("gcl", "acrobot"): Recipe(_WORLDS, Plan(steps=150_000, ppo=_ppo(0.9, 0.0)), gcl=_GUIDED),
    ("gcl", "mountain-car"): Recipe(_WORLDS, Plan(steps=200_000, ppo=_ppo(0.9, 0.0)), gcl=_GUIDED),
}


def recipe(learner: str, task: str, *, steps: int | None = None) -> Recipe:
    """Of a learner of :data:`LEARNERS` in a task.

    Args:
        learner: its name.
        task: of ``understudy.control.tasks.task_named``, except the pendulum.
        steps: of all environments together, where not as many as suit the task.
    """
    found = _OTHERS.get((learner, task), _RECIPES[task])
    return found if steps is None else replace(found, plan=replace(found.plan, steps=steps))


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
