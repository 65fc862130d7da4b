"""Rewards that are networks, learned from demonstrations beside the policy that collects them: inverse reinforcement
learning and adversarial imitation where states are vectors.

Every system is three parts: a reward that learns (one file each: ``gail``, ``gaifo``, ``imrl``, ``pmi``, ``gcl``), a
step of reinforcement learning (``models.reinforcement``), and the loop over both (``loop``). Rewards of worlds that are
tables are in ``models.rewards``, which needs no torch.
"""

from models.learned_rewards.discriminator import DiscriminatorConfig, RewardForm
from models.learned_rewards.gaifo import gaifo
from models.learned_rewards.gail import Gail, GailConfig, gail, state_gail
from models.learned_rewards.gcl import Gcl, GclConfig, gcl
from models.learned_rewards.imrl import ErrorForm, Imrl, ImrlConfig, imrl
from models.learned_rewards.loop import Experience, Imitator, LearnedReward, Plan, Round, imitate
from models.learned_rewards.pmi import Pmi, PmiConfig, pmi
from models.learned_rewards.transitions import Transitions

__all__ = [
    "DiscriminatorConfig",
    "ErrorForm",
    "Experience",
    "Gail",
    "GailConfig",
    "Gcl",
    "GclConfig",
    "Imitator",
    "Imrl",
    "ImrlConfig",
    "LearnedReward",
    "Plan",
    "Pmi",
    "PmiConfig",
    "RewardForm",
    "Round",
    "Transitions",
    "gaifo",
    "gail",
    "gcl",
    "imitate",
    "imrl",
    "pmi",
    "state_gail",
]
