"""What the comparison with `imitation`'s GAIL counts: the first policy that is good enough, and kept trainings."""

from __future__ import annotations

from pathlib import Path

from bench.rewards.control.gail_peer import _reached, _share, _summary
from bench.rewards.control.peers.order import Point
from bench.rewards.control.points import kept_points
from bench.units import Units

SOLVED = [Point(10, 1.0, 30.0), Point(20, 2.0, 480.0), Point(30, 3.0, 400.0)]
UNSOLVED = [Point(10, 1.0, 30.0), Point(20, 2.5, 50.0)]


def test_the_first_policy_that_is_good_enough_counts() -> None:
    """Catches a later one, and a side that never gets there and is taken for quick: its whole time counts."""
    assert _reached(SOLVED, 475.0) == SOLVED[1]
    assert _reached(UNSOLVED, 475.0) == UNSOLVED[-1]
    assert _share([SOLVED, UNSOLVED], 475.0) == 0.5


def test_the_return_at_the_end_is_that_of_the_last_policy() -> None:
    """Catches the best policy on the way, which nobody could choose without the true reward."""
    found = _summary([SOLVED, UNSOLVED], 475.0)
    assert found["returns_by_seed"] == [400.0, 50.0]
    assert found["steps_at_the_end"] == [30, 20]


def test_points_that_are_kept_are_those_that_were_found(tmp_path: Path) -> None:
    runs: list[int] = []

    def run() -> list[Point]:
        runs.append(1)
        return SOLVED

    for _ in range(2):
        assert kept_points(Units(tmp_path), "ours-0", {"steps": 30}, run) == SOLVED
    assert len(runs) == 1
