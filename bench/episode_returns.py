"""What a policy earns in a Gymnasium environment; needs nothing else, so that a peer's own environment can run it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

__all__ = ["episode_returns"]


def episode_returns(
    environment: str, act: Callable[[npt.NDArray[np.float32]], npt.NDArray[Any]], starts: Sequence[int]
) -> list[float]:
    """The return of one episode from each start, side by side.

    Args:
        environment: Gymnasium's name of it.
        act: ``(N, O)`` float32 observations to N actions; asked about all episodes that still run.
        starts: seeds.
    """
    worlds = [gymnasium.make(environment) for _ in starts]
    try:
        rows = [world.reset(seed=seed)[0] for world, seed in zip(worlds, starts, strict=True)]
        found, running = [0.0] * len(starts), list(range(len(starts)))
        while running:
            actions = act(np.stack([rows[index] for index in running]).astype(np.float32))
            still = []
            for index, action in zip(running, actions, strict=True):
                rows[index], reward, terminated, truncated, _ = worlds[index].step(action)
                found[index] += float(reward)
                if not (terminated or truncated):
                    still.append(index)
            running = still
    finally:
        for world in worlds:
            world.close()
    return found
