"""What the sign of GAIL's reward does."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import product

import numpy as np

from bench.harness import Bench, bootstrap_interval
from bench.rewards.control.learned import trained
from bench.units import kept_units
from models.learned_rewards import RewardForm
from understudy.control.reward_recipes import recipe

__all__ = ["gail_signs"]

#: Where longer is better.
TASK = "cartpole"
ENOUGH, BAD = 475.0, 20.0


def gail_signs(bench: Bench, quick: bool) -> dict[str, object]:
    """Each form of the reward with and without absorbing states, of an expert and of one that lets the pole fall.

    Without them a reward that is never negative keeps the pole up even for an expert who lets it fall, and one that is
    never positive lets it fall even for an expert who keeps it up: neither has learned anything from anybody.
    """
    units, seeds = kept_units(bench, "control.gail-signs"), bench.seeds[:2] if quick else bench.seeds
    found: dict[str, object] = {}
    for absorbing, form in product((True, False), RewardForm):
        suited = recipe("gail", TASK)
        suited = replace(suited, gail=replace(suited.gail, form=form), plan=replace(suited.plan, absorbing=absorbing))
        label = f"{form.value}-{'absorbing' if absorbing else 'ending'}"
        good, poor = (
            [trained(units, "gail", TASK, seed, shower, suited=suited, label=label)["return"] for seed in seeds]
            for shower in ("expert", "lazy")
        )
        found[f"{form.value}, {'absorbing states' if absorbing else 'episodes just end'}"] = {
            "of_the_expert": asdict(bootstrap_interval(good)),
            "of_an_expert_that_falls": asdict(bootstrap_interval(poor)),
        }
        if absorbing:
            bench.goal(f"{form.value}: of the expert", float(np.mean(good)), ">=", ENOUGH)
            bench.goal(f"control: {form.value}: of an expert that falls", float(np.mean(poor)), "<=", BAD)
    return {"task": TASK, "forms": found, "units": units.account}
