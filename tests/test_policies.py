"""The policy network: shapes, units, limits, and what must not influence what."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from policy_samples import CAMERA, FRAMES, IMAGE, STATE, small_checkpoint, small_observation, small_policy

from models.augment import vary_light
from models.errors import TrainingError
from models.policies import PolicyConfig, PolicySpecification
from models.policies.checkpoint import Checkpoint
from models.policies.frame_window import FrameWindow
from models.policies.heads import CvaeOptions, FlowOptions, HeadOptions, MixtureOptions, PointOptions, head_options
from models.policies.image_encoder import ImageEncoder
from models.policies.normalization import Normalizer


def _raw(count: int = 5, seed: int = 0) -> dict[str, torch.Tensor]:
    random = np.random.default_rng(seed)
    return {
        CAMERA: torch.from_numpy(random.integers(0, 256, (count, FRAMES, *IMAGE), dtype=np.uint8)),
        STATE: torch.from_numpy(random.normal(size=(count, FRAMES, 2)).astype(np.float32)),
    }


def test_actions_are_in_si_units_and_within_limits() -> None:
    """Catches an action that leaves the network normalised, or beyond the contract's limits."""
    policy = small_policy(chunk=4)
    with torch.inference_mode():
        action, unsafe = policy(_raw())
        assert action.shape == (5, 4, 2)
        assert unsafe.shape == (5,)
        normalised = torch.tensor([[0.0, 0.0], [100.0, 100.0], [-100.0, -100.0]])
        assert policy.limit(normalised).tolist() == [[4.0, 0.0], [8.0, 2.5], [0.0, -2.5]]


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_broken_actions_become_nan_and_never_a_limit(broken: float) -> None:
    """Catches a clamp that turns an infinite or missing number into full speed."""
    limited = small_policy().limit(torch.tensor([[broken, 0.5]]))
    assert torch.isnan(limited).tolist() == [[True, False]]


def test_not_a_number_counts_as_unsafe() -> None:
    policy = small_policy()
    assert policy.safety(torch.full((1, 8), math.nan)).tolist() == [1.0]


def test_safety_never_changes_the_policy() -> None:
    """Catches a safety loss whose gradient reaches the features, and through them the actions."""
    policy = small_policy()
    policy.safety.logit(policy.features(policy.prepare(_raw()))).sum().backward()
    assert all(parameter.grad is None for parameter in policy.encoders.parameters())
    assert all(parameter.grad is not None for parameter in policy.safety.parameters())


def test_the_sky_is_cut_off() -> None:
    """Catches a crop at the wrong end: the upper rows must not matter, the lower ones must."""
    policy = small_policy(crop_top=0.5)
    raw = _raw()
    with torch.inference_mode():
        before = policy(raw)[0]
        for rows, same in ((slice(0, 8), True), (slice(8, 16), False)):
            changed = dict(raw) | {CAMERA: raw[CAMERA].clone()}
            changed[CAMERA][:, :, rows] = 255 - changed[CAMERA][:, :, rows]
            assert torch.equal(policy(changed)[0], before) is same


def test_pooling_averages_and_keeps_the_lowest_rows() -> None:
    """Catches a pool that drops the rows right in front of the robot when the height does not divide."""
    encoder = ImageEncoder(FrameWindow((5, 4, 1), crop_top=0.0, pool=2), Normalizer([0.0], [1.0]), 4, 1, (2,))
    raw = torch.zeros(1, 1, 5, 4, 1, dtype=torch.uint8)
    raw[0, 0, 4, :2] = 8
    assert encoder.prepare(raw)[0, 0, 0].tolist() == [[0.0, 0.0], [4.0, 0.0]]


def test_every_frame_of_the_stack_matters() -> None:
    """Catches a memory that looks at one frame only."""
    policy = small_policy()
    raw = _raw()
    with torch.inference_mode():
        before = policy(raw)[0]
        for key in raw:
            for frame in range(FRAMES):
                changed = dict(raw) | {key: raw[key].clone()}
                changed[key][:, frame] = changed[key][:, frame].flip(1) + 1
                assert not torch.equal(policy(changed)[0], before), (key, frame)


