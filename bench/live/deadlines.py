"""Whether the gate and the simulator kept their deadlines, from what :mod:`bench.live.watch` has heard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = ["Deadlines", "read_deadlines"]


#: The gate itself waits one and a half periods for a late frame, which is no tick missed; two periods less this are.
_GRACE = 0.2


@dataclass(frozen=True)
class Deadlines:
    """What was kept.

    Attributes:
        ticks: of the simulator that were heard.
        missed: ticks within episodes for which the gate wrote no decision: of a silence of two periods one, and one
            more for each further period.
        longest_gap_ms: between two decisions within an episode.
        real_time_factor: simulated time over wall time, within episodes.
        slowest: the same of the slowest episode.
    """

    ticks: int
    missed: int
    longest_gap_ms: float
    real_time_factor: float
    slowest: float


def read_deadlines(path: Path, period_s: float) -> Deadlines:
    """The deadlines of one run."""
    rows = [line.split() for line in path.read_text("utf-8").splitlines()]
    ticks = _sorted([(int(stamp), int(source)) for kind, stamp, source in rows if kind == "tick"])
    decisions = np.sort(np.array([int(source) for kind, _, source in rows if kind == "decision"], np.int64))
    breaks = np.flatnonzero(np.diff(ticks[:, 0]) > 1.5 * period_s * 1e9) + 1
    missed, longest_s, simulated_s, wall_s, factors = 0, 0.0, 0.0, 0.0, []
    for episode in np.split(ticks, breaks):
        if len(episode) < 3:
            continue
        begin_ns, end_ns = int(episode[0, 1]), int(episode[-1, 1])
        inside = decisions[(decisions >= begin_ns) & (decisions <= end_ns + round(1.5 * period_s * 1e9))]
        gaps_s = np.diff(np.concatenate([[begin_ns], inside])) * 1e-9
        missed += int(np.maximum(np.floor(gaps_s / period_s + _GRACE) - 1.0, 0.0).sum())
        longest_s = max(longest_s, float(gaps_s.max(initial=0.0)))
        lasted = (int(episode[-1, 0] - episode[0, 0]) * 1e-9, (end_ns - begin_ns) * 1e-9)
        simulated_s, wall_s = simulated_s + lasted[0], wall_s + lasted[1]
        factors.append(lasted[0] / lasted[1])
    return Deadlines(len(ticks), missed, 1e3 * longest_s, simulated_s / wall_s, min(factors))


def _sorted(rows: list[tuple[int, int]]) -> npt.NDArray[np.int64]:
    found = np.array(rows, np.int64).reshape(-1, 2)
    return found[np.argsort(found[:, 1], kind="stable")]
