"""The road in steps: where the car is on it, how it is turned, how the road bends, and what steering leads to.

The driving simulator's car at a constant speed, in cells. A step is 0.2 s of the kinematics that the simulator's expert
is built on (De Luca, Oriolo and Samson 1998), with ``e`` the cross-track error (m, positive left of the centre line),
``psi`` the heading error (rad) and ``k`` the road's curvature (1/m) just ahead::

    e' = v sin(psi)        psi' = v (c - k cos(psi) / (1 - e k))        c the curvature that is steered

Where a step ends between the middles of cells it leads to each of them with the weight of linear interpolation, so that
the mean is exact (Kushner & Dupuis 2001, chapter 5). How the road's curvature goes on is counted on drawn tracks.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from models.cells import Cells
from models.rewards.mdp import Floats, Integers, TabularMdp
from sim.driving.lane import LOOK_AHEADS_M
from sim.driving.track import Track
from sim.tabular.task import RewardMap, TabularTask

__all__ = ["CELLS", "CURVATURES_PER_M", "LOOK_AHEAD_M", "SPEED_M_S", "STEP_S", "STEP_TICKS", "lane"]

SPEED_M_S = 4.0
"""What the car is driven at: the tightest bend of a track, 5 m, is then taken at 3.2 m/s², half of what tyres hold."""

STEP_S = 0.2
STEP_TICKS = 4
"""Of the simulator's control, 50 ms each. In one tick the car would not leave its cell."""

LOOK_AHEAD_M = LOOK_AHEADS_M[0]
"""Where the road's curvature is read: as far as a step leads."""

CELLS = Cells(low=(-1.95, -0.55, -0.25), high=(1.95, 0.55, 0.25), counts=(13, 11, 5))
"""Of cross-track error (m; the road ends at 2 m), heading error (rad), and curvature (1/m; tracks bend by 0.2)."""

CURVATURES_PER_M = tuple(round(0.1 * step, 1) for step in range(-4, 5))
"""What can be steered; the car itself reaches 0.57."""

STATES = 26
"""Of a demonstration: five seconds, in which the expert is back on the centre line from anywhere on the road."""

DISCOUNT = 0.8
"""γ of a step: a second ahead counts a third, and what comes after a demonstration 0.3 %."""

# Tracks on which curvature is counted, far from those that are ever driven.
_TRACKS = range(90_000, 90_020)
_SUBSTEPS = 4


def lane(*, finite: bool = True) -> TabularTask:
    """The road as a world. Features say in which cell of cross-track error and in which of heading error the car is.

    Nobody knows the true reward here: demonstrations come from the simulator (``sim.tabular.lane_drives``). Episodes
    start anywhere.

    Args:
        finite: whether the plain sum over a demonstration counts, or the discounted sum.
    """
    count = CELLS.count
    mdp = TabularMdp(_transitions(), np.full(count, 1.0 / count), DISCOUNT, STATES)
    place, heading, _ = CELLS.split(np.arange(count))
    features = np.hstack([np.eye(CELLS.counts[0])[place], np.eye(CELLS.counts[1])[heading]])
    names = tuple(f"{value:+.1f} m" for value in CELLS.middles(0)) + tuple(f"{v:+.1f} rad" for v in CELLS.middles(1))
    return TabularTask("lane", mdp, features, names, False, _draw, finite)


def _transitions() -> sparse.csr_array:
    count, actions = CELLS.count, len(CURVATURES_PER_M)
    _, _, bend = CELLS.split(np.arange(count))
    place, heading, curvature = CELLS.middles_of(np.arange(count)).T
    bends = _curvature_chain()
    rows, ends, chances = [], [], []
    for action, steered in enumerate(CURVATURES_PER_M):
        error, turned = place.copy(), heading.copy()
        for _ in range(_SUBSTEPS):
            travelled = SPEED_M_S * STEP_S / _SUBSTEPS
            stretch = np.maximum(0.5, 1.0 - error * curvature)
            error, turned = (
                error + travelled * np.sin(turned),
                turned + travelled * (steered - curvature * np.cos(turned) / stretch),
            )
        for places, place_share in _neighbours(0, error):
            for headings, heading_share in _neighbours(1, turned):
                for next_bend in range(CELLS.counts[2]):
                    rows.append(np.arange(count) * actions + action)
                    ends.append(CELLS.join(places, headings, np.full(count, next_bend)))
                    chances.append(place_share * heading_share * bends[bend, next_bend])
    entries = np.concatenate(chances), (np.concatenate(rows), np.concatenate(ends))
    table = sparse.coo_array(entries, shape=(count * actions, count)).tocsr()
    table.eliminate_zeros()
    return table


def _neighbours(axis: int, values: Floats) -> list[tuple[Integers, Floats]]:
    """The two cells whose middles a value lies between, each with its weight; beyond the outermost middle that one."""
    middles = CELLS.middles(axis)
    inside = np.clip((values - middles[0]) / (middles[1] - middles[0]), 0.0, len(middles) - 1.0)
    below = np.minimum(inside.astype(np.int64), len(middles) - 2)
    above = inside - below
    return [(below, 1.0 - above), (below + 1, above)]


def _curvature_chain() -> Floats:
    """``P(bend' | bend)`` a step later, counted along tracks in both directions of every seed, ``(cells, cells)``."""
    counts = np.zeros((CELLS.counts[2], CELLS.counts[2]))
    for seed in _TRACKS:
        track = Track.from_seed(seed)
        places = np.arange(0.0, track.length_m, STEP_S * SPEED_M_S)
        bends = CELLS.along(2, np.array([track.curvature_at(place) for place in places]))
        # Driven the other way round, the road bends the other way.
        for here in (bends, CELLS.counts[2] - 1 - bends[::-1]):
            np.add.at(counts, (here, np.roll(here, -1)), 1.0)
    shares: Floats = counts / counts.sum(axis=1, keepdims=True)
    return shares


def _draw(reward: Floats) -> tuple[RewardMap, ...]:
    """Cross-track error against heading error; the reward knows no curvature."""
    table = reward.reshape(CELLS.counts).mean(axis=2)
    names = tuple(f"{value:+.1f}" for value in CELLS.middles(0)), tuple(f"{value:+.1f}" for value in CELLS.middles(1))
    axes = ("cross-track error (m)", "heading error (rad)")
    return (RewardMap("Reward of being there", table[::-1], names[0][::-1], names[1], axes),)
