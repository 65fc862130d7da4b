"""Episodes and datasets: what is written comes back, stacks are those of the live path, and damage is noticed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from ros_messages import CAMERA, ODOMETRY, image_cdr, make_contract, odometry_cdr

from il_nodes.observation.assembler import ObservationAssembler
from models.contract import Memory
from models.data import Observation
from models.episodes import HALT, POLICY, Episode, open_dataset, write_dataset
from models.errors import DatasetError

IMAGES, STATE = "observation.images.front", "observation.state"
CONTRACT = make_contract(frames=3, stride=2)


def make_episode(episode_id: str = "a", ticks: int = 12, seed: int = 0, **changes: Any) -> Episode:
    rng = np.random.default_rng([seed, ticks])
    starts = np.zeros(ticks, np.bool_)
    starts[0] = True
    fields: dict[str, Any] = {
        "episode_id": episode_id,
        "stamps_ns": np.arange(ticks, dtype=np.int64) * 50_000_000,
        "observations": {
            IMAGES: rng.integers(0, 256, (ticks, 4, 5, 3)).astype(np.uint8),
            STATE: rng.normal(size=(ticks, 2)).astype(np.float32),
        },
        "actions": rng.normal(size=(ticks, 2)).astype(np.float32),
        "executed": rng.normal(size=(ticks, 2)).astype(np.float32),
        "driver": rng.integers(0, 3, ticks).astype(np.uint8),
        "starts_memory": starts,
        "meta": {"outcome": "success"},
    }
    return Episode(**{**fields, **changes})


def assert_equal_episodes(first: Episode, second: Episode) -> None:
    assert (first.episode_id, first.meta) == (second.episode_id, second.meta)
    for name in ("stamps_ns", "actions", "executed", "driver", "starts_memory"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert first.observations.keys() == second.observations.keys()
    for key, rows in first.observations.items():
        np.testing.assert_array_equal(rows, second.observations[key])


def test_episodes_survive_the_disk(tmp_path: Path) -> None:
    """Catches episodes that run into each other, and arrays that change type on the way."""
    episodes = [
        make_episode("a", 12),
        make_episode("b", 1),
        make_episode("c", 30, executed=np.full((30, 2), np.nan, np.float32)),
    ]
    written = write_dataset(tmp_path / "set", iter(episodes), CONTRACT)
    for dataset in (written, open_dataset(tmp_path / "set")):
        assert (len(dataset), dataset.episode_ids, dataset.lengths) == (43, ("a", "b", "c"), (12, 1, 30))
        assert dataset.contract == CONTRACT
        for number, episode in enumerate(episodes):
            assert_equal_episodes(dataset.episode(number), episode)
        assert dataset.episode_index.tolist() == [0] * 12 + [1] + [2] * 30
        assert dataset.hash == written.hash
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set"]


def test_statistics_are_exact(tmp_path: Path) -> None:
    """Catches statistics in single precision, over one episode only, or over the wrong axis."""
    episodes = [make_episode("a", 40), make_episode("b", 25, seed=9)]
    found = write_dataset(tmp_path / "set", episodes, CONTRACT).statistics
    assert set(found) == {IMAGES, STATE, "action"}
    pixels = np.concatenate([e.observations[IMAGES] for e in episodes]).reshape(-1, 3).astype(np.float64)
    for key, rows in (
        (IMAGES, pixels),
        (STATE, np.concatenate([e.observations[STATE] for e in episodes]).astype(np.float64)),
        ("action", np.concatenate([e.actions for e in episodes]).astype(np.float64)),
    ):
        np.testing.assert_allclose(found[key].mean, rows.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(found[key].std, rows.std(axis=0), rtol=1e-12)
        np.testing.assert_array_equal(found[key].minimum, rows.min(axis=0))
        np.testing.assert_array_equal(found[key].maximum, rows.max(axis=0))


def test_the_hash_tells_datasets_apart(tmp_path: Path) -> None:
    """Catches a policy whose bundle names a dataset that it was not trained on."""

    def written(name: str, episodes: list[Episode], **contract: Any) -> str:
        return write_dataset(tmp_path / name, episodes, make_contract(stride=2, **contract)).hash

    reference = written("a", [make_episode("a"), make_episode("b")])
    assert written("b", [make_episode("a", meta={"outcome": "failure"}), make_episode("b")]) == reference
    actions = make_episode("b").actions.copy()
    actions[-1, -1] = np.nextafter(actions[-1, -1], np.float32(9))
    others = [
        written("c", [make_episode("b"), make_episode("a")]),
        written("d", [make_episode("a"), make_episode("b", actions=actions)]),
        written("e", [make_episode("a"), make_episode("b")], fps=21),
        written("f", [make_episode("a", 24)]),
    ]
    assert len({reference, *others}) == 5


def drive(moves: list[tuple[int, bool]]) -> list[Observation]:
    """Observations of the live assembler for ticks with these pauses in ms, some of which begin an episode."""
    assembler = ObservationAssembler(CONTRACT)
    found, now = [], 1_000
    for number, (pause_ms, new_episode) in enumerate(moves):
        now += pause_ms
        stamp = now * 1_000_000
        if new_episode:
            assembler.start_episode(f"episode-{number}", stamp)
        assembler.add(ODOMETRY, odometry_cdr(stamp, float(number), 0.0), stamp)
        observation = assembler.add(CAMERA, image_cdr(stamp, np.full((2, 3, 3), number, np.uint8)), stamp)
        assert observation is not None
        found.append(observation)
    return found


@settings(max_examples=25, deadline=None)
@given(
    moves=st.lists(
        st.tuples(st.sampled_from([50, 50, 50, 100, 500, 501, 900]), st.booleans()), min_size=1, max_size=30
    ),
    data=st.data(),
)
def test_gathered_stacks_are_those_of_the_live_assembler(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[int, bool]], data: st.DataObject
) -> None:
    """Catches a learner that sees another past than the policy will: wrong padding, stride, or reach beyond a reset."""
    live = drive(moves)
    cuts = [0, *[k for k in range(1, len(live)) if live[k].episode_id != live[k - 1].episode_id], len(live)]
    episodes = []
    for number, (start, end) in enumerate(pairwise(cuts)):
        part = live[start:end]
        zeros = np.zeros((len(part), 2), np.float32)
        episodes.append(
            Episode(
                episode_id=f"{number}",
                stamps_ns=np.array([o.stamp_ns for o in part], np.int64),
                observations={key: np.stack([o.arrays[key][-1] for o in part]) for key in (IMAGES, STATE)},
                actions=zeros,
                executed=zeros,
                driver=np.zeros(len(part), np.uint8),
                starts_memory=np.array([o.starts_memory for o in part]),
            )
        )
    dataset = write_dataset(tmp_path_factory.mktemp("data") / "set", episodes, CONTRACT)
    indices = data.draw(st.lists(st.integers(0, len(live) - 1), min_size=1, max_size=20))
    stacks = dataset.stack(indices)
    for key, stacked in stacks.items():
        assert stacked.flags.c_contiguous
        for row, index in zip(stacked, indices, strict=True):
            assert row.dtype == live[index].arrays[key].dtype
            assert row.tobytes() == live[index].arrays[key].tobytes()
        everything = dataset.observations[key][dataset.stack_index()]
        np.testing.assert_array_equal(everything[indices], stacked)


def test_memory_may_be_chosen(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "set", [make_episode(ticks=5)], CONTRACT)
    assert dataset.stack_index(Memory(frames=2, stride=1)).tolist() == [[0, 0], [0, 1], [1, 2], [2, 3], [3, 4]]
    assert dataset.stack([4], Memory(frames=4, stride=2))[STATE].shape == (1, 4, 2)


def test_batches_cover_each_tick_once(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "set", [make_episode("a", 10), make_episode("b", 7)], CONTRACT)
    batches = list(dataset.batches(np.arange(17), 5, seed=1))
    assert [len(batch.actions) for batch in batches] == [5, 5, 5, 2]
    seen = np.concatenate([batch.observations[STATE][:, -1] for batch in batches])
    labels = np.concatenate([batch.actions for batch in batches])
    order = [int(np.flatnonzero((dataset.actions == label).all(axis=1))[0]) for label in labels]
    assert sorted(order) == list(range(17))
    assert order != sorted(order)
    np.testing.assert_array_equal(seen, dataset.observations[STATE][order])
    np.testing.assert_array_equal(batches[0].driver, dataset.driver[order[:5]])
    assert [b.actions.tolist() for b in dataset.batches([3, 1], 1)] == [
        [dataset.actions[3].tolist()],
        [dataset.actions[1].tolist()],
    ]


def test_chunks_do_not_reach_beyond_a_reset(tmp_path: Path) -> None:
    """Catches labels taken from after the car was put back on its track."""
    starts = np.array([True, False, False, True, False])
    dataset = write_dataset(
        tmp_path / "set", [make_episode("a", 5, starts_memory=starts), make_episode("b", 1)], CONTRACT
    )
    indices, valid = dataset.later_index(3)
    assert indices.tolist() == [[0, 1, 2], [1, 2, 2], [2, 2, 2], [3, 4, 4], [4, 4, 4], [5, 5, 5]]
    assert valid.sum(axis=1).tolist() == [3, 2, 1, 2, 1, 1]


def test_chunks_do_not_reach_over_a_tick_that_was_left_out(tmp_path: Path) -> None:
    """Catches a step of a chunk that is two periods long: a gap shorter than the contract's reset goes unmarked."""
    episode = make_episode("a", 5)
    stamps = episode.stamps_ns.copy()
    stamps[3:] += stamps[1] - stamps[0]
    dataset = write_dataset(tmp_path / "set", [replace(episode, stamps_ns=stamps)], CONTRACT)
    indices, valid = dataset.later_index(3)
    assert indices.tolist() == [[0, 1, 2], [1, 2, 2], [2, 2, 2], [3, 4, 4], [4, 4, 4]]
    assert valid.sum(axis=1).tolist() == [3, 2, 1, 2, 1]


