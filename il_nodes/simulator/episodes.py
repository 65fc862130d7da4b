"""Which episodes a simulator drives, and when one of them is over: plain logic, told the driving status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.errors import SimulationError
from sim.driving.metrics import DrivingStatus

__all__ = ["Episode", "EpisodePlan", "episode_name"]

#: World seeds of one plan must not meet those of the next: nobody drives a million episodes in one run.
SEED_STRIDE = 1_000_000


@dataclass(frozen=True)
class Episode:
    """One episode to drive.

    Attributes:
        episode_id: also the name of its recording.
        track_seed: draws the track.
        world_seed: draws start, colours and disturbance.
    """

    episode_id: str
    track_seed: int
    world_seed: int


def episode_name(prefix: str, index: int, track_seed: int) -> str:
    """Name of the episode number ``index``, counted from 0, which is also that of its recording."""
    return f"{prefix}-{index:03d}-track-{track_seed}"


class EpisodePlan:
    """One episode for each track seed, in order; the same seed twice is two different starts on one track.

    Args:
        prefix: of the episodes' names.
        track_seeds: one for each episode, none negative.
        seed: of everything else that is random.
        laps: an episode ends after that many; 0 for no limit.
        max_episode_s: and after that much simulated time; 0 for no limit.
        off_track_s: simulated seconds beyond the road's edge after which the car is put back.
        period_s: of a tick.

    Raises:
        SimulationError: no track seed, a negative one, or episodes that never end.
    """

    def __init__(
        self,
        prefix: str,
        track_seeds: Sequence[int],
        *,
        seed: int,
        laps: int,
        max_episode_s: float,
        off_track_s: float,
        period_s: float,
    ) -> None:
        if not track_seeds or min(track_seeds) < 0:
            raise SimulationError(
                "parameter track_seeds needs one number that is not negative for each episode", found=list(track_seeds)
            )
        if laps <= 0 and max_episode_s <= 0.0:
            raise SimulationError(
                "an episode without an end", found="laps: 0, max_episode_s: 0", fix="set at least one of them"
            )
        self._prefix = prefix
        self._track_seeds = tuple(track_seeds)
        self._seed = seed
        self._laps = laps
        self._max_episode_s = max_episode_s
        self._off_track_ticks = max(1, round(off_track_s / period_s))
        self._index = -1
        self._attempt = 0
        self._ticks_off_track = 0
        self._current: Episode | None = None

    def __len__(self) -> int:
        return len(self._track_seeds)

    @property
    def current(self) -> Episode | None:
        """The episode that :meth:`next` or :meth:`again` gave last."""
        return self._current

    def next(self) -> Episode | None:
        """The next episode; ``None`` when all are driven."""
        self._index += 1
        self._attempt = 0
        return self._make()

    def again(self) -> Episode | None:
        """The same episode once more, under a name of its own: a person asked for a reset."""
        self._attempt += 1
        return self._make()

    def _make(self) -> Episode | None:
        self._ticks_off_track = 0
        if self._index >= len(self._track_seeds):
            self._current = None
            return None
        track_seed = self._track_seeds[self._index]
        again = f"-again-{self._attempt}" if self._attempt else ""
        self._current = Episode(
            episode_name(self._prefix, self._index, track_seed) + again,
            track_seed,
            self._seed * SEED_STRIDE + self._index,
        )
        return self._current

    def is_over(self, status: DrivingStatus) -> bool:
        """Whether the laps are driven or the time is up."""
        if 0 < self._laps <= status.laps:
            return True
        # Half a tick of slack: elapsed time is a sum of periods.
        return 0.0 < self._max_episode_s <= status.elapsed_s + 1e-9

    def must_recover(self, status: DrivingStatus) -> bool:
        """Whether the car has been off the road for too long; to be asked once a tick."""
        self._ticks_off_track = self._ticks_off_track + 1 if status.off_track else 0
        if self._ticks_off_track < self._off_track_ticks:
            return False
        self._ticks_off_track = 0
        return True
