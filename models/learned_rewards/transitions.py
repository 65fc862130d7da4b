"""Steps of an expert or a learner, as rewards that learn see them; episodes go on in an absorbing state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.errors import TrainingError
from models.reinforcement.rollout import Rollout
from models.reinforcement.world import Actions, Shape
from models.trajectories import Trajectories

__all__ = ["Transitions", "action_vectors"]

Float32s = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Transitions:
    """M steps, and behind them the steps that nobody has to take.

    An episode that the task ends after L steps goes on to the horizon H in one *absorbing state*, which has nothing of
    where it ended: H - L steps that all look the same (Kostrikov et al. 2019, "Discriminator-Actor-Critic",
    arXiv:1809.02925, section 4.1). Who is compared with the expert step by step is thereby also compared in whether and
    when episodes end, and no reward pays or costs anything just because an episode is longer.

    Attributes:
        observations: ``(M, O)`` float32.
        actions: ``(M, A)`` as vectors; None where they are not to be seen.
        next_observations: ``(M, O)`` float32.
        absorbed: how many steps were spent in the absorbing state.
    """

    observations: Float32s
    actions: Float32s | None
    next_observations: Float32s
    absorbed: int

    def __len__(self) -> int:
        """M."""
        return len(self.observations)

    @classmethod
    def of_rollout(cls, rollout: Rollout, shape: Shape, *, absorbing: bool) -> Transitions:
        """What a learner did, step by step and environment by environment.

        Args:
            rollout: T steps of N environments; row ``t N + n`` is step t of environment n.
            shape: of the task.
            absorbing: whether episodes go on; otherwise they just end.
        """
        left = shape.horizon - rollout.elapsed[rollout.terminated]
        return cls(
            rollout.observations.reshape(rollout.size, -1),
            action_vectors(shape, rollout.actions.reshape(rollout.size, *rollout.actions.shape[2:])),
            rollout.next_observations.reshape(rollout.size, -1),
            int(left.sum()) if absorbing else 0,
        )

    @classmethod
    def of_expert(cls, shown: Trajectories, shape: Shape, *, absorbing: bool) -> Transitions:
        """What an expert did.

        Raises:
            TrainingError: the demonstrations are of another task.
        """
        observations, following = shown.pairs
        if observations.shape[1] != shape.observation_size or int(shown.lengths.max()) > shape.horizon:
            raise TrainingError(
                "the demonstrations are of another task",
                found=f"{observations.shape[1]} numbers an observation, episodes of up to {shown.lengths.max()} steps",
                expected=f"{shape.observation_size} numbers, and at most {shape.horizon} steps",
            )
        left = shape.horizon - shown.lengths[shown.terminated]
        actions = None if shown.actions is None else action_vectors(shape, shown.actions)
        return cls(observations, actions, following, int(left.sum()) if absorbing else 0)

    @classmethod
    def joined(cls, parts: Sequence[Transitions]) -> Transitions:
        """All steps of several, which have actions or have none."""
        seen = [part.actions for part in parts if part.actions is not None]
        return cls(
            np.concatenate([part.observations for part in parts]),
            np.concatenate(seen) if seen else None,
            np.concatenate([part.next_observations for part in parts]),
            sum(part.absorbed for part in parts),
        )

    def draw(self, count: int, random: np.random.Generator) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Numbers of ``count`` steps, each as likely as any other, and which of them are in the absorbing state.

        A number of an absorbed step means nothing.
        """
        drawn = random.integers(0, len(self) + self.absorbed, count)
        absorbed = drawn >= len(self)
        drawn[absorbed] = 0
        return drawn, absorbed


def action_vectors(shape: Shape, actions: Actions) -> Float32s:
    """Actions as a network sees them: one-hot ``(M, K)`` of chosen ones, ``(M, A)`` within [-1, 1] of vectors."""
    if shape.action_count:
        return np.eye(shape.action_count, dtype=np.float32)[actions]
    low, high = np.array(shape.action_low), np.array(shape.action_high)
    within = (np.clip(actions, low, high) - low) / (high - low)
    vectors: Float32s = (2.0 * within - 1.0).astype(np.float32)
    return vectors