def test_acting_on_one_observation_equals_the_batch() -> None:
    policy, observation = small_policy(), small_observation()
    action, unsafe = policy.act(observation.arrays)
    with torch.inference_mode():
        rows = {key: torch.from_numpy(np.array(array)[None]) for key, array in observation.arrays.items()}
        expected, expected_unsafe = policy(rows)
    np.testing.assert_allclose(action, expected[0].numpy(), rtol=1e-6)
    assert unsafe == pytest.approx(float(expected_unsafe[0]))


def test_a_dimension_that_never_moved_neither_divides_by_zero_nor_amplifies() -> None:
    normalizer = Normalizer([1.0, 1.0], [0.0, 2.0], [0.1, 0.1])
    normalised = normalizer(torch.tensor([[1.01, 5.0]]))
    assert normalised.flatten().tolist() == pytest.approx([0.1, 2.0], abs=1e-4)
    torch.testing.assert_close(normalizer.inverse(normalised), torch.tensor([[1.01, 5.0]]))


def test_hiding_the_state_happens_in_training_only() -> None:
    """Catches a dropout that is left on when the robot drives."""
    policy = small_policy(state_dropout=0.9)
    prepared = policy.prepare(_raw(64))
    with torch.inference_mode():
        assert torch.equal(policy.features(prepared), policy.features(prepared))
        policy.train()
        assert not torch.equal(policy.features(prepared), policy.features(prepared))


