"""The plan of a simulator's episodes."""

from __future__ import annotations

import pytest

from il_nodes.simulator.episodes import EpisodePlan
from il_nodes.simulator.laps import LapRules
from il_nodes.simulator.robot import JoinedCommands
from models.errors import SimulationError
from sim.driving.metrics import DrivingStatus


def plan(**changes: object) -> EpisodePlan:
    settings: dict[str, object] = {"seed": 2, "max_episode_s": 5.0, "ends_by_itself": True}
    return EpisodePlan("drive", "track", [7, 7], **{**settings, **changes})  # type: ignore[arg-type]


def test_one_track_twice_is_two_starts() -> None:
    """Would catch a second episode on one track that repeats the first, and seeds that two plans share."""
    episodes = plan()
    first, second = episodes.next(), episodes.next()
    assert first is not None
    assert second is not None
    assert (first.episode_id, second.episode_id) == ("drive-000-track-7", "drive-001-track-7")
    assert first.drawn_seed == second.drawn_seed == 7
    assert first.world_seed != second.world_seed
    other = plan(seed=3).next()
    assert other is not None
    assert other.world_seed not in (first.world_seed, second.world_seed)
    assert episodes.next() is None


def test_an_endless_plan_begins_again_elsewhere() -> None:
    """Would catch a robot that stops while a policy trains, and one that repeats the same starts."""
    episodes = EpisodePlan("live", "track", [7, 8], seed=2, max_episode_s=5.0, ends_by_itself=True, endless=True)
    found = [episode for episode in (episodes.next() for _ in range(5)) if episode is not None]
    assert [episode.drawn_seed for episode in found] == [7, 8, 7, 8, 7]
    assert len({episode.episode_id for episode in found}) == 5
    assert len({episode.world_seed for episode in found}) == 5


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
    assert plan().is_over(5.0)
    assert not plan().is_over(4.95)
    assert not plan(max_episode_s=0.0).is_over(1e6)
    assert LapRules(1, 0.1, 0.05).is_over(DrivingStatus(laps=1))
    assert not LapRules(0, 0.1, 0.05).is_over(DrivingStatus(laps=3))


def test_a_car_is_put_back_only_after_staying_off_the_road() -> None:
    """Would catch a recovery for one wheel over the edge, and one that never comes."""
    rules = LapRules(1, 0.1, 0.05)
    off, on = DrivingStatus(off_track=True), DrivingStatus()
    assert [rules.must_recover(s) for s in (off, on, off, off, off, off)] == [False, False, False, True, False, True]
    rules.must_recover(off)
    rules.start()
    assert not rules.must_recover(off), "what happened on the track before counts on this one"


@pytest.mark.parametrize("seeds", [[], [-1]])
def test_impossible_plans_are_refused(seeds: list[int]) -> None:
    """Would catch a run without episodes that looks like a success."""
    with pytest.raises(SimulationError, match="scene_seeds"):
        EpisodePlan("x", "scene", seeds, seed=0, max_episode_s=1.0, ends_by_itself=True)
    with pytest.raises(SimulationError, match="without an end"):
        plan(ends_by_itself=False, max_episode_s=0.0)


def test_a_command_is_whole_only_when_all_parts_answer_one_observation() -> None:
    """Would catch an arm that moves on half a command, or on parts that belong to different pictures."""
    joined = JoinedCommands(2)
    assert joined.take(0, 10, (1.0, 2.0)) is None
    assert joined.take(1, 9, (3.0,)) is None
    assert joined.take(1, 10, (4.0,)) == (1.0, 2.0, 4.0)
    assert joined.take(1, 10, (5.0,)) is None, "one part alone counts again"
    joined.reset()
    assert joined.take(0, 10, (1.0, 2.0)) is None, "a part of the episode before"
    assert JoinedCommands(1).take(0, 7, (1.0,)) == (1.0,)
