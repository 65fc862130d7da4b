"""What every augmentation keeps to, and how a dataset and a learner use one."""

from __future__ import annotations

import dataclasses
import inspect
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from augment_samples import AUGMENTATIONS, FRONT_KEY, LEFT_KEY, PERIOD_S, RIGHT_KEY, STATE_KEY, examples
from learning_samples import FAST, column_dataset

import models.augment
from models.augment import Augmentation, Chain, Examples, Photometric, augmented_examples, recorded_examples
from models.augment.sized_cache import SizedCache
from models.contract import parse_contract
from models.episodes import Episode, EpisodeDataset, write_dataset
from models.errors import DatasetError, TrainingError
from models.learners import BehavioralCloning, BehavioralCloningConfig
from models.learners.behavioral_cloning import _new_policy
from models.learners.samples import TrainingSamples
from models.policies import PolicyConfig

FRONT_CONTRACT = """
robot_type: car
fps: 20
observations:
  observation.images.front: {channel: {topic: /front, type: sensor_msgs/msg/Image}, align: {strategy: hold, timeline: header}}
  observation.state: {channel: {topic: /odom, type: nav_msgs/msg/Odometry}, align: {strategy: hold, timeline: header}, select: [twist.twist.linear.x, twist.twist.angular.z]}
actions:
  action: {channel: {topic: /cmd_vel, type: geometry_msgs/msg/TwistStamped}, align: {strategy: hold, timeline: header}, select: [twist.linear.x, twist.angular.z]}
limits: {action: {twist.linear.x: {min: 0, max: 8, rate: 10, unit: m/s, stop: 0}, twist.angular.z: {min: -2.5, max: 2.5, rate: 15, unit: rad/s, stop: 0}}}
memory: {frames: 2}
"""  # noqa: E501
_FRONT_LINE = FRONT_CONTRACT.splitlines()[4]
THREE_CONTRACT = FRONT_CONTRACT.replace(
    _FRONT_LINE, "\n".join(_FRONT_LINE.replace("front", side) for side in ("front", "left", "right"))
)


@pytest.fixture(scope="module")
def three_cameras(tmp_path_factory: pytest.TempPathFactory) -> EpisodeDataset:
    """Four episodes of ten ticks, noise in three cameras, the tick's number as the speed."""
    made = []
    for number in range(4):
        seen = examples(10, frames=1)
        ticks = np.arange(10, dtype=np.float32)
        actions = np.stack([2.0 + 0.1 * ticks, 0.1 * np.sin(ticks + number)], axis=1).astype(np.float32)
        made.append(
            Episode(
                episode_id=f"drive-{number}",
                stamps_ns=np.arange(10, dtype=np.int64) * 50_000_000,
                observations={key: rows[:, 0] for key, rows in seen.observations.items()},
                actions=actions,
                executed=actions,
                driver=np.zeros(10, np.uint8),
                starts_memory=np.arange(10) == 0,
            )
        )
    path = tmp_path_factory.mktemp("data") / "three"
    return write_dataset(path, made, parse_contract(THREE_CONTRACT, "three"))


@pytest.fixture
def for_front(three_cameras: EpisodeDataset) -> EpisodeDataset:
    return three_cameras.for_robot(parse_contract(FRONT_CONTRACT, "front"))


