"""Which announcements begin an episode, what belongs to it, and its name."""

from __future__ import annotations

from pathlib import Path

from il_nodes.recorder.episode_window import EpisodeNames, EpisodeWindow


def test_a_window_holds_what_is_stamped_in_it() -> None:
    """Would catch messages of the episode before, or after, in a recording."""
    window = EpisodeWindow("drive", "drive", since_ns=100)
    assert [window.holds(stamp) for stamp in (99, 100, 10**18)] == [False, True, True]
    assert not window.is_over(1e9)
    window.end(200, over_at_s=5.0)
    window.end(300, over_at_s=9.0)
    assert [window.holds(stamp) for stamp in (200, 201)] == [True, False]
    assert [window.is_over(now_s) for now_s in (4.9, 5.0)] == [False, True]


def test_an_announcement_begins_an_episode_once(tmp_path: Path) -> None:
    """Would catch a recovery that cuts an episode in two, and one of the same id that is swallowed by the grace."""
    names = EpisodeNames(tmp_path)
    assert names.is_new("a", None)
    window = EpisodeWindow(names.choose("a"), "a", 0)
    assert not names.is_new("a", window)
    assert names.is_new("b", window)
    window.end(10, 1.0)
    assert names.is_new("a", window)
    assert names.choose("a") == "a-2"
    (tmp_path / "a-3").mkdir()
    (tmp_path / "a-4.partial").mkdir()
    assert names.choose("a") == "a-5"


def test_a_recording_of_an_earlier_run_is_not_made_way_for(tmp_path: Path) -> None:
    """Would catch a folder that fills with second takes nobody asked for; the writer refuses the name instead."""
    (tmp_path / "a").mkdir()
    assert EpisodeNames(tmp_path).choose("a") == "a"


def test_what_a_person_stopped_is_not_taken_up_again(tmp_path: Path) -> None:
    """Would catch a recording that goes on behind a person's back when the car is put back on its track."""
    names = EpisodeNames(tmp_path)
    window = EpisodeWindow(names.choose("a"), "a", 0)
    names.stop(window)
    assert not names.is_new("a", None)
    assert names.is_new("b", None)
    names.forget_stopped()
    assert names.is_new("a", None)


def test_an_episode_by_hand_does_not_bring_back_what_was_stopped(tmp_path: Path) -> None:
    """Would catch an episode that a person started, cut off by the one that the same person had stopped before."""
    names = EpisodeNames(tmp_path)
    names.stop(EpisodeWindow(names.choose("a"), "a", 0))
    by_hand = EpisodeWindow(names.choose("episode-1", by_hand=True), "episode-1", 0)
    assert not names.is_new("a", by_hand)
    names.stop(by_hand)
    assert not names.is_new("a", None)
    names.choose("b")
    assert names.is_new("a", None), "another announced episode came between"


def test_an_id_too_long_for_a_file_comes_again(tmp_path: Path) -> None:
    """Would catch a recorder that dies of an id which its writer would only refuse."""
    names = EpisodeNames(tmp_path)
    assert names.choose("a" * 300) == "a" * 300
    assert names.choose("a" * 300) == "a" * 300 + "-2"
