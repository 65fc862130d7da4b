"""Stretches of a dataset side by side, for a state that goes on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["lay_lanes"]

IndexArray = npt.NDArray[np.int64]


def lay_lanes(
    ticks: IndexArray, begins: npt.NDArray[np.bool_], count: int, order: IndexArray | None = None
) -> IndexArray:
    """Lay stretches into lanes, one behind the other, so that all lanes are about equally long.

    The longest stretch goes first, each into the shortest lane so far (Graham 1969). How long the lanes get depends on
    the lengths alone and not on ``order``, so that every pass over a dataset has equally many pieces.

    Args:
        ticks: ``(M,)`` ascending; whole stretches.
        begins: ``(T,)`` where a stretch begins, by tick.
        count: lanes at most; never more than there are stretches.
        order: ``(S,)`` a permutation of the stretches: which of equally long ones goes where, and what follows what in
            a lane. The order of the dataset when not given.

    Returns:
        ``(lanes, longest)`` ticks, -1 where a lane has ended.
    """
    stretches = np.split(ticks, np.flatnonzero(begins[ticks])[1:])
    places = np.arange(len(stretches)) if order is None else order
    by_length = sorted(places.tolist(), key=lambda place: -len(stretches[place]))
    lanes: list[list[int]] = [[] for _ in range(min(count, len(stretches)))]
    lengths = [0] * len(lanes)
    for place in by_length:
        shortest = lengths.index(min(lengths))
        lanes[shortest].append(place)
        lengths[shortest] += len(stretches[place])
    turn = {place: position for position, place in enumerate(places.tolist())}
    laid = np.full((len(lanes), max(lengths)), -1, np.int64)
    for lane, members in enumerate(lanes):
        row = np.concatenate([stretches[place] for place in sorted(members, key=turn.__getitem__)])
        laid[lane, : len(row)] = row
    return laid
