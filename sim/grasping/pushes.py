"""How to push clutter out of the fingers' way: what, from where, and which way. Plain NumPy.

Candidates are every object that is in the way of a grasp, pushed along each of 24 directions by closed fingers that come
down behind it. The cheapest is chosen: the shorter way to push, the shorter way for the hand; hitting the target, or
coming down on something, costs more than any way. A push that has begun keeps getting cheaper, and one that the fingers
stand right behind is cheaper still, so the choice stays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sim.grasping.footprints import PLANE_HEADINGS, Footprints, gaps_m
from sim.grasping.grasps import Grasps
from sim.grasping.kinematics import Array

__all__ = ["Push", "best_push", "standing_behind"]

#: Closed fingers as a disc: half the diagonal of their 2 cm square, and a little.
FINGERS_M = 0.016
#: They come down this far behind the object.
STAND_OFF_M = 0.010
# A push ends once the fingers would have this much room.
_ENOUGH_M = 0.010
_ANGLES = np.arange(24) * (math.pi / 12.0)
_DIRECTIONS: Array = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
_WAYS_M: Array = np.arange(1, 13) * 0.01
# Of grasps, only the few with the most room are worth clearing.
_GRASPS = 4


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
    for grasp in np.argsort(-grasps.free_m(), kind="stable")[:_GRASPS]:
        blockers = np.flatnonzero(grasps.room_m[grasp] < _ENOUGH_M)
        for blocker in blockers + 1:
            ways = _ways_to_clear(footprints, grasps, int(grasp), int(blocker))
            behind = footprints.reach_along(int(blocker), _DIRECTIONS) + FINGERS_M + STAND_OFF_M
            starts = footprints.centres_m[blocker] - behind[:, None] * _DIRECTIONS
            cost = ways + 0.25 * np.linalg.norm(starts - tool_m, axis=1)
            cost = cost + 0.05 * (len(blockers) - 1)
            cost = cost + _obstacles(footprints, int(blocker), starts, ways)
            cost = cost + 1.0 * ((starts < low) | (starts > high)).any(axis=1)
            cost = cost - 0.05 * standing_behind(tool_m - footprints.centres_m[blocker], _DIRECTIONS, behind)
            chosen = int(cost.argmin())
            if best is None or cost[chosen] < best.cost:
                best = Push(int(blocker), _DIRECTIONS[chosen], float(behind[chosen]), float(cost[chosen]))
    return best


def _ways_to_clear(footprints: Footprints, grasps: Grasps, grasp: int, blocker: int) -> Array:
    """``(directions,)`` metres to push until both fingers have room; longer than any where it does not help."""
    moved = footprints.centres_m[blocker] + _WAYS_M[:, None, None] * _DIRECTIONS
    offsets = moved[:, :, None, :] - grasps.centres_m[grasp]
    room = gaps_m(offsets, grasps.reach_m[grasp] + footprints.reach_m[blocker]).min(axis=-1)
    clear = room > _ENOUGH_M
    found: Array = np.where(clear.any(axis=0), _WAYS_M[clear.argmax(axis=0)], 2.0 * _WAYS_M[-1])
    return found


def _obstacles(footprints: Footprints, blocker: int, starts: Array, ways: Array) -> Array:
    """``(directions,)`` extra cost of what the fingers and the pushed object would hit."""
    others = np.delete(np.arange(len(footprints.centres_m)), blocker)
    reach = footprints.reach_m[others] + FINGERS_M
    landing = gaps_m(starts[:, None, :] - footprints.centres_m[others], reach).min(axis=1)
    # Where they come down they need a little room; the nearer something is, the worse.
    cost = np.where(landing < 0.003, 1.0 + 10.0 * np.clip(0.003 - landing, 0.0, 0.05), 0.0)
    steps = np.linspace(0.0, 1.0, 5)[:, None, None] * (ways + STAND_OFF_M)[None, :, None] * _DIRECTIONS
    target = footprints.centres_m[0]
    fingers = gaps_m(starts + steps - target, footprints.reach_m[0] + FINGERS_M).min(axis=0)
    cost = cost + np.where(fingers < 0.0, 0.5, 0.0)
    between = footprints.centres_m[blocker] - target
    both = footprints.reach_m[0] + footprints.reach_m[blocker]
    now = float(gaps_m(between, both))
    pushed = gaps_m(between + steps, both).min(axis=0)
    found: Array = cost + np.where(pushed < min(now, 0.0) - 0.003, 0.3, 0.0)
    # Other clutter in the way comes along; rather not.
    spare = np.delete(np.arange(1, len(footprints.centres_m)), blocker - 1)
    if len(spare):
        offsets = (footprints.centres_m[blocker] + steps[-1])[:, None, :] - footprints.centres_m[spare]
        crowd = gaps_m(offsets, footprints.reach_m[spare] + footprints.reach_m[blocker])
        found = found + 0.02 * (crowd < 0.0).sum(axis=1)
    return found
