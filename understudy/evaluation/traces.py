"""What one recorded episode was: poses, decisions, commands and scores over time, as plain arrays.

A trace is read once from a bag (``evaluation.trace_reader``) and then serves evaluation, plots and film alike. It
holds no images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = [
    "DRIVERS",
    "EXPERT",
    "HALT",
    "POLICY",
    "Commands",
    "Decisions",
    "Float64Array",
    "Int64Array",
    "Poses",
    "Trace",
    "Track",
    "newest_at",
]

# Index into this tuple is the driver code of a tick, the same as in models.episodes.
DRIVERS = ("expert", "policy", "halt")
EXPERT, POLICY, HALT = range(3)

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Poses:
    """Where the robot was: stamps ``(n,)`` ns, position ``(n, 2)`` m and yaw ``(n,)`` rad in map, body velocities."""

    stamps_ns: Int64Array
    position_in_map_m: Float64Array
    yaw_in_map_rad: Float64Array
    speed_m_s: Float64Array
    yaw_rate_rad_s: Float64Array


@dataclass(frozen=True, slots=True)
class Decisions:
    """Who drove each tick and why: stamps ``(n,)`` ns, driver codes ``(n,)`` into ``DRIVERS``, reasons, and
    the unsafe probability ``(n,)`` that the gate acted on (NaN where it had none).
    """

    stamps_ns: Int64Array
    driver: npt.NDArray[np.uint8]
    reasons: tuple[str, ...]
    unsafe_probability: Float64Array


@dataclass(frozen=True, slots=True)
class Commands:
    """Actions by the stamp of the observation that they answer: stamps ``(n,)`` ns, values ``(n, dims)`` SI units."""

    stamps_ns: Int64Array
    values: Float64Array


@dataclass(frozen=True, slots=True)
class Track:
    """A closed road in map frame: three polylines ``(n, 2)`` in metres, the last point not repeated."""

    centerline_m: Float64Array
    left_edge_m: Float64Array
    right_edge_m: Float64Array

    @property
    def length_m(self) -> float:
        """Length of the closed centreline."""
        steps = np.diff(self.centerline_m, axis=0, append=self.centerline_m[:1])
        return float(np.hypot(steps[:, 0], steps[:, 1]).sum())

    @property
    def half_width_m(self) -> float:
        """Median distance from the left edge to the right edge, halved."""
        gaps = np.linalg.norm(self.left_edge_m[:, None] - self.right_edge_m[None], axis=2).min(axis=1)
        return float(np.median(gaps)) / 2

    @property
    def extent_m(self) -> tuple[float, float]:
        """Width and height of the smallest upright box around both edges."""
        width, height = np.ptp(np.concatenate([self.left_edge_m, self.right_edge_m]), axis=0)
        return float(width), float(height)

    @property
    def identity(self) -> str:
        """Eight hex digits of the centreline's geometry to the centimetre: equal for two episodes on one track."""
        rounded = np.round(self.centerline_m, 2) + 0.0  # adding zero turns -0.0 into 0.0
        return hashlib.blake2b(rounded.tobytes(), digest_size=4).hexdigest()


@dataclass(frozen=True, slots=True)
class Trace:
    """One episode over time. A series that was not recorded is empty; a track that was not recorded is ``None``.

    Attributes:
        path: the bag.
        episode_id: its id.
        outcome: how the recorder closed it.
        contract_hash: of the contract inside the bag.
        period_s: tick period of that contract.
        unsafe_threshold: the gate's: what its decisions say, else that contract's.
        action_names: the action dimensions, in order.
        action_limit: ``(dims,)`` largest value of each, SI units; infinite where the contract has no limits.
        status_stamps_ns: stamps ``(n,)`` of the simulator's scores.
        status: score name to values ``(n,)``; NaN where a tick did not carry it or carried a word.
        labels: score name to its last value where that is a word, such as the track's name.
        proposals: the first point of each policy proposal.
        proposed_unsafe: the unsafe probability ``(n,)`` of each proposal.
        dry_run: the gate decided, and commanded nothing.
    """

    path: Path
    episode_id: str
    outcome: str
    contract_hash: str
    period_s: float
    unsafe_threshold: float
    action_names: tuple[str, ...]
    action_limit: Float64Array
    track: Track | None
    poses: Poses
    decisions: Decisions
    status_stamps_ns: Int64Array
    status: Mapping[str, Float64Array]
    labels: Mapping[str, str]
    commands: Commands
    expert: Commands
    proposals: Commands
    proposed_unsafe: Float64Array
    dry_run: bool = False

    @property
    def is_scored(self) -> bool:
        """Whether a simulator scored it; nobody counts the laps of a robot of one's own."""
        return len(self.status_stamps_ns) > 0

    @property
    def start_ns(self) -> int:
        """Stamp of the earliest decision, score or pose: zero on every plot's time axis."""
        firsts = [s[0] for s in (self.decisions.stamps_ns, self.status_stamps_ns, self.poses.stamps_ns) if len(s)]
        return int(min(firsts))

    def elapsed_s(self, stamps_ns: Int64Array) -> Float64Array:
        """Seconds since ``start_ns``."""
        return (stamps_ns - self.start_ns) / 1e9

    def driver_at(self, stamps_ns: Int64Array) -> npt.NDArray[np.uint8]:
        """Driver code ``(n,)`` at each stamp: that of the newest decision not after it; the first one's before any."""
        return self.decisions.driver[newest_at(self.decisions.stamps_ns, stamps_ns)]

    def position_at(self, stamps_ns: Int64Array) -> Float64Array:
        """Position ``(n, 2)`` in map, metres, at each stamp: that of the newest pose not after it."""
        return self.poses.position_in_map_m[newest_at(self.poses.stamps_ns, stamps_ns)]


def newest_at(known_ns: Int64Array, wanted_ns: Int64Array) -> npt.NDArray[np.intp]:
    """Index of the newest of ``known_ns`` (sorted, not empty) that is not after each wanted stamp; 0 before any."""
    return np.maximum(np.searchsorted(known_ns, wanted_ns, side="right") - 1, 0)
