"""A highway in steps: lanes, speeds, and other cars to pass or to hit.

After the driving experiments of Abbeel & Ng 2004 (section 5.2: lanes, the grass beside them, styles of driving) and of
Syed & Schapire 2007 (three speeds; features that say safe, on the road, and fast). The road has three lanes with grass
on either side. Slower cars come towards the driver one after the other, each in a lane drawn at random; whoever is in
its lane when it is passed has hit it. A faster driver meets more of them.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from scipy import sparse

from models.rewards.mdp import Floats, Integers, TabularMdp
from sim.tabular.task import DISCOUNT, DISCOUNTED, FINITE, RewardMap, TabularTask

__all__ = ["ACTIONS", "SAFE_FEATURES", "STYLE_FEATURES", "Style", "careless", "highway", "safe_highway"]

LANES = ("grass on the left", "left lane", "middle lane", "right lane", "grass on the right")
SPEEDS = ("slow", "medium", "fast")
ACTIONS = ("keep on", "left", "right", "faster", "slower")
# Places of the next car ahead, 0 the nearest. Cells that a driver covers in a step, relative to it: 1, 2, 3 by speed.
_GAPS = 9
# A new car comes into sight this many cells from the farthest place, each as likely.
_NEW_GAPS = 3
# A change of lane succeeds this often; otherwise the car stays where it is.
_STEERS = 0.9
_SHAPE = (len(LANES), len(SPEEDS), 3, _GAPS)

STYLE_FEATURES = ("collision", "grass", "left lane", "middle lane", "right lane", "slow", "medium", "fast")
SAFE_FEATURES = ("safe", "on the road", "fast")


class Style(StrEnum):
    """How the expert drives; Abbeel & Ng's five (their table 1)."""

    NICE = "nice"
    NASTY = "nasty"
    RIGHT_LANE_NICE = "right-lane-nice"
    RIGHT_LANE_NASTY = "right-lane-nasty"
    MIDDLE_LANE = "middle-lane"


# In the order of STYLE_FEATURES. A nice driver avoids cars first of all, a nasty one collects them.
_WEIGHTS: dict[Style, tuple[float, ...]] = {
    Style.NICE: (-1.0, -0.5, 0.0, 0.05, 0.1, 0.0, 0.1, 0.2),
    Style.NASTY: (1.0, -0.5, 0.0, 0.0, 0.0, 0.0, 0.05, 0.1),
    Style.RIGHT_LANE_NICE: (-1.0, -0.4, 0.0, 0.0, 0.5, 0.0, 0.05, 0.1),
    Style.RIGHT_LANE_NASTY: (0.6, -0.4, 0.0, 0.0, 0.5, 0.0, 0.05, 0.1),
    Style.MIDDLE_LANE: (0.0, -0.4, 0.0, 0.8, 0.0, 0.0, 0.05, 0.1),
}


def _columns() -> tuple[Integers, ...]:
    """Lane, speed, lane of the next car, and its place, of every state."""
    return tuple(np.asarray(axis, np.int64) for axis in np.unravel_index(np.arange(int(np.prod(_SHAPE))), _SHAPE))


