"""How much better an action was than expected: generalised advantage estimation."""

from __future__ import annotations

import numpy as np

from models.reinforcement.world import Bools, Floats

__all__ = ["generalised_advantages"]


def generalised_advantages(
    rewards: Floats,
    values: Floats,
    next_values: Floats,
    terminated: Bools,
    truncated: Bools,
    *,
    discount: float,
    trace: float,
    ended_value: float = 0.0,
) -> Floats:
    """``A_t = Σ_k (γλ)^k δ_{t+k}`` up to the episode's end, ``δ_t = r_t + γ V(s_{t+1}) - V(s_t)``.

    Schulman et al. 2016 (arXiv:1506.02438, equation 16). An episode that the horizon cut off would have gone on, and so
    counts with the value of where it was cut (Pardo et al. 2018, arXiv:1712.00378). One that the task ended counts with
    ``ended_value``: 0 where nothing comes any more, the value of the absorbing state where an episode goes on in it.

    Args:
        rewards: ``(T, N)``.
        values: ``(T, N)``, V of where each step began.
        next_values: ``(T, N)``, V of where it led, before any new episode.
        terminated: ``(T, N)``, the task ended the episode with this step.
        truncated: ``(T, N)``, the horizon did.
        discount: γ.
        trace: λ.
        ended_value: of an episode's rest once the task has ended it.

    Returns:
        ``(T, N)``.
    """
    following = np.where(terminated, ended_value, next_values)
    errors = rewards + discount * following - values
    goes_on = discount * trace * ~(terminated | truncated)
    advantages = np.empty_like(errors)
    later = np.zeros(errors.shape[1])
    for step in reversed(range(len(errors))):
        later = errors[step] + goes_on[step] * later
        advantages[step] = later
    return advantages
