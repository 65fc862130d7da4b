"""How to push clutter out of the fingers' way: what, from where, and which way. Plain NumPy.

Candidates are all objects that are in the way of a grasp, pushed along each of 16 directions by closed fingers that
come down behind them. The cheapest is chosen: a short way to push, and a short way for the hand; hitting the target, or
coming down on something, costs more than any way. A push that has begun keeps getting cheaper, and one that the fingers
stand right behind is cheaper still, so the choice stays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sim.grasping.footprints import Footprints, gaps_m
from sim.grasping.grasps import Grasps
from sim.grasping.kinematics import Array

__all__ = ["Push", "best_push", "standing_behind"]

#: Closed fingers as a disc: half the diagonal of their 2 cm square, and a little.
FINGERS_M = 0.016
#: They come down this far behind the object.
STAND_OFF_M = 0.010
# A push ends once the fingers would have this much room.
_ENOUGH_M = 0.010
_ANGLES: Array = np.linspace(0.0, 2.0 * math.pi, 16, endpoint=False)
_DIRECTIONS: Array = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
_WAYS_M: Array = np.linspace(0.012, 0.12, 10)
# Where along a push it is looked for hits.
_PARTS: Array = np.linspace(0.0, 1.0, 4)
# Of grasps, only those with the most room are worth clearing.
_GRASPS = 2


# Where fingers count as standing behind an object: this far to either side of its middle, and along the way from where
# they come down: a little farther back, or up to the object.
_ASIDE_M, _BACK_M, _AHEAD_M = 0.015, 0.020, 0.035


@dataclass(frozen=True, slots=True)
class Push:
    """One push.

    Attributes:
        index: of the object among all of the scene's.
        direction: ``(2,)`` unit vector in the base frame.
        behind_m: from the object's centre back to where the fingers come down.
        cost: what it was chosen by, in metres.
    """

    index: int
    direction: Array
    behind_m: float
    cost: float


def standing_behind(offsets_m: Array, directions: Array, behind_m: Array | float) -> Array:
    """How well fingers stand to push: 1 right behind an object's middle, 0 from 1.5 cm beside it on, or not behind it.

    Args:
        offsets_m: ``(..., 2)`` from the object's centre to the fingers.
        directions: ``(..., 2)`` of the push.
        behind_m: ``Push.behind_m``.
    """
    along = (offsets_m * directions).sum(axis=-1) + behind_m
    aside = np.abs(offsets_m[..., 0] * directions[..., 1] - offsets_m[..., 1] * directions[..., 0])
    inside = (along > -_BACK_M) & (along < _AHEAD_M)
    found: Array = np.where(inside, np.clip(1.0 - aside / _ASIDE_M, 0.0, 1.0), 0.0)
    return found


def best_push(footprints: Footprints, grasps: Grasps, tool_m: Array, x_m: Array, y_m: Array) -> Push | None:
    """The cheapest push that makes room for a grasp; ``None`` where nothing is in the way.

    Args:
        footprints: of the target, then of the clutter.
        grasps: around the target.
        tool_m: ``(2,)`` where the tool is.
        x_m: ``(2,)`` range of the tool.
        y_m: ``(2,)`` range of the tool.
    """
    best: Push | None = None
    low, high = np.array([x_m[0], y_m[0]]), np.array([x_m[1], y_m[1]])
    standing: dict[int, tuple[Array, Array, Array]] = {}
    for grasp in np.argsort(-grasps.free_m(), kind="stable")[:_GRASPS].tolist():
        blockers = (np.flatnonzero(grasps.room_m[grasp] < _ENOUGH_M) + 1).tolist()
        for blocker in blockers:
            if blocker not in standing:
                standing[blocker] = _cost_of_standing(footprints, blocker, tool_m, low, high)
            behind, starts, cost = standing[blocker]
            ways = _ways_to_clear(footprints, grasps, grasp, blocker)
            cost = cost + ways + 0.05 * (len(blockers) - 1) + _cost_of_hits(footprints, blocker, starts, ways)
            chosen = int(cost.argmin())
            if best is None or cost[chosen] < best.cost:
                best = Push(blocker, _DIRECTIONS[chosen], float(behind[chosen]), float(cost[chosen]))
    return best


def _cost_of_standing(
    footprints: Footprints, blocker: int, tool_m: Array, low: Array, high: Array
) -> tuple[Array, Array, Array]:
    """Where the fingers would stand for each direction, and what getting there costs.

    Returns:
        ``(directions,)`` metres behind the object's centre, ``(directions, 2)`` places, ``(directions,)`` costs.
    """
    behind = footprints.reach_along(blocker, _DIRECTIONS) + FINGERS_M + STAND_OFF_M
    starts = footprints.centres_m[blocker] - behind[:, None] * _DIRECTIONS
    cost = 0.25 * np.hypot(*(starts - tool_m).T)
    cost = cost - 0.05 * standing_behind(tool_m - footprints.centres_m[blocker], _DIRECTIONS, behind)
    cost = cost + 1.0 * ((starts < low) | (starts > high)).any(axis=1)
    others = np.arange(len(footprints.centres_m)) != blocker
    reach = footprints.reach_m[others] + FINGERS_M
    landing = gaps_m(starts[:, None, :] - footprints.centres_m[others], reach).min(axis=1)
    # Where they come down they need a little room; the nearer something is, the worse.
    cost = cost + np.where(landing < 0.003, 1.0 + 10.0 * np.minimum(0.003 - landing, 0.05), 0.0)
    return behind, starts, cost


def _ways_to_clear(footprints: Footprints, grasps: Grasps, grasp: int, blocker: int) -> Array:
    """``(directions,)`` metres to push until both fingers have room; longer than any where it does not help."""
    moved = footprints.centres_m[blocker] + _WAYS_M[:, None, None] * _DIRECTIONS
    offsets = moved[:, :, None, :] - grasps.centres_m[grasp]
    room = gaps_m(offsets, grasps.reach_m[grasp] + footprints.reach_m[blocker]).min(axis=-1)
    clear = room > _ENOUGH_M
    found: Array = np.where(clear.any(axis=0), _WAYS_M[clear.argmax(axis=0)], 2.0 * _WAYS_M[-1])
    return found


def _cost_of_hits(footprints: Footprints, blocker: int, starts: Array, ways: Array) -> Array:
    """``(directions,)`` extra cost of what the fingers and the pushed object would hit on their way."""
    steps = _PARTS[:, None, None] * (ways + STAND_OFF_M)[None, :, None] * _DIRECTIONS
    target = footprints.centres_m[0]
    fingers = gaps_m(starts + steps - target, footprints.reach_m[0] + FINGERS_M).min(axis=0)
    between = footprints.centres_m[blocker] - target
    # The object itself against the target, first where it is and then on its way.
    both = gaps_m(
        between + np.concatenate([0.0 * steps[:1], steps]), footprints.reach_m[0] + footprints.reach_m[blocker]
    )
    pressed = both.min(axis=0) < np.minimum(both[0], 0.0) - 0.003
    # Other clutter in the way comes along; rather not.
    others = np.arange(len(footprints.centres_m)) != blocker
    others[0] = False
    ends = (footprints.centres_m[blocker] + steps[-1])[:, None, :] - footprints.centres_m[others]
    crowd = gaps_m(ends, footprints.reach_m[others] + footprints.reach_m[blocker]) < 0.0
    found: Array = 0.5 * (fingers < 0.0) + 0.3 * pressed + 0.02 * crowd.sum(axis=1)
    return found
