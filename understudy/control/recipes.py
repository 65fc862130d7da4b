"""How much of each learner each task wants: what ``understudy learn`` takes unless told otherwise, and the bench."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from models.observation_only.bco import BcoSettings
from models.observation_only.latent import IlpoSettings
from models.observation_only.networks import Fitting

__all__ = ["bco_settings", "ilpo_settings"]

# On CartPole and MountainCar the random policy's own transitions already tell every action from the others.
_BCO = {
    "cartpole": BcoSettings(rounds=1, exploration=2_000, inverse=Fitting(500), cloning=Fitting(1000)),
    "acrobot": BcoSettings(alpha=1.0, rounds=4, exploration=10_000, cloning=Fitting(3000)),
    # Every command is tried at every speed; what it does is the same everywhere on the road.
    "driving": BcoSettings(rounds=2, exploration=10_000, hold=4, inverse=Fitting(2000), cloning=Fitting(3000)),
    "mountain-car": BcoSettings(rounds=1, exploration=10_000, hold=5, inverse=Fitting(1500), cloning=Fitting(2000)),
}


def bco_settings(task: str, options: Mapping[str, Any] | None = None) -> BcoSettings:
    """Of BCO; ``options`` replace single ones."""
    return replace(_BCO[task], **(options or {}))


# Some beginnings end where one latent action stands for two real ones, and their loss shows it. The Acrobot's motion
# wants a larger trunk than the others'.
_ILPO = {
    "cartpole": IlpoSettings(latents=2, interactions=2_000),
    "acrobot": IlpoSettings(trunk=64, beginnings=4, interactions=10_000),
    "mountain-car": IlpoSettings(beginnings=4, interactions=10_000, hold=5),
}


def ilpo_settings(task: str, options: Mapping[str, Any] | None = None) -> IlpoSettings:
    """Of ILPO; ``options`` replace single ones."""
    return replace(_ILPO[task], **(options or {}))
