"""The frames of the chunks experiment: late as they are said to be, and for every way of running a policy alike."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from bench.policies.chunks import LATE_PERIODS, LateFrames
from bench.policies.grasps import PERIOD_NS


def _stamps(share: float, scene: int, ticks: int) -> list[int | None]:
    """Of each tick from 1 on: the number of the tick whose frame is the newest to have come in it."""
    frames = LateFrames(share, scene)
    arrived = [frames.exchange({"number": np.array([tick])}, tick * PERIOD_NS) for tick in range(1, ticks + 1)]
    for one in arrived:
        assert one is None or one[0] == PERIOD_NS * one[1]["number"][0]
    return [None if one is None else one[0] // PERIOD_NS for one in arrived]


def test_frames_in_time_come_at_once() -> None:
    assert _stamps(0.0, 0, 5) == [1, 2, 3, 4, 5]


def test_a_late_frame_comes_two_periods_later_and_nothing_overtakes_it() -> None:
    """Catches a newer frame that is answered before an older one has come, and one that never comes."""
    assert LATE_PERIODS == 2
    assert _stamps(1.0, 0, 5) == [None, None, 1, 2, 3]
    found = _stamps(0.3, 1, 400)
    come = [(tick, stamp) for tick, stamp in enumerate(found, 1) if stamp is not None]
    assert {tick - stamp for tick, stamp in come} == {0, 1, 2}
    assert all(later > earlier for (_, earlier), (_, later) in pairwise(come))
    # A tick has its own frame unless that or the one before it is late: 0.7 squared.
    assert 0.42 < sum(tick == stamp for tick, stamp in come) / 400 < 0.56


def test_equal_scenes_have_equal_frames_late() -> None:
    assert _stamps(0.3, 7, 100) == _stamps(0.3, 7, 100)
    assert _stamps(0.3, 7, 100) != _stamps(0.3, 8, 100)
