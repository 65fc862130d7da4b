"""The numbers of an evaluation: one ``EpisodeScore`` an episode and a ``Summary`` over all of them.

Autonomy is that of DAVE-2 (Bojarski et al. 2016, section 7.1): one intervention is taken to cost six seconds of human
driving, ``autonomy = 1 - 6 s * interventions / elapsed``, and at least 0.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from understudy.evaluation.traces import Float64Array, Trace

__all__ = ["EpisodeScore", "Evaluation", "HandOver", "Interval", "Spread", "Summary"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Spread:
    """How a quantity is spread over ``count`` samples, in the unit of its name."""

    count: int
    mean: float
    p50: float
    p95: float
    p99: float
    maximum: float

    @staticmethod
    def of(samples: Float64Array) -> Spread | None:
        """The spread of the finite samples, ``None`` when there are none."""
        finite = samples[np.isfinite(samples)]
        if not len(finite):
            return None
        p50, p95, p99 = (float(q) for q in np.percentile(finite, [50, 95, 99]))
        return Spread(len(finite), float(finite.mean()), p50, p95, p99, float(finite.max()))


@dataclass(frozen=True, slots=True)
class HandOver:
    """One change of driver: when (seconds into the episode), who to whom, why, and where in map (metres)."""

    elapsed_s: float
    before: str
    after: str
    reason: str
    x_m: float
    y_m: float


@dataclass(frozen=True, slots=True)
class EpisodeScore:
    """The numbers of one episode.

    Attributes:
        track: name of its track.
        laps: complete laps.
        progress_m: metres along the centreline.
        off_track: times that the robot left the road.
        interventions: times that the simulator had to put it back, as a person would.
        damage: the simulator's damage count.
        elapsed_s: simulated time that it took.
        ticks: driver to number of decisions.
        policy_share: share of decisions that were the policy's; ``None`` without decisions.
        cross_track_m: distance from the centreline, absolute.
        command_age_ms: from observation to the command that answers it; ``None`` where the run did not measure it.
        action_error: action dimension to mean absolute difference of policy and expert on the same observation.
    """

    episode_id: str
    bag: str
    outcome: str
    track: str
    laps: float
    progress_m: float
    off_track: int
    interventions: int
    damage: float
    elapsed_s: float
    autonomy: float | None
    ticks: Mapping[str, int]
    policy_share: float | None
    cross_track_m: Spread | None
    speed_m_s: Spread | None
    command_age_ms: Spread | None
    action_error: Mapping[str, float]
    hand_overs: tuple[HandOver, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """The numbers over all episodes.

    Attributes:
        laps_minimum: track to the fewest laps of any of its episodes.
        policy_share_interval: bootstrap over episodes (ticks of one episode are not independent); ``None`` below
            three episodes.
        clean_share: share of episodes that never left the road, with its Wilson interval.
        reasons: why the policy lost the wheel, with counts.
    """

    episodes: int
    laps_total: float
    laps_minimum: Mapping[str, float]
    off_track: int
    interventions: int
    damage: float
    elapsed_s: float
    autonomy: float | None
    ticks: Mapping[str, int]
    policy_share: float | None
    policy_share_interval: Interval | None
    clean_share: float
    clean_share_interval: Interval
    cross_track_m: Spread | None
    speed_m_s: Spread | None
    command_age_ms: Spread | None
    action_error: Mapping[str, float]
    hand_overs: int
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores, their summary, and the traces that they were taken from (in the order of the scores)."""

    summary: Summary
    episodes: tuple[EpisodeScore, ...]
    traces: tuple[Trace, ...]

    @property
    def is_scored(self) -> bool:
        """Whether a simulator counted laps, excursions and interventions; otherwise those numbers mean nothing."""
        return any(trace.is_scored for trace in self.traces) or not self.traces

    @property
    def dry_run(self) -> bool:
        """Whether no command was sent in any episode."""
        return bool(self.traces) and all(trace.dry_run for trace in self.traces)

    def to_json(self) -> str:
        """Summary and scores as JSON (numbers that are not finite become null); the traces stay in the bags.

        What only a simulator counts is left out where there was none.
        """
        document = {
            "dry_run": self.dry_run,
            "summary": self._known(asdict(self.summary)),
            "episodes": [self._known(asdict(score)) for score in self.episodes],
        }
        return json.dumps(_finite(document), indent=2, allow_nan=False) + "\n"

    def _known(self, numbers: dict[str, Any]) -> dict[str, Any]:
        return numbers if self.is_scored else {name: one for name, one in numbers.items() if name not in _SIMULATORS}


#: Fields that a simulator counts.
_SIMULATORS = frozenset(
    (
        *("track", "laps", "laps_total", "laps_minimum", "progress_m", "off_track", "interventions", "damage"),
        *("autonomy", "clean_share", "clean_share_interval", "cross_track_m"),
    )
)


def _finite(value: Any) -> Any:
    """The same nested value with numbers that JSON cannot hold replaced by ``None``."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