def test_light_varies_by_sample_and_not_by_frame() -> None:
    """Catches a flicker inside a stack, which would look like motion."""
    torch.manual_seed(0)
    frames = torch.randn(4, 3, 1, 2, 2)
    frames[:, 1:] = frames[:, :1]
    varied = vary_light(frames, 0.2)
    assert torch.equal(varied[:, 0], varied[:, 2])
    assert not torch.allclose(varied, frames)
    assert vary_light(frames, 0.0) is frames


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": "point"}, "options of a head"),
        ({"act": "sampl"}, "did you mean 'sample'"),
        ({"act": "sample"}, "no distribution"),
        ({"memory": "lstn"}, "did you mean 'lstm'"),
        ({"encoder": "resnt"}, "did you mean 'resnet'"),
        ({"resnet_channels": 32}, "no effect"),
        ({"encoder": "resnet", "resnet_channels": 1}, "at least 2"),
        ({"encoder": "resnet", "image_channels": (8,)}, "no effect"),
        ({"memory_features": 8}, "no effect"),
        ({"previous_action": True}, "no effect"),
        ({"state_layers": 0}, "at least 1 layer"),
        ({"chunk": 0}, "at least 1"),
        ({"crop_top": 1.0}, "share of the rows"),
        ({"state_dropout": 1.0}, "probability"),
        ({"image_channels": ()}, "positive count"),
    ],
)
def test_contradictions_are_rejected_at_construction(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        PolicyConfig(**options)


def test_misspelt_option_is_named() -> None:
    with pytest.raises(TrainingError, match="did you mean 'crop_top'"):
        PolicyConfig.from_dict({"croptop": 0.1})


def test_cropping_everything_away_is_an_error() -> None:
    with pytest.raises(TrainingError, match="nothing is left"):
        small_policy(pool=32)


@pytest.mark.parametrize("head", [PointOptions("l1"), MixtureOptions(modes=3), CvaeOptions(latent=2), FlowOptions()])
def test_specification_survives_json(head: HeadOptions) -> None:
    """Catches options of a head that a checkpoint forgets."""
    specification = small_policy(head=head).specification
    again = PolicySpecification.from_dict(json.loads(json.dumps(specification.to_dict())))
    assert again == specification
    assert again.config.head == head


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("mixtur", {}, "did you mean 'mixture'"),
        ("mixture", {"mode": 3}, "did you mean 'modes'"),
        ("mixture", {"kind": "point"}, "no option 'kind'"),
        ("mixture", {"modes": 1}, "at least 2"),
        ("point", {"loss": "hubert"}, "did you mean 'huber'"),
        ("independent", {"bins": 1}, "at least 2"),
        ("joint", {"clusters": 1}, "at least 2"),
        ("joint", {"clusters": 10**7}, "at most 4096"),
        ("autoregressive", {"hidden": 0}, "positive width"),
        ("cvae", {"kl_weight": 0.0}, "positive weight"),
        ("cvae", {"kl_weight": float("inf")}, "positive weight"),
        ("n_best", {"draws": 1}, "at least 2"),
        ("adversarial", {"penalty": -1.0}, "0 or more"),
        ("adversarial", {"penalty": float("nan")}, "0 or more"),
        ("flow", {"steps": 0}, "1 to 100"),
    ],
)
def test_bad_options_of_heads_are_rejected_at_construction(kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        head_options(kind, options)


def test_checkpoint_survives_the_disk(tmp_path: Any) -> None:
    """Catches a weight, a statistic or a limit that is not saved."""
    checkpoint = small_checkpoint()
    checkpoint.save(tmp_path)
    loaded = Checkpoint.load(tmp_path)
    assert loaded.contract.hash == checkpoint.contract.hash
    assert loaded.unsafe_threshold_suggested == checkpoint.unsafe_threshold_suggested
    with torch.inference_mode():
        for before, after in zip(checkpoint.policy(_raw()), loaded.policy(_raw()), strict=True):
            assert torch.equal(before, after)
    assert np.array_equal(loaded.probe[CAMERA], checkpoint.probe[CAMERA])


@pytest.mark.parametrize("file", ["checkpoint.json", "policy.safetensors", "probe.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_damaged_checkpoint_is_refused(tmp_path: Any, file: str, damage: str) -> None:
    small_checkpoint().save(tmp_path)
    path = tmp_path / file
    content = path.read_bytes()
    path.unlink()
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    with pytest.raises(TrainingError, match=r"no usable checkpoint|is not the file that was saved"):
        Checkpoint.load(tmp_path)


@pytest.mark.parametrize("file", ["policy.safetensors", "probe.safetensors"])
def test_one_flipped_bit_is_refused(tmp_path: Any, file: str) -> None:
    """Catches a damaged weight that is a weight all the same, and would be exported."""
    small_checkpoint().save(tmp_path)
    content = bytearray((tmp_path / file).read_bytes())
    content[-3] ^= 1
    (tmp_path / file).write_bytes(content)
    with pytest.raises(TrainingError, match=f"{file} is not the file that was saved") as caught:
        Checkpoint.load(tmp_path)
    assert "found:    SHA-256" in str(caught.value)
    assert "expected: SHA-256" in str(caught.value)
    assert "to do:" in str(caught.value)


def test_checkpoint_without_hashes_is_refused(tmp_path: Any) -> None:
    """Catches a check that an old or an edited description turns off."""
    small_checkpoint().save(tmp_path)
    path = tmp_path / "checkpoint.json"
    description = json.loads(path.read_text())
    del description["sha256"]
    path.write_text(json.dumps(description))
    with pytest.raises(TrainingError, match="does not say what its files have to be"):
        Checkpoint.load(tmp_path)


@pytest.mark.parametrize("wrong", [{"contract": 5}, {"policy": ["streams"]}, {"policy": {"mixture": 3}}, {"sha256": 1}])
def test_a_description_of_another_kind_is_refused(tmp_path: Any, wrong: dict[str, Any]) -> None:
    """Catches a traceback where the JSON is sound and what stands in it is not."""
    small_checkpoint().save(tmp_path)
    path = tmp_path / "checkpoint.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | wrong))
    with pytest.raises(TrainingError, match=r"no usable checkpoint|does not say what its files"):
        Checkpoint.load(tmp_path)
