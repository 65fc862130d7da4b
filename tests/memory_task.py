"""A task that needs a memory: a sign is seen at an episode's start, and decides what to do at its end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from learning_samples import episode
from part_samples import BLIND
from policy_samples import CAMERA, STATE

from models.contract import parse_contract
from models.episodes import Episode, EpisodeDataset, open_dataset, write_dataset

TICKS = 12
"""Of an episode: the sign at the first, the decision at the last."""


def sign_dataset(directory: Path, *, recurrent: bool, episodes: int = 48) -> EpisodeDataset:
    """State: the sign (0.5 or -0.5 at the first tick, then 0) and a clock that rises to 1. Action: yaw towards it.

    The speed is the clock's doing, so a policy without memory learns that much; the yaw rate is 0 until the last
    tick, and then the sign's.
    """
    random = np.random.default_rng(0)
    made = []
    for number in range(episodes):
        sign = 1.0 if number % 2 else -1.0
        state = np.zeros((TICKS, 2), np.float32)
        state[0, 0] = 0.5 * sign
        state[:, 1] = np.arange(TICKS) / (TICKS - 1)
        actions = np.stack([2.0 + state[:, 1], np.zeros(TICKS)], axis=1).astype(np.float32)
        actions[-1, 1] = sign
        actions[:, 0] += 0.05 * random.normal(size=TICKS)
        made.append(_blind(episode(number, np.zeros((TICKS, 1, 1, 3), np.uint8), actions, state)))
    text = BLIND.replace("frames: 2", f"frames: 2, recurrent: {str(recurrent).lower()}")
    write_dataset(directory, made, parse_contract(text))
    return open_dataset(directory)


def _blind(seen: Episode) -> Episode:
    observations = {key: rows for key, rows in seen.observations.items() if key != CAMERA}
    assert set(observations) == {STATE}
    return Episode(
        **{**{name: getattr(seen, name) for name in Episode.__dataclass_fields__}, "observations": observations}
    )


def decision_error(dataset: EpisodeDataset, yaw_rates: np.ndarray) -> float:
    """Mean absolute error of the yaw rate at the last ticks, rad/s, of ``(T,)``; 1 for a policy that knows no sign."""
    last = np.cumsum(dataset.lengths) - 1
    return float(np.abs(yaw_rates[last] - np.asarray(dataset.actions)[last, 1]).mean())