def test_every_augmentation_is_tested() -> None:
    """Catches one that is written and left out of the tests below."""
    public = {getattr(models.augment, name) for name in models.augment.__all__}
    classes = {kind for kind in public if inspect.isclass(kind) and issubclass(kind, Augmentation)}
    assert classes - {Augmentation} == {type(augmentation) for augmentation in AUGMENTATIONS.values()}


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_examples_go_in_and_as_many_come_out(name: str) -> None:
    """Catches arrays of another shape or type, streams that the policy does not see, and inputs that are written to."""
    recorded = examples()
    before = {key: rows.copy() for key, rows in recorded.observations.items()}
    for rows in (*recorded.observations.values(), recorded.actions):
        rows.setflags(write=False)
    changed = AUGMENTATIONS[name](recorded, np.random.default_rng(0))
    assert changed.actions.shape == recorded.actions.shape
    assert changed.actions.dtype == np.float32
    assert np.isfinite(changed.actions).all()
    assert not set(changed.observations) & set(AUGMENTATIONS[name].reads)
    for key, rows in changed.observations.items():
        assert rows.shape == recorded.observations[key].shape
        assert rows.dtype == recorded.observations[key].dtype
    assert all(np.array_equal(rows, before[key]) for key, rows in recorded.observations.items())
    assert not np.array_equal(changed.observations[FRONT_KEY], before[FRONT_KEY])


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_seed_alone_decides(name: str) -> None:
    """Catches a draw from somewhere else, and one that ignores the seed."""
    one, same, other = (AUGMENTATIONS[name](examples(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one.actions, same.actions)
    assert all(np.array_equal(rows, same.observations[key]) for key, rows in one.observations.items())
    assert not np.array_equal(one.observations[FRONT_KEY], other.observations[FRONT_KEY])


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_its_options_can_be_written_down(name: str) -> None:
    """Catches an option that a checkpoint's description cannot hold, and one that does not say whose it is."""
    config = BehavioralCloningConfig(augmentation=AUGMENTATIONS[name])
    written = json.loads(json.dumps(dataclasses.asdict(config)))["augmentation"]
    assert "kind" in written or all("kind" in part for part in written["parts"])


def test_a_camera_that_was_not_recorded_is_named() -> None:
    recorded = examples()
    front_only = Examples({FRONT_KEY: recorded.observations[FRONT_KEY]}, recorded.actions, PERIOD_S)
    with pytest.raises(TrainingError, match=r"needs the stream 'observation\.images\.left'"):
        AUGMENTATIONS["side cameras"](front_only, np.random.default_rng(0))
    with pytest.raises(TrainingError, match="do not fit together"):
        Examples(recorded.observations, recorded.actions[:-1], PERIOD_S)


def _of_size(recorded: Examples, height: int, width: int) -> Examples:
    pictures = np.zeros((len(recorded), 3, height, width, 3), np.uint8)
    changed = {key: pictures if rows.ndim == 5 else rows for key, rows in recorded.observations.items()}
    return Examples(changed, recorded.actions, PERIOD_S)


@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name != "photometric"])
def test_pictures_of_another_size_than_the_camera_s_are_refused(name: str) -> None:
    """Catches pictures warped by the geometry of another camera, and a traceback of the network behind them."""
    with pytest.raises(TrainingError, match="does not hold the pictures of the camera") as raised:
        AUGMENTATIONS[name](_of_size(examples(), 48, 96), np.random.default_rng(0))
    assert "64 x 96" in raised.value.expected


@pytest.mark.parametrize("name", ["shift and rotate", "side cameras", "trail cameras"])
def test_an_action_without_steering_is_refused(name: str) -> None:
    recorded = examples()
    short = Examples(recorded.observations, recorded.actions[..., :1], PERIOD_S)
    with pytest.raises(TrainingError, match="does not have as many numbers"):
        AUGMENTATIONS[name](short, np.random.default_rng(0))


def test_what_is_kept_stays_within_its_memory() -> None:
    """Catches maps of large pictures that fill the memory, and one that is made anew although it was just used."""
    made: list[int] = []

    def make(key: int) -> bytes:
        made.append(key)
        return bytes(10)

    kept = SizedCache(make, len, most_bytes=35)
    assert [len(kept(key)) for key in (1, 2, 1, 3, 4)] == [10] * 5
    assert (made, kept.bytes) == ([1, 2, 3, 4], 30)
    kept(1)
    kept(2)
    assert made == [1, 2, 3, 4, 2]


def test_a_chain_reads_what_its_parts_read() -> None:
    assert AUGMENTATIONS["chain"].reads == (LEFT_KEY, RIGHT_KEY)


def test_a_dataset_of_three_cameras_serves_a_robot_with_one(
    three_cameras: EpisodeDataset, for_front: EpisodeDataset
) -> None:
    """Catches side cameras that end up among a policy's inputs, or that are lost altogether."""
    assert for_front.streams == (FRONT_KEY, STATE_KEY)
    assert set(for_front.stack([3])) == {FRONT_KEY, STATE_KEY}
    assert np.array_equal(for_front.stack([3], keys=[LEFT_KEY])[LEFT_KEY], three_cameras.stack([3])[LEFT_KEY])
    with pytest.raises(DatasetError, match="not recorded for this robot"):
        for_front.for_robot(parse_contract(THREE_CONTRACT.replace("left", "rear"), "rear"))
    with pytest.raises(DatasetError, match="not recorded for this robot"):
        three_cameras.for_robot(parse_contract(FRONT_CONTRACT.replace("fps: 20", "fps: 10"), "slow"))


def test_recorded_examples_are_the_dataset_s(for_front: EpisodeDataset) -> None:
    """Catches a chunk that runs into the next episode, and a stack that reaches back into the one before."""
    found = recorded_examples(for_front, np.array([0, 9, 10, 14]), chunk=3, reads=(LEFT_KEY,))
    later, _ = for_front.later_index(3)
    assert np.array_equal(found.actions, np.asarray(for_front.actions)[later[[0, 9, 10, 14]]])
    assert set(found.observations) == {FRONT_KEY, STATE_KEY, LEFT_KEY}
    assert np.array_equal(found.observations[FRONT_KEY][2, 0], found.observations[FRONT_KEY][2, 1])
    assert found.period_s == pytest.approx(0.05)


