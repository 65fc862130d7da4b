"""What every learner of the bench watches, and what it is held against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.data import FloatArray
from models.trajectories import Trajectories
from sim.control import Act, ControlTask, returns, roll_out

__all__ = ["EPISODES", "LEVELS", "TASK_NAMES", "Level", "judged", "lazy"]

#: Of the expert, that a learner watches.
EPISODES = 50
#: Episodes that a policy is judged by, from starts that nobody learns from; the same for all policies of a seed.
JUDGED, JUDGED_FROM = 100, 3_000_000


@dataclass(frozen=True)
class Level:
    """Mean returns that others reached, and one that is as bad as it gets.

    Attributes:
        deck_bco: the deck's BCO.
        public_bco: the best that is known to be published.
        solved: what counts as solved.
        bad: of a policy that does nothing useful, or little more.
    """

    deck_bco: float
    public_bco: float
    solved: float
    bad: float


LEVELS = {
    "cartpole": Level(471.5, 500.0, 475.0, 20.0),
    "acrobot": Level(-95.1, -75.2, -100.0, -400.0),
    "mountain-car": Level(-123.1, -99.5, -110.0, -190.0),
}
TASK_NAMES = tuple(LEVELS)


def judged(task: ControlTask, act: Act, seed: int) -> npt.NDArray[np.float64]:
    """Returns of a policy, one an episode."""
    return returns(task, act, JUDGED, JUDGED_FROM + seed)


def lazy(task: ControlTask, episodes: int, seed: int) -> Trajectories:
    """Who always does the same: pushes right where there is nothing between left and right, else nothing."""

    def act(observations: FloatArray) -> npt.NDArray[np.int64]:
        return np.ones(len(observations), np.int64)

    return roll_out(task, act, episodes, seed)