@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.99])
def test_a_split_never_cuts_an_episode(tmp_path: Path, fraction: float) -> None:
    """Catches validation on neighbours of training frames, which flatters every policy."""
    dataset = write_dataset(tmp_path / "set", [make_episode(f"{k}", 3 + k) for k in range(6)], CONTRACT)
    training, held_out = dataset.split(fraction, seed=4)
    assert sorted([*training, *held_out]) == list(range(len(dataset)))
    sides = set(dataset.episode_index[training]), set(dataset.episode_index[held_out])
    assert not sides[0] & sides[1]
    assert len(sides[1]) == {0.01: 1, 0.3: 2, 0.99: 5}[fraction]
    np.testing.assert_array_equal(dataset.split(fraction, seed=4)[1], held_out)
    seeds = [tuple(dataset.split(fraction, seed)[1]) for seed in range(8)]
    assert len(set(seeds)) > 1


def test_a_single_episode_cannot_be_split(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="1 episode,"):
        write_dataset(tmp_path / "set", [make_episode()], CONTRACT).split(0.5, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"actions": np.full((12, 2), np.nan, np.float32)}, "not finite"),
        ({"actions": np.zeros((11, 2), np.float32)}, "actions does not fit"),
        ({"actions": np.zeros((12, 2))}, "float64"),
        ({"executed": np.zeros((12, 3), np.float32)}, "differ in shape"),
        ({"driver": np.full(12, 3, np.uint8)}, "unknown driver"),
        ({"driver": np.full(12, HALT, np.int64)}, "driver does not fit"),
        ({"starts_memory": np.zeros(12, np.bool_)}, "first tick"),
        ({"stamps_ns": np.zeros(12, np.int64)}, "backward at tick 1"),
        ({"stamps_ns": np.zeros(0, np.int64)}, "no ticks"),
        ({"observations": {STATE: np.zeros((12, 2), np.float64)}}, "observation.state does not fit"),
        ({"observations": {IMAGES: np.zeros((12, 4, 4, 3), np.float32)}}, "observation.images.front does not fit"),
    ],
)
def test_impossible_episodes_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        make_episode(**changes)


