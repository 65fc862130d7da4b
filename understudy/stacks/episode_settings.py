"""What is common to the runs of every simulated robot: which episodes, how long, how fast."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import ClassVar

from models.errors import UnderstudyError

__all__ = ["EpisodeSettings"]

# Starting five processes that discover each other takes 3 to 6 s on two cores; closing the last bag about 1 s.
_START_AND_END_S = 60.0
# A lock-step run is several times faster than real time; one that is slower than a quarter of it is stuck.
_SLOWEST_LOCK_STEP_FACTOR = 0.25


@dataclass(frozen=True, kw_only=True)
class EpisodeSettings(abc.ABC):
    """What every robot's settings say; each robot adds its own.

    Attributes:
        robot: name of the robot: of its contract, its parameter file, and its world in the simulator node.
        noun: what a seed draws.
        prefix: how the episodes' names start.
        seed: of everything that the drawn seeds leave to chance.
        max_episode_s: limit of an episode, simulated seconds.
        lock_step: wait for the answer to every tick; the same bags every time.
        real_time_factor: simulated seconds a second, without lock-step.

    Raises:
        UnderstudyError: there is nothing to run, or no speed to run it at.
    """

    robot: ClassVar[str]
    noun: ClassVar[str]

    prefix: str
    seed: int = 0
    max_episode_s: float
    lock_step: bool = False
    real_time_factor: float = 1.0

    def __post_init__(self) -> None:
        if not self.drawn_seeds or min(self.drawn_seeds) < 0:
            raise UnderstudyError(
                f"a run needs {self.noun} seeds that are not negative",
                found=list(self.drawn_seeds),
                expected="such as 1-12",
            )
        if not self.real_time_factor > 0:
            raise UnderstudyError("real_time_factor must be positive", found=self.real_time_factor)

    @property
    @abc.abstractmethod
    def drawn_seeds(self) -> tuple[int, ...]:
        """One episode for each: on the track, or in the scene, that it draws."""

    @abc.abstractmethod
    def world_parameters(self) -> dict[str, object]:
        """Parameters of the simulator that only this robot has."""

    def sim_parameters(self) -> dict[str, object]:
        """Parameters of the simulator node that differ from the parameter file."""
        return {
            "robot": self.robot,
            "lock_step": self.lock_step,
            "real_time_factor": self.real_time_factor,
            f"{self.noun}_seeds": list(self.drawn_seeds),
            "episode_prefix": self.prefix,
            "seed": self.seed,
            "max_episode_s": self.max_episode_s,
            **self.world_parameters(),
        }

    @property
    def patience_s(self) -> float:
        """Wall-clock seconds after which the run must be stuck."""
        factor = _SLOWEST_LOCK_STEP_FACTOR if self.lock_step else self.real_time_factor
        return _START_AND_END_S + len(self.drawn_seeds) * (self.max_episode_s / factor + 10.0)
