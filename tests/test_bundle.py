"""Exporting a bundle, and what it carries."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch
from policy_samples import CAMERA, CONTRACT, FRAMES, IMAGE, STATE, small_checkpoint, small_contract

from models.bundle import export_bundle, inspect_bundle, verify_bundle
from models.bundle.known_answer import noise_image
from models.bundle.structure import read_structure
from models.errors import BundleError
from models.policies.checkpoint import Checkpoint
from models.policies.heads import GaussianOptions


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "policy.onnx"
    export_bundle(small_checkpoint(chunk=2), path)
    return path


@pytest.fixture(scope="module")
def model(exported: Path) -> onnx.ModelProto:
    return onnx.load(str(exported))


def _properties(model: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


def test_export_equals_torch_on_many_observations(exported: Path) -> None:
    """Catches an operator that the exporter translates wrongly."""
    parity = inspect_bundle(exported).metadata.parity
    assert parity.observations >= 256
    assert 0.0 <= parity.action <= 1e-5
    assert 0.0 <= parity.unsafe_probability <= 1e-5


def test_export_is_reproducible(exported: Path, tmp_path: Path) -> None:
    """Catches a time, a path or a random number in the file: equal checkpoints must give equal bundles."""
    report = export_bundle(small_checkpoint(chunk=2), tmp_path / "again.onnx")
    assert report.sha256 == inspect_bundle(exported).sha256
    assert str(Path(__file__).parent.parent).encode() not in exported.read_bytes()


def test_bundle_carries_what_it_claims(exported: Path) -> None:
    bundle = verify_bundle(exported, small_contract())
    assert bundle.contract.action_names == ("twist.linear.x", "twist.angular.z")
    assert bundle.metadata.contract_text == CONTRACT
    assert bundle.metadata.dataset_hash == "d" * 64
    assert bundle.metadata.unsafe_threshold_suggested == 0.9
    assert bundle.metadata.learner == {"name": "none"}
    assert bundle.metadata.opset >= 17
    assert {entry.name: (entry.dtype, entry.shape) for entry in bundle.inputs} == {
        CAMERA: ("uint8", (None, FRAMES, *IMAGE)),
        STATE: ("float32", (None, FRAMES, 2)),
    }
    assert bundle.chunk == 2


def test_onnx_agrees_that_it_is_onnx(exported: Path, model: onnx.ModelProto) -> None:
    """Catches a walk that reads another graph than everybody else: onnx's own parser must see the same."""
    onnx.checker.check_model(model, full_check=True)
    structure = read_structure(exported.read_bytes())
    assert [entry.name for entry in structure.inputs] == [entry.name for entry in model.graph.input]
    assert structure.metadata == _properties(model)
    assert structure.operators == {(node.domain, node.op_type) for node in model.graph.node}
    assert structure.opsets == {entry.domain: entry.version for entry in model.opset_import}


def test_noise_is_the_same_everywhere() -> None:
    """Catches a known answer that only this library can ask for: these bytes are SHAKE-256's."""
    assert noise_image("observation.images.front", 0, (2, 4)).tolist() == [[103, 19, 72, 20], [34, 17, 90, 44]]


def _broken_weights(checkpoint: Checkpoint) -> Checkpoint:
    with torch.no_grad():
        next(checkpoint.policy.head.parameters()).fill_(float("nan"))
    return checkpoint


def _contract_with_another_text(checkpoint: Checkpoint) -> Checkpoint:
    other = dataclasses.replace(checkpoint.contract, text=CONTRACT.replace("fps: 20", "fps: 30"))
    return dataclasses.replace(checkpoint, contract=other)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_broken_weights, "does not compute what torch computes"),
        (_contract_with_another_text, "does not match its own hash"),
    ],
)
def test_failed_export_leaves_the_old_bundle(
    tmp_path: Path, damage: Callable[[Checkpoint], Checkpoint], message: str
) -> None:
    """Catches an export that replaces the file before it knows that the new one is good."""
    path = tmp_path / "policy.onnx"
    path.write_bytes(b"the old one")
    with pytest.raises(BundleError, match=message):
        export_bundle(damage(small_checkpoint()), path)
    assert path.read_bytes() == b"the old one"
    assert [entry.name for entry in tmp_path.iterdir()] == ["policy.onnx"]


def test_export_never_replaces_what_is_no_file(tmp_path: Path) -> None:
    """Catches an export to a device or a folder that puts a file in its place."""
    for path in (tmp_path, Path(os.devnull)):
        with pytest.raises(BundleError, match="is no file"):
            export_bundle(small_checkpoint(), path)
    assert Path(os.devnull).is_char_device()


def test_gaussian_head_exports_without_observations_of_the_dataset(tmp_path: Path) -> None:
    """Catches a head that trains and cannot be exported, and a comparison that needs recorded observations."""
    checkpoint = dataclasses.replace(small_checkpoint(head=GaussianOptions()), probe={})
    assert export_bundle(checkpoint, tmp_path / "policy.onnx").parity.observations >= 256
    verify_bundle(tmp_path / "policy.onnx", checkpoint.contract)
