"""Generative adversarial imitation from observation (Torabi, Warnell & Stone 2018, arXiv:1807.06158).

GAIL whose discriminator sees a state and the next one, and never an action::

    repeat
        τ ~ π_θ
        D_w uphill on E_expert[log D_w(s, s')] + E_τ[log(1 - D_w(s, s'))]
        θ one step of PPO towards more of the reward of D_w

The expert's label is 1, as in :mod:`models.learned_rewards.gail`.
"""

from __future__ import annotations

from models.learned_rewards.gail import Gail, GailConfig
from models.learned_rewards.transitions import Transitions
from models.learned_rewards.views import ChangeView
from models.reinforcement import Shape
from models.trajectories import Trajectories

__all__ = ["gaifo"]


def gaifo(shape: Shape, shown: Trajectories, config: GailConfig, seed: int) -> Gail:
    """The reward of ``(s, s')``; ``imitate`` makes a policy of it.

    Raises:
        TrainingError: the demonstrations are of another task.
    """
    expert = Transitions.of_expert(shown.without_actions(), shape, absorbing=config.absorbing)
    return Gail(ChangeView(shape), expert, config, seed)
