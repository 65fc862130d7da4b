"""Which episodes a simulator runs, and when the time of one is up: plain logic, the same for every robot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.errors import SimulationError

__all__ = ["Episode", "EpisodePlan", "episode_name"]

#: World seeds of one plan must not meet those of the next: nobody drives a million episodes in one run.
SEED_STRIDE = 1_000_000


@dataclass(frozen=True)
class Episode:
    """One episode to run.

    Attributes:
        episode_id: also the name of its recording.
        drawn_seed: draws the track, or the scene.
        world_seed: draws everything else, such as start, colours and disturbance.
    """

    episode_id: str
    drawn_seed: int
    world_seed: int


def episode_name(prefix: str, index: int, noun: str, drawn_seed: int) -> str:
    """Name of the episode number ``index``, counted from 0, which is also that of its recording."""
    return f"{prefix}-{index:03d}-{noun}-{drawn_seed}"


class EpisodePlan:
    """One episode for each seed, in order; the same seed twice is two different starts on one track, or in one scene.

    Args:
        prefix: of the episodes' names.
        noun: what a seed draws: ``track`` or ``scene``.
        drawn_seeds: one for each episode, none negative.
        seed: of everything else that is random.
        max_episode_s: an episode ends after that much simulated time; 0 for no limit.
        ends_by_itself: whether an episode without that limit ends too.
        endless: behind the last seed the first one comes again, with another start.

    Attributes:
        endless: as given.

    Raises:
        SimulationError: no seed, a negative one, or episodes that never end.
    """

    def __init__(
        self,
        prefix: str,
        noun: str,
        drawn_seeds: Sequence[int],
        *,
        seed: int,
        max_episode_s: float,
        ends_by_itself: bool,
        endless: bool = False,
    ) -> None:
        if not drawn_seeds or min(drawn_seeds) < 0:
            raise SimulationError(
                f"parameter {noun}_seeds needs one number that is not negative for each episode",
                found=list(drawn_seeds),
            )
        if not ends_by_itself and max_episode_s <= 0.0:
            raise SimulationError(
                "an episode without an end", found="max_episode_s: 0, and no other limit", fix="set at least one"
            )
        self._prefix, self._noun = prefix, noun
        self._drawn_seeds = tuple(drawn_seeds)
        self._seed = seed
        self._max_episode_s = max_episode_s
        self.endless = endless
        self._index = -1
        self._attempt = 0
        self._current: Episode | None = None

    def __len__(self) -> int:
        return len(self._drawn_seeds)

    @property
    def current(self) -> Episode | None:
        """The episode that :meth:`next` or :meth:`again` gave last."""
        return self._current

    def next(self) -> Episode | None:
        """The next episode; ``None`` when all are done."""
        self._index += 1
        self._attempt = 0
        return self._make()

    def again(self) -> Episode | None:
        """The same episode once more, under a name of its own: a person asked for a reset."""
        self._attempt += 1
        return self._make()

    def _make(self) -> Episode | None:
        if self._index >= len(self._drawn_seeds) and not self.endless:
            self._current = None
            return None
        drawn_seed = self._drawn_seeds[self._index % len(self._drawn_seeds)]
        again = f"-again-{self._attempt}" if self._attempt else ""
        self._current = Episode(
            episode_name(self._prefix, self._index, self._noun, drawn_seed) + again,
            drawn_seed,
            self._seed * SEED_STRIDE + self._index,
        )
        return self._current

    def is_over(self, elapsed_s: float) -> bool:
        """Whether the time is up."""
        # Some slack: elapsed time is a sum of periods.
        return 0.0 < self._max_episode_s <= elapsed_s + 1e-9
