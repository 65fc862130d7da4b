"""The plan of a simulator's episodes."""

from __future__ import annotations

import pytest

from il_nodes.simulator.episodes import EpisodePlan
from models.errors import SimulationError
from sim.driving.metrics import DrivingStatus


def plan(**changes: object) -> EpisodePlan:
    settings: dict[str, object] = {"seed": 2, "laps": 1, "max_episode_s": 5.0, "off_track_s": 0.1, "period_s": 0.05}
    return EpisodePlan("drive", [7, 7], **{**settings, **changes})  # type: ignore[arg-type]


def test_one_track_twice_is_two_starts() -> None:
    """Would catch a second episode on one track that repeats the first, and seeds that two plans share."""
    episodes = plan()
    first, second = episodes.next(), episodes.next()
    assert first is not None
    assert second is not None
    assert (first.episode_id, second.episode_id) == ("drive-000-track-7", "drive-001-track-7")
    assert first.track_seed == second.track_seed == 7
    assert first.world_seed != second.world_seed
    other = plan(seed=3).next()
    assert other is not None
    assert other.world_seed not in (first.world_seed, second.world_seed)
    assert episodes.next() is None


def test_a_reset_repeats_the_episode_under_another_name() -> None:
    """Would catch a reset that overwrites a recording or skips an episode."""
    episodes = plan()
    episodes.next()
    again = episodes.again()
    following = episodes.next()
    assert again is not None
    assert following is not None
    assert again.episode_id == "drive-000-track-7-again-1"
    assert following.episode_id == "drive-001-track-7"


def test_an_episode_ends_by_laps_or_by_time() -> None:
    """Would catch a limit that is ignored, and a limit of zero that ends an episode at once."""
    assert plan().is_over(DrivingStatus(laps=1))
    assert plan().is_over(DrivingStatus(elapsed_s=5.0))
    assert not plan().is_over(DrivingStatus(elapsed_s=4.95))
    assert not plan(laps=0).is_over(DrivingStatus(laps=3, elapsed_s=1.0))
    assert not plan(max_episode_s=0.0).is_over(DrivingStatus(elapsed_s=1e6))


def test_a_car_is_put_back_only_after_staying_off_the_road() -> None:
    """Would catch a recovery for one wheel over the edge, and one that never comes."""
    episodes = plan()
    episodes.next()
    off, on = DrivingStatus(off_track=True), DrivingStatus()
    assert [episodes.must_recover(s) for s in (off, on, off, off, off, off)] == [False, False, False, True, False, True]


@pytest.mark.parametrize("seeds", [[], [-1]])
def test_impossible_plans_are_refused(seeds: list[int]) -> None:
    """Would catch a run without episodes that looks like a success."""
    with pytest.raises(SimulationError, match="track_seeds"):
        EpisodePlan("x", seeds, seed=0, laps=1, max_episode_s=1.0, off_track_s=0.5, period_s=0.05)
    with pytest.raises(SimulationError, match="without an end"):
        plan(laps=0, max_episode_s=0.0)
