"""What a learner has lived through itself: where it was, what it did, where that led."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.data import FloatArray
from models.observation_only.ports import Act, Actions, Worlds

__all__ = ["Transitions", "collect", "drawn_at_random", "held"]


@dataclass(frozen=True, eq=False)
class Transitions:
    """``(s, a, s')``.

    Attributes:
        before: ``(M, O)``.
        actions: ``(M,)`` integers, or ``(M, A)`` floats.
        after: ``(M, O)``.
    """

    before: FloatArray
    actions: Actions
    after: FloatArray

    def __len__(self) -> int:
        """M."""
        return len(self.actions)

    def __add__(self, other: Transitions) -> Transitions:
        """Both, one behind the other."""
        return Transitions(
            np.concatenate([self.before, other.before]),
            np.concatenate([self.actions, other.actions]),
            np.concatenate([self.after, other.after]),
        )


def collect(worlds: Worlds, act: Act, count: int) -> Transitions:
    """Let a policy act in all worlds until there are at least ``count`` transitions; worlds go on where they were."""
    before, actions, after, seen = [], [], [], 0
    while seen < count:
        here = worlds.observations
        chosen = act(here)
        worlds.step(chosen)
        before.append(here)
        actions.append(chosen)
        after.append(worlds.final_observations)
        seen += len(here)
    return Transitions(np.concatenate(before), np.concatenate(actions), np.concatenate(after))


def drawn_at_random(action_count: int, random: np.random.Generator, hold: int = 1) -> Act:
    """A policy that draws every action with the same probability, and keeps each for ``hold`` steps."""
    return held(lambda count: random.integers(action_count, size=count), hold)


def held(draw: Callable[[int], Actions], hold: int) -> Act:
    """A policy that draws actions for so many worlds without looking, and keeps them for ``hold`` steps.

    Whoever draws anew each step hardly gets anywhere in a world with inertia: pushes cancel each other.
    """
    kept: Actions | None = None
    left = 0

    def act(observations: FloatArray) -> Actions:
        nonlocal kept, left
        if kept is None or left == 0:
            kept, left = draw(len(observations)), hold
        left -= 1
        return kept

    return act