def test_a_dataset_is_augmented_offline(for_front: EpisodeDataset) -> None:
    """Catches ticks that are left out or repeated, and copies that are all the same."""
    parts = list(augmented_examples(for_front, AUGMENTATIONS["side cameras"], seed=0, copies=2, size=16))
    assert sum(map(len, parts)) == 2 * len(for_front)
    actions = np.concatenate([part.actions for part in parts])
    assert not np.array_equal(actions[: len(for_front)], actions[len(for_front) :])
    assert np.array_equal(actions[:1, 0, :1], np.asarray(for_front.actions)[:1, :1])


def _samples(
    dataset: EpisodeDataset, augmentation: Augmentation | None, preload_bytes: int = 1 << 30
) -> TrainingSamples:
    policy = _new_policy(dataset, dataset.contract, dataclasses.replace(FAST.policy, chunk=2))
    torch.manual_seed(0)
    return TrainingSamples(dataset, policy, dataset.contract.memory, preload_bytes, augmentation)


@pytest.mark.parametrize("preload_bytes", [0, 1 << 30])
def test_the_learner_s_examples_without_augmentation_are_the_recorded_ones(
    for_front: EpisodeDataset, preload_bytes: int
) -> None:
    """Catches a second way of preparing examples that differs from the first: an identity must change nothing."""
    indices = torch.arange(len(for_front))
    (inputs, targets), (plain_inputs, plain_targets) = (
        _samples(for_front, augmentation, preload_bytes).draw(indices) for augmentation in (Chain(()), None)
    )
    torch.testing.assert_close(targets, plain_targets)
    for key, rows in plain_inputs.items():
        torch.testing.assert_close(inputs[key], rows)


def test_training_draws_anew_and_validation_does_not(for_front: EpisodeDataset) -> None:
    """Catches epochs that see the same examples, and validation losses that cannot be compared."""
    samples, indices = _samples(for_front, AUGMENTATIONS["side cameras"]), torch.arange(20)
    trained = [samples.draw(indices)[1] for _ in range(2)]
    assert not torch.equal(*trained)
    validated = [samples.draw(indices, training=False)[1] for _ in range(2)]
    assert torch.equal(*validated)


def test_heads_are_fitted_to_what_training_draws(for_front: EpisodeDataset) -> None:
    """Catches bins over recorded commands alone, which would cut off every recovery, and fits that no seed governs."""
    indices = torch.arange(len(for_front))
    samples = _samples(for_front, AUGMENTATIONS["side cameras"])
    drawn = samples.drawn_targets(indices, 0)
    assert drawn.shape == samples.targets.shape
    assert torch.equal(drawn, samples.drawn_targets(indices, 0))
    assert float(drawn[..., 1].abs().max()) > float(samples.targets[..., 1].abs().max())
    assert torch.equal(_samples(for_front, None).drawn_targets(indices, 0), samples.targets)


def test_a_recurrent_policy_is_not_augmented() -> None:
    """Catches sequences whose camera jumps from tick to tick."""
    with pytest.raises(TrainingError, match="a sequence would jump"):
        BehavioralCloningConfig(policy=PolicyConfig(memory="gru"), augmentation=AUGMENTATIONS["side cameras"])


def test_behavioural_cloning_with_side_cameras_exports_for_the_front_one(for_front: EpisodeDataset) -> None:
    """Catches a probe, a policy or a safety classifier that asks for cameras which the robot has not."""
    config = dataclasses.replace(FAST, epochs=1, augmentation=AUGMENTATIONS["side cameras"])
    trained = BehavioralCloning(config).fit(for_front)
    assert set(trained.checkpoint.probe) == {FRONT_KEY, STATE_KEY}
    assert [stream.key for stream in trained.policy.specification.streams] == [FRONT_KEY, STATE_KEY]


def test_equal_seeds_give_equal_weights_with_augmentation(for_front: EpisodeDataset) -> None:
    """Catches augmentation that the learner's seed does not govern."""
    config = dataclasses.replace(FAST, epochs=2, safety=None, augmentation=AUGMENTATIONS["side cameras"])
    first, same, other = (
        BehavioralCloning(dataclasses.replace(config, seed=seed)).fit(for_front).policy.state_dict()
        for seed in (3, 3, 4)
    )
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["fusion.weight"], other["fusion.weight"])


def test_photometric_variation_alone_still_learns(tmp_path: Path) -> None:
    """Catches variation that drowns what is to be seen: the column task must still be learned under it."""
    photometric = Photometric((FRONT_KEY,), noise=5.0, shadow=0.5)
    trained = BehavioralCloning(dataclasses.replace(FAST, augmentation=photometric)).fit(
        column_dataset(tmp_path / "columns")
    )
    for name, error in trained.error.items():
        assert error < 0.5 * trained.constant_error[name], name
