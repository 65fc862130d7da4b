"""Inverse reinforcement learning in worlds that are known: from demonstrations to a reward and a policy.

Every system is three parts: a reward that learns (one file each: ``max_margin``, ``projection``, ``mwal``, ``maxent``),
a planning step (``planning``), and a loop over both. NumPy and SciPy, neither torch nor a simulator. It stands beside
``learners`` and not in it, because whoever imports ``learners`` loads torch, and in ``models`` and not in ``sim``,
because what learns must not know the world it learns in: worlds are in ``sim.tabular``.
"""

from models.rewards.apprenticeship import Apprentice, Progress, Round, iteration_bound
from models.rewards.demonstrations import Demonstrations, sample_demonstrations
from models.rewards.max_margin import max_margin
from models.rewards.maxent import MaxEnt, max_ent
from models.rewards.mdp import TabularMdp
from models.rewards.mixture import PolicyMixture, closest_mixture, feature_expectations
from models.rewards.mwal import both_signs, mwal
from models.rewards.projection import projection

__all__ = [
    "Apprentice",
    "Demonstrations",
    "MaxEnt",
    "PolicyMixture",
    "Progress",
    "Round",
    "TabularMdp",
    "both_signs",
    "closest_mixture",
    "feature_expectations",
    "iteration_bound",
    "max_ent",
    "max_margin",
    "mwal",
    "projection",
    "sample_demonstrations",
]
