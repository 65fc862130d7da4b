"""Episodes as arrays: what belongs to which, with actions and without, on disk and off it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.errors import DatasetError
from models.trajectories import Trajectories


def counted() -> Trajectories:
    """Three episodes of 2, 1 and 3 steps; observations are numbered, actions too."""
    numbers = np.arange(9, dtype=np.float32)
    return Trajectories(
        np.stack([numbers, -numbers], axis=1),
        np.array([2, 1, 3]),
        np.array([True, False, True]),
        np.array([0, 1, 3, 5, 6, 7]),
        np.array([2.0, 1.0, 3.0]),
    )


def test_pairs_stay_within_an_episode() -> None:
    """Catches a transition from the end of one episode to the start of the next."""
    here, there = counted().pairs
    np.testing.assert_array_equal(here[:, 0], [0, 1, 3, 5, 6, 7])
    np.testing.assert_array_equal(there[:, 0], [1, 2, 4, 6, 7, 8])


def test_some_episodes_keep_their_actions() -> None:
    chosen = counted().only([2, 0])
    assert chosen.actions is not None
    np.testing.assert_array_equal(chosen.observations[:, 0], [5, 6, 7, 8, 0, 1, 2])
    np.testing.assert_array_equal(chosen.actions, [5, 6, 7, 0, 1])
    np.testing.assert_array_equal(chosen.terminated, [True, True])
    joined = Trajectories.joined([chosen, counted().only([1])])
    assert joined.count == 3
    assert joined.actions is not None
    assert Trajectories.joined([chosen, counted().without_actions()]).actions is None


def test_who_ended_stays_there_until_the_horizon() -> None:
    padded = counted().at_horizon(3)[:, :, 0]
    np.testing.assert_array_equal(padded, [[0, 1, 2, 2], [3, 4, 4, 4], [5, 6, 7, 8]])


@pytest.mark.parametrize("watched", [False, True])
def test_what_is_written_is_read(watched: bool, tmp_path: Path) -> None:
    shown = counted().without_actions() if watched else counted()
    shown.save(tmp_path / "folder" / "shown.npz")
    found = Trajectories.load(tmp_path / "folder" / "shown.npz")
    assert (found.actions is None) == watched
    for name in ("observations", "lengths", "terminated", "returns"):
        np.testing.assert_array_equal(getattr(found, name), getattr(shown, name))
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["shown.npz"]


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.npz"
    for content in (b"", b"PK\x03\x04 cut off", b"no archive at all"):
        broken.write_bytes(content)
        with pytest.raises(DatasetError, match="holds no trajectories"):
            Trajectories.load(broken)
    np.savez(broken, lengths=np.array([1]))
    with pytest.raises(DatasetError, match="holds no trajectories"):
        Trajectories.load(broken)
    with pytest.raises(DatasetError, match="holds no trajectories"):
        Trajectories.load(tmp_path / "missing.npz")


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DatasetError, match="do not fit together"):
        replace(counted(), actions=np.arange(5))
    with pytest.raises(DatasetError, match="do not fit together"):
        replace(counted(), lengths=np.array([2, 1, 4]))