def _world(finite: bool) -> TabularMdp:
    lane, speed, other, gap = _columns()
    states = np.arange(len(lane))
    rows, ends, chances = [], [], []

    def leads(action: int, next_lane: Integers, next_speed: Integers, chance: float) -> None:
        ahead = gap - (speed + 1)
        passed = ahead < 0
        arrivals = [(new_lane, new_gap) for new_lane in range(3) for new_gap in range(_GAPS - _NEW_GAPS, _GAPS)]
        for new_lane, new_gap in arrivals:
            seen = np.where(passed, new_lane, other), np.where(passed, new_gap, ahead)
            place = np.stack([next_lane, next_speed, *seen])
            rows.append(states * len(ACTIONS) + action)
            ends.append(np.ravel_multi_index(tuple(place), _SHAPE))
            chances.append(np.full(len(states), chance / len(arrivals)))

    for action, (aside, faster) in enumerate(((0, 0), (-1, 0), (1, 0), (0, 1), (0, -1))):
        there = np.clip(lane + aside, 0, len(LANES) - 1)
        pace = np.clip(speed + faster, 0, len(SPEEDS) - 1)
        leads(action, there, pace, _STEERS if aside else 1.0)
        if aside:
            leads(action, lane, pace, 1.0 - _STEERS)
    shape = (len(states) * len(ACTIONS), len(states))
    # Duplicates add up: the same end by several ways.
    table = sparse.coo_array((np.concatenate(chances), (np.concatenate(rows), np.concatenate(ends))), shape=shape)
    start = ((lane == 2) & (speed == 1) & (gap >= _GAPS - _NEW_GAPS)).astype(np.float64)
    return TabularMdp(table.tocsr(), start / start.sum(), DISCOUNT, FINITE if finite else DISCOUNTED)


def _hits(lane: Integers, speed: Integers, other: Integers, gap: Integers) -> Floats:
    """1 where the next car is passed in this step, and is in the driver's lane."""
    return np.asarray((lane == other + 1) & (gap <= speed), np.float64)


def highway(style: Style, *, finite: bool = False) -> TabularTask:
    """A style of driving to recover; features within [0, 1], weights of either sign.

    Args:
        style: of the expert.
        finite: whether the plain sum over 20 states counts, or the sum discounted by 0.9.
    """
    lane, speed, other, gap = _columns()
    columns = [_hits(lane, speed, other, gap), (lane == 0) | (lane == 4)]
    columns += [lane == 1, lane == 2, lane == 3, speed == 0, speed == 1, speed == 2]
    features = np.stack(columns, axis=1).astype(np.float64)
    weights = np.array(_WEIGHTS[style])
    weights /= np.linalg.norm(weights)
    name = f"highway, {style.value.replace('-', ' ')}"
    return TabularTask(name, _world(finite), features, STYLE_FEATURES, False, _draw, finite, weights)


def safe_highway() -> TabularTask:
    """The same road judged by three features within [-1, 1] of which more is better (Syed & Schapire 2007).

    The expert is the best one under equal weights; :func:`careless` spoils it.
    """
    lane, speed, other, gap = _columns()
    hits, grass = _hits(lane, speed, other, gap), (lane == 0) | (lane == 4)
    features = np.stack([1.0 - 2.0 * hits, 1.0 - 2.0 * grass, speed - 1.0], axis=1)
    weights = np.full(3, 1.0 / 3.0)
    name = "highway, safe and fast"
    return TabularTask(name, _world(False), features, SAFE_FEATURES, True, _draw, False, weights)


def careless(expert: Floats, share: float) -> Floats:
    """An expert ``(S, A)`` that does anything at random with probability ``share``: worse at everything at once."""
    policy: Floats = (1.0 - share) * expert + share / expert.shape[1]
    return policy


def _draw(reward: Floats) -> tuple[RewardMap, ...]:
    """Lane against speed, averaged over places of the other car that is not hit; and the price of hitting it."""
    lane, speed, other, gap = _columns()
    hit = _hits(lane, speed, other, gap) > 0.0
    free, price = np.zeros((len(LANES), len(SPEEDS))), np.full((len(LANES), len(SPEEDS)), np.nan)
    for row in range(len(LANES)):
        for column in range(len(SPEEDS)):
            here = (lane == row) & (speed == column)
            free[row, column] = reward[here & ~hit].mean()
            if (here & hit).any():
                price[row, column] = reward[here & hit].mean()
    axes = ("lane", "speed")
    return (
        RewardMap("Reward while nobody is hit", free, LANES, SPEEDS, axes),
        RewardMap("Reward while a car is hit", price, LANES, SPEEDS, axes),
    )