def test_a_clock_may_go_back_where_memory_starts() -> None:
    starts = np.array([True, False, True])
    episode = make_episode(
        ticks=3, starts_memory=starts, stamps_ns=np.array([5, 6, 1]), driver=np.full(3, POLICY, np.uint8)
    )
    assert len(episode) == 3


@pytest.mark.parametrize(
    ("episodes", "message"),
    [
        ([], "no episodes"),
        ([make_episode("a"), make_episode("a")], "two episodes are called 'a'"),
        ([make_episode(observations={STATE: np.zeros((12, 2), np.float32)})], "not of this contract"),
        ([make_episode(actions=np.zeros((12, 3), np.float32), executed=np.zeros((12, 3), np.float32))], "3 action"),
        (
            [
                make_episode("a"),
                make_episode(
                    "b", observations={IMAGES: np.zeros((12, 9, 5, 3), np.uint8), STATE: np.zeros((12, 2), np.float32)}
                ),
            ],
            "another shape",
        ),
    ],
)
def test_episodes_that_do_not_fit_leave_nothing_behind(tmp_path: Path, episodes: list[Episode], message: str) -> None:
    """Catches half a dataset that a later command would open."""
    with pytest.raises(DatasetError, match=message):
        write_dataset(tmp_path / "set", episodes, CONTRACT)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_source_leaves_nothing_behind(tmp_path: Path) -> None:
    def episodes() -> Iterator[Episode]:
        yield make_episode("a")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path / "set", episodes(), CONTRACT)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_unless_asked(tmp_path: Path) -> None:
    first = write_dataset(tmp_path / "set", [make_episode("a")], CONTRACT).hash
    with pytest.raises(DatasetError, match="exists already"):
        write_dataset(tmp_path / "set", [make_episode("b")], CONTRACT)
    assert open_dataset(tmp_path / "set").hash == first
    with pytest.raises(DatasetError, match="two episodes"):
        write_dataset(tmp_path / "set", [make_episode("b"), make_episode("b")], CONTRACT, overwrite=True)
    assert open_dataset(tmp_path / "set").hash == first
    assert write_dataset(tmp_path / "set", [make_episode("b")], CONTRACT, overwrite=True).episode_ids == ("b",)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_other_peoples_folders_are_never_overwritten(tmp_path: Path) -> None:
    """Catches --overwrite with a slip in the path that deletes somebody's home."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("years")
    with pytest.raises(DatasetError, match="not a dataset"):
        write_dataset(tmp_path / "home", [make_episode()], CONTRACT, overwrite=True)
    assert (tmp_path / "home" / "thesis.tex").read_text() == "years"


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def clear(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("name", ["dataset.json", "action.npy", f"{IMAGES}.npy"])
@pytest.mark.parametrize("damage", [flip, shorten, clear, Path.unlink])
def test_damage_is_noticed(tmp_path: Path, name: str, damage: Callable[[Path], None]) -> None:
    write_dataset(tmp_path / "set", [make_episode()], CONTRACT)
    damage(tmp_path / "set" / name)
    with pytest.raises(DatasetError, match=r"damaged|there is no dataset"):
        open_dataset(tmp_path / "set")


def test_a_dataset_of_the_future_is_named(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", [make_episode()], CONTRACT)
    index = tmp_path / "set" / "dataset.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"format": "understudy-dataset-2"}))
    with pytest.raises(DatasetError, match="another format"):
        open_dataset(tmp_path / "set")


def test_learners_need_no_ros() -> None:
    """Catches an import that would tie training to a robot's machine."""
    code = (
        "import sys; import models.episodes; unwanted = {'rclpy', 'pybullet', 'torch', 'cv2', 'mcap', 'onnxruntime'}; "
        "print(sorted({m.split('.')[0] for m in sys.modules} & unwanted))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
