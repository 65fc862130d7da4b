"""Policy optimisation over batched environments: what turns a reward, given or learned, into a policy.

NumPy acts and torch learns. Knows no simulator: :class:`World` is all that is asked of one.
"""

from models.reinforcement.actor import Actor
from models.reinforcement.ppo import Improvement, Ppo, PpoConfig
from models.reinforcement.rollout import Collector, Rollout
from models.reinforcement.world import Shape, World

__all__ = ["Actor", "Collector", "Improvement", "Ppo", "PpoConfig", "Rollout", "Shape", "World"]
