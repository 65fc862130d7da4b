"""What every encoder has to do, whatever it sees. Each kind is held to all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from policy_samples import CAMERA, FRAMES, IMAGE, STATE, small_checkpoint, small_observation, small_policy
from torch import Tensor, nn

from models.bundle import export_bundle
from models.policies import Policy, StreamShape
from models.policies.encoder import Encoder
from models.policies.frame_window import FrameWindow
from models.policies.image_encoder import ImageEncoder
from models.policies.keypoint_encoder import KeypointEncoder
from models.policies.resnet_encoder import ResNetEncoder
from models.policies.spatial_softmax import expected_positions
from models.policies.specification import ENCODERS as KINDS
from models.policies.table_encoder import TableEncoder
from models.policies.vector_encoder import VectorEncoder
from models.runtime import PolicyRuntime

RESNET: dict[str, Any] = {"encoder": "resnet", "resnet_channels": 4, "image_channels": (16, 32, 32)}
CASES: dict[str, tuple[dict[str, Any], str, type[Encoder]]] = {
    "small": ({}, CAMERA, ImageEncoder),
    "keypoints": ({"encoder": "keypoints"}, CAMERA, KeypointEncoder),
    "resnet": (RESNET, CAMERA, ResNetEncoder),
    "vector": ({}, STATE, VectorEncoder),
    "deep vector": ({"state_layers": 4}, STATE, VectorEncoder),
    # Two frames of two numbers: four dimensions.
    "table": ({"state_cells": (3, 2, 3, 2)}, STATE, TableEncoder),
}


def _policy(name: str, seed: int = 0) -> Policy:
    return small_policy(seed, **CASES[name][0])


def _encoder(name: str, seed: int = 0) -> tuple[StreamShape, Encoder]:
    _, key, kind = CASES[name]
    found = next(pair for pair in _policy(name, seed).inputs() if pair[0].key == key)
    assert type(found[1]) is kind
    return found


def _raw(name: str, count: int = 5) -> Tensor:
    random = np.random.default_rng(0)
    if CASES[name][1] == STATE:
        return torch.from_numpy(random.normal(size=(count, FRAMES, 2)).astype(np.float32))
    return torch.from_numpy(random.integers(0, 256, (count, FRAMES, *IMAGE), dtype=np.uint8))


def _encode(encoder: Encoder, raw: Tensor) -> Tensor:
    features: Tensor = encoder(encoder.prepare(raw).flatten(1, 2))
    return features


def _whole(side: int) -> FrameWindow:
    """All of a square colour image, pixel by pixel."""
    return FrameWindow((side, side, 3), crop_top=0.0, pool=1)


def test_every_kind_has_a_case() -> None:
    """Catches an encoder that was added without being held to any of this."""
    assert {options.get("encoder", "small") for options, key, _ in CASES.values() if key == CAMERA} == set(KINDS)
    kinds = {ImageEncoder, KeypointEncoder, ResNetEncoder, VectorEncoder, TableEncoder}
    assert {kind for _, _, kind in CASES.values()} == kinds


@pytest.mark.parametrize("name", CASES)
def test_shapes(name: str) -> None:
    """Preparing has no weights and looks at one frame alone; both steps keep the batch."""
    _, encoder = _encoder(name)
    raw = _raw(name)
    prepared = encoder.prepare(raw)
    assert prepared.dtype == torch.float32
    assert prepared.shape[:2] == (5, FRAMES)
    assert torch.equal(encoder.prepare(raw[:, 1:])[:, 0], prepared[:, 1])
    assert not prepared.requires_grad
    assert _encode(encoder, raw).shape == (5, encoder.width)


@pytest.mark.parametrize("name", CASES)
def test_gradients_reach_every_weight(name: str) -> None:
    """Catches a branch that is detached, or built and never used."""
    _, encoder = _encoder(name)
    torch.manual_seed(0)
    torch.autograd.backward((_encode(encoder, _raw(name)) * torch.randn(encoder.width)).sum())
    for parameter, weight in encoder.named_parameters():
        assert weight.grad is not None, parameter
        assert bool((weight.grad != 0).any()), parameter


@pytest.mark.parametrize("name", CASES)
def test_one_observation_is_encoded_as_in_a_batch(name: str) -> None:
    """Catches statistics of the batch: what was learned on 128 frames has to hold for the one of a robot's tick."""
    _, encoder = _encoder(name)
    raw = _raw(name)
    for training in (True, False):
        encoder.train(training)
        torch.testing.assert_close(_encode(encoder, raw)[2:3], _encode(encoder, raw[2:3]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_equal_seeds_give_equal_encoders(name: str) -> None:
    found = [_encode(_encoder(name, seed)[1], _raw(name)) for seed in (1, 1, 2)]
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize("name", CASES)
def test_exported_and_run(name: str, tmp_path: Path) -> None:
    """Catches an operator that the export changes, and a checkpoint that does not rebuild the encoder."""
    checkpoint = small_checkpoint(**CASES[name][0])
    checkpoint.save(tmp_path / "checkpoint")
    report = export_bundle(tmp_path / "checkpoint", tmp_path / "policy.onnx")
    assert report.parity.action <= 1e-5
    observation = small_observation()
    proposal = PolicyRuntime.load(report.path, provider="cpu").predict(observation)
    np.testing.assert_allclose(proposal.actions, checkpoint.policy.act(observation.arrays)[0], atol=1e-4)


def test_the_resnet_is_resnet_18() -> None:
    """Catches a stage that was left out: the parameters of the published network without its classifier, 11.2 million.

    Ours has three channels of one frame, and normalises groups with as many weights as batches have.
    """
    encoder = ResNetEncoder(_whole(96), _encoder("small")[1].normalizer, 64, 3, 64)
    layers = [module for module in encoder.modules() if isinstance(module, nn.Conv2d)]
    body = sum(weight.numel() for part in (encoder.stem, encoder.blocks) for weight in part.parameters())
    assert body == 11_176_512
    assert len(layers) == 1 + 16 + 3
    assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in encoder.modules())


def test_the_resnet_knows_where_a_thing_is() -> None:
    """Catches an encoder that only averages: the same spot elsewhere in the image has to look different."""
    torch.manual_seed(0)
    encoder = ResNetEncoder(_whole(64), _encoder("small")[1].normalizer, 16, 3, 8)
    images = torch.full((2, 1, 64, 64, 3), 120, dtype=torch.uint8)
    images[0, 0, 8:16, 8:16] = 250
    images[1, 0, 40:48, 40:48] = 250
    with torch.no_grad():
        planes = encoder.blocks(encoder.stem(encoder.prepare(images).flatten(1, 2)))
        features = _encode(encoder, images)
    assert planes.shape[2:] == (2, 2)
    assert float((features[0] - features[1]).abs().max()) > 0.01


def test_a_position_is_that_of_the_response() -> None:
    """Catches rows taken for columns, and an image that is not one unit to either side of its middle."""
    planes = torch.full((1, 2, 5, 9), -50.0)
    planes[0, 0, 4, 0] = 50.0
    planes[0, 1, 2, 4:6] = 50.0
    torch.testing.assert_close(expected_positions(planes), torch.tensor([[1.0, 0.0, -1.0, 0.125]]))


def test_a_single_row_has_no_place_in_it() -> None:
    """Catches a division by no extent."""
    assert torch.equal(expected_positions(torch.rand(2, 3, 1, 1)), torch.zeros(2, 6))


def test_a_keypoint_moves_with_what_it_sees() -> None:
    """What a flattened image lacks: a thing that lies elsewhere moves each keypoint by as much, wherever it was."""
    torch.manual_seed(0)
    encoder = KeypointEncoder(_whole(64), _encoder("small")[1].normalizer, 16, 3, (8, 8))
    images = torch.full((3, 1, 64, 64, 3), 120, dtype=torch.uint8)
    for image, column in zip(images, (16, 24, 40), strict=True):
        image[0, 24:32, column : column + 8] = 250
    with torch.no_grad():
        planes = encoder.convolutions(encoder.prepare(images).flatten(1, 2))
        rows, columns = expected_positions(1000.0 * planes[:, :, 2:-2, 2:-2]).chunk(2, dim=1)
    seen = (columns[1] - columns[0]).abs() > 0.01
    assert int(seen.sum()) >= 3
    torch.testing.assert_close(
        (columns[2] - columns[1])[seen], 2.0 * (columns[1] - columns[0])[seen], rtol=0.02, atol=0
    )
    torch.testing.assert_close(rows[1][seen], rows[0][seen], rtol=0, atol=0.02)
