"""Runs of the simulated arm: which scenes, how cluttered, how disturbed, how fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from understudy.stacks.episode_settings import EpisodeSettings

__all__ = ["DISTURBANCE_M_S", "DISTURBANCE_RAD_S", "GraspSettings"]

#: Of demonstrations: a sixth of the arm's top speeds, so that the hand wanders some centimetres off the expert's way.
DISTURBANCE_M_S = 0.04
DISTURBANCE_RAD_S = 0.3


@dataclass(frozen=True, kw_only=True)
class GraspSettings(EpisodeSettings):
    """What is grasped.

    Attributes:
        scenes: one episode in the scene of each seed.
        disturbance_std_m_s: noise on the executed velocity; the labels stay what the expert intended (DART).
        disturbance_std_rad_s: the same on the yaw rate.
        shoves_per_s: how often the arm is shoved aside.
        clutter: fewest and most objects beside the target; None leaves it to the parameter file.
        blocked: share of scenes whose target is hemmed in; None leaves it to the parameter file.
        leaning: share of scenes in which something leans on it; None leaves it to the parameter file.
    """

    robot: ClassVar[str] = "grasping"
    noun: ClassVar[str] = "scene"

    prefix: str = "grasp"
    max_episode_s: float = 30.0
    scenes: tuple[int, ...]
    disturbance_std_m_s: float = 0.0
    disturbance_std_rad_s: float = 0.0
    shoves_per_s: float = 0.0
    clutter: tuple[int, int] | None = None
    blocked: float | None = None
    leaning: float | None = None

    @property
    def drawn_seeds(self) -> tuple[int, ...]:
        """The scenes."""
        return self.scenes

    def world_parameters(self) -> dict[str, object]:
        """Clutter and disturbances."""
        fewest, most = self.clutter or (None, None)
        said = {
            "disturbance_std_m_s": self.disturbance_std_m_s,
            "disturbance_std_rad_s": self.disturbance_std_rad_s,
            "shoves_per_s": self.shoves_per_s,
            "clutter_fewest": fewest,
            "clutter_most": most,
            "blocked": self.blocked,
            "leaning": self.leaning,
        }
        return {name: value for name, value in said.items() if value is not None}
