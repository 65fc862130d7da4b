"""When the simulated car's expert may answer, and what: plain logic around ``sim.driving.expert``, without rclpy."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sim.driving.expert import Expert, ExpertConfig
from sim.driving.track import Track

__all__ = ["ExpertDriver", "yaw_from_quaternion"]


def yaw_from_quaternion(x: float, y: float, z: float, w: float) -> float:
    """Heading in the plane (rad, counter-clockwise from x) of a unit quaternion."""
    return math.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))


class ExpertDriver:
    """Drives only on the path of the episode that runs: a path and an episode belong together by their stamp.

    Path and episode may arrive in either order; a command for the new track from the old path would steer the car off.
    """

    def __init__(self, config: ExpertConfig | None = None) -> None:
        self._config = config or ExpertConfig()
        self._expert: Expert | None = None
        self._path_ns: int | None = None
        self._episode_ns: int | None = None
        self.episode_id = ""
        self.answered = 0
        self.unanswered = 0

    @property
    def is_ready(self) -> bool:
        """Whether an episode runs and its path is here."""
        return bool(self.episode_id) and self._expert is not None and self._path_ns == self._episode_ns

    def start_episode(self, episode_id: str, stamp_ns: int) -> None:
        """An episode starts, or starts anew after a recovery; an empty id ends it."""
        self.episode_id = episode_id
        self._episode_ns = stamp_ns

    def take_path(self, stamp_ns: int, points_m: npt.NDArray[np.float64]) -> None:
        """Plan on a closed centre line, ``(n, 2)`` metres. Raises SimulationError for one that is none."""
        if self._expert is None or not np.array_equal(self._expert.track.points, points_m):
            self._expert = Expert(Track(points_m), self._config)
        self._path_ns = stamp_ns

    def command(
        self, stamp_ns: int, x_m: float, y_m: float, yaw_rad: float, speed_m_s: float
    ) -> tuple[float, float] | None:
        """Speed (m/s) and yaw rate (rad/s) for the state stamped ``stamp_ns``; ``None`` when it is not answerable.

        A state that is not finite, or older than the episode, gets no answer: silence makes the gate halt.
        """
        fresh = self._episode_ns is not None and stamp_ns >= self._episode_ns
        finite = all(math.isfinite(value) for value in (x_m, y_m, yaw_rad, speed_m_s))
        if self._expert is None or not (self.is_ready and fresh and finite):
            self.unanswered += 1
            return None
        self.answered += 1
        return self._expert.command(x_m, y_m, yaw_rad, speed_m_s)
