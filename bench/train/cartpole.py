"""CartPole-v1: an expert, its demonstrations, and the return of a policy.

Both sides import it, so it knows NumPy and Gymnasium only, and of the simulators the part that wants no more.

Observations are position (m), velocity (m/s), angle (rad) and angular velocity (rad/s); actions 0 and 1 push with 10 N
to the left and to the right. An episode ends when the pole falls, and after 500 steps: so 500 is the highest return.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import gymnasium
import numpy as np
import numpy.typing as npt

from bench.episode_returns import episode_returns
from sim.control.experts.cartpole import expert, gain

__all__ = ["HIGHEST_RETURN", "Demonstrations", "demonstrate", "expert", "load", "returns", "save"]

HIGHEST_RETURN = 500.0

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
Act = Callable[[Floats], Integers]
"""Observations ``(N, 4)`` to actions ``(N,)``, 0 or 1."""


@dataclass(frozen=True)
class Demonstrations:
    """Episodes of the expert, one behind the other.

    Attributes:
        observations: ``(T, 4)`` float32, before each action.
        actions: ``(T,)`` int64, 0 or 1.
        following: ``(T, 4)`` float32, after it.
        lengths: steps of each episode.
    """

    observations: Floats
    actions: Integers
    following: Floats
    lengths: tuple[int, ...]

    def __len__(self) -> int:
        """T."""
        return len(self.actions)


def demonstrate(seeds: Sequence[int]) -> Demonstrations:
    """An episode of the expert from each seed's start."""
    regulator = gain()
    rows: list[tuple[Floats, int, Floats]] = []
    lengths = []
    with gymnasium.make("CartPole-v1") as environment:
        for seed in seeds:
            observation, _ = environment.reset(seed=seed)
            steps, ended = 0, False
            while not ended:
                action = int(-regulator @ observation > 0.0)
                following, _, terminated, truncated, _ = environment.step(action)
                rows.append((observation, action, following))
                observation, ended, steps = following, terminated or truncated, steps + 1
            lengths.append(steps)
    observations, actions, following = zip(*rows, strict=True)
    return Demonstrations(
        np.array(observations, np.float32), np.array(actions, np.int64), np.array(following, np.float32), tuple(lengths)
    )


def save(path: Path, demonstrations: Demonstrations) -> None:
    """Write them as one ``.npz``."""
    np.savez(
        path,
        observations=demonstrations.observations,
        actions=demonstrations.actions,
        following=demonstrations.following,
        lengths=np.array(demonstrations.lengths, np.int64),
    )


def load(path: Path) -> Demonstrations:
    """Read what ``save`` wrote."""
    with np.load(path, allow_pickle=False) as found:
        lengths = tuple(found["lengths"].tolist())
        return Demonstrations(found["observations"], found["actions"], found["following"], lengths)


def returns(act: Act, seeds: Sequence[int]) -> list[float]:
    """The return of one episode from each seed's start."""
    return episode_returns("CartPole-v1", act, seeds)
