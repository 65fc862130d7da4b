"""Everything for which a bundle is refused, each with its reason (the table of docs/bundle.md)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from policy_samples import CAMERA, CONTRACT, SMALL_BUNDLE, small_contract

from models.bundle import inspect_bundle, verify_bundle
from models.bundle.metadata import KEYS
from models.bundle.reading import MAX_BYTES
from models.bundle.structure import read_structure
from models.errors import BundleError

Edit = Callable[[onnx.ModelProto], None]


@pytest.fixture(scope="module")
def exported() -> Path:
    """A bundle as it was exported once: it must be readable for as long as its format has this version."""
    return SMALL_BUNDLE


@pytest.fixture(scope="module")
def model(exported: Path) -> onnx.ModelProto:
    return onnx.load(str(exported))


def _properties(model: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


def _set(model: onnx.ModelProto, key: str, value: str | None) -> None:
    kept = _properties(model) | ({key: value} if value is not None else {})
    if value is None:
        kept.pop(key)
    helper.set_model_props(model, kept)


def _reseal(model: onnx.ModelProto) -> None:
    """Make the graph's own hash right again, so that the check behind it is the one that is tested."""
    _set(model, "understudy.graph_sha256", read_structure(model.SerializeToString()).graph_sha256)


def _write(tmp_path: Path, model: onnx.ModelProto, edit: Edit, reseal: bool = True) -> Path:
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    edit(changed)
    if reseal:
        _reseal(changed)
    path = tmp_path / "policy.onnx"
    path.write_bytes(changed.SerializeToString())
    return path


# --- files that are no bundle ---------------------------------------------------------------------------------------


def _sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)


NO_BUNDLES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "cannot read"),
    "directory": (lambda path: path.mkdir(), "cannot read"),
    "empty": (lambda path: path.write_bytes(b""), "empty"),
    "too large": (_sparse, "too large"),
    "text": (lambda path: path.write_text("not a model " * 50), "not an ONNX file"),
    "zip, as torch.save writes": (
        lambda path: torch.save({"a": torch.zeros(3)}, path),
        "not an ONNX file",
    ),
    "pickle": (lambda path: path.write_bytes(b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00."), "not an ONNX file"),
}


@pytest.mark.parametrize("name", NO_BUNDLES)
def test_what_is_no_bundle_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "policy.onnx"
    make, message = NO_BUNDLES[name]
    make(path)
    with pytest.raises(BundleError, match=message):
        inspect_bundle(path)


@pytest.mark.parametrize("share", [0.001, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.9999])
def test_truncated_bundle_is_refused(exported: Path, tmp_path: Path, share: float) -> None:
    """Catches a half-copied file that still parses: protobuf has no end marker."""
    content = exported.read_bytes()
    path = tmp_path / "policy.onnx"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BundleError):
        inspect_bundle(path)


def test_every_cut_at_a_field_of_the_model_is_refused(exported: Path, tmp_path: Path) -> None:
    """Catches cuts after which the rest is a valid model: metadata entries dropped from the end, one by one."""
    content = exported.read_bytes()
    path = tmp_path / "policy.onnx"
    model = onnx.ModelProto.FromString(content)
    for _ in range(len(KEYS)):
        model.metadata_props.pop()
        path.write_bytes(model.SerializeToString())
        with pytest.raises(BundleError, match="metadata is missing"):
            inspect_bundle(path)


def test_flipped_bits_are_refused(exported: Path, tmp_path: Path) -> None:
    """Catches a changed weight that is too small for the known answer to notice: 200 single bits, all over the file."""
    content = bytearray(exported.read_bytes())
    random = np.random.default_rng(0)
    path = tmp_path / "policy.onnx"
    for bit in random.integers(0, 8 * _graph_end(bytes(content)), 200):
        content[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(content)
        with pytest.raises(BundleError):
            verify_bundle(path)
        content[bit // 8] ^= 1 << (bit % 8)


def _graph_end(content: bytes) -> int:
    """Bytes up to the end of the graph, which the exporter writes before the metadata."""
    return content.index(b"understudy.")


# --- ONNX files that must not run -----------------------------------------------------------------------------------


def _external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")


def _external_in_a_subgraph(model: onnx.ModelProto) -> None:
    """Hidden three levels down: a constant inside the branch of an If."""
    tensor = TensorProto(name="hidden", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="weights.bin")
    constant = helper.make_node("Constant", [], ["hidden_output"])
    constant.attribute.append(helper.make_attribute("value", tensor))
    branch = helper.make_graph([constant], "branch", [], [])
    model.graph.node.append(helper.make_node("If", ["condition"], [], then_branch=branch, else_branch=branch))


def _custom_node(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Anything", [], ["x"], domain="com.example"))


def _custom_node_in_a_subgraph(model: onnx.ModelProto) -> None:
    node = helper.make_node("Anything", [], ["x"], domain="com.example")
    branch = helper.make_graph([node], "branch", [], [])
    model.graph.node.append(helper.make_node("If", ["condition"], [], then_branch=branch, else_branch=branch))


def _function(model: onnx.ModelProto) -> None:
    opset = [helper.make_opsetid("", 18)]
    model.functions.append(helper.make_function("", "Relu", ["x"], ["x"], [], opset))


def _old_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 11


def _twice(model: onnx.ModelProto) -> None:
    model.metadata_props.add(key="understudy.contract", value="robot_type: other")


UNSAFE: dict[str, tuple[Edit, str]] = {
    "external data": (_external, "outside the file"),
    "external data in a subgraph": (_external_in_a_subgraph, "outside the file"),
    "custom operator": (_custom_node, "not standard ONNX"),
    "custom operator in a subgraph": (_custom_node_in_a_subgraph, "com.example"),
    "custom domain": (
        lambda model: model.opset_import.append(helper.make_opsetid("com.microsoft", 1)),
        "com.microsoft",
    ),
    "own function": (_function, "not standard ONNX"),
    "training graph": (lambda model: model.training_info.add(), "training graphs"),
    "old operators": (_old_opset, "too old"),
}


@pytest.mark.parametrize("name", UNSAFE)
def test_unsafe_graphs_are_refused_before_they_run(tmp_path: Path, model: onnx.ModelProto, name: str) -> None:
    edit, message = UNSAFE[name]
    with pytest.raises(BundleError, match=message):
        inspect_bundle(_write(tmp_path, model, edit))


def test_metadata_given_twice_is_refused(tmp_path: Path, model: onnx.ModelProto) -> None:
    with pytest.raises(BundleError, match="twice"):
        inspect_bundle(_write(tmp_path, model, _twice, reseal=False))


# --- metadata -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
def test_every_missing_metadata_entry_is_named(tmp_path: Path, model: onnx.ModelProto, key: str) -> None:
    with pytest.raises(BundleError, match=key):
        inspect_bundle(_write(tmp_path, model, lambda changed: _set(changed, key, None), reseal=False))


def _edit_json(key: str, change: Callable[[dict[str, object]], object]) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        values = json.loads(_properties(model)[key])
        change(values)
        _set(model, key, json.dumps(values))

    return edit


BAD_METADATA: dict[str, tuple[Edit, str]] = {
    "other format": (lambda model: _set(model, "understudy.format_version", "2"), "another bundle format"),
    "no JSON": (lambda model: _set(model, "understudy.parity", "{"), "cannot be read"),
    "list for an object": (lambda model: _set(model, "understudy.known_answer", "[]"), "cannot be read"),
    "threshold that nothing exceeds": (
        lambda model: _set(model, "understudy.unsafe_threshold_suggested", "NaN"),
        "cannot be read",
    ),
    "contract edited": (
        lambda model: _set(model, "understudy.contract", CONTRACT.replace("max: 8", "max: 80")),
        "does not match its own hash",
    ),
    "contract is no YAML": (lambda model: _set(model, "understudy.contract", "{"), "cannot be used"),
    "contract without limits": (
        lambda model: _set(model, "understudy.contract", CONTRACT.split("limits:")[0]),
        "cannot be used",
    ),
    "known answer of another shape": (
        _edit_json("understudy.known_answer", lambda answer: answer["images"].update({CAMERA: [9999, 9999, 9999, 3]})),
        "does not fit",
    ),
    "known answer without rows": (
        _edit_json("understudy.known_answer", lambda answer: answer.update({"action": []})),
        "cannot be read",
    ),
}


@pytest.mark.parametrize("name", BAD_METADATA)
def test_bad_metadata_is_refused(tmp_path: Path, model: onnx.ModelProto, name: str) -> None:
    edit, message = BAD_METADATA[name]
    with pytest.raises(BundleError, match=message):
        inspect_bundle(_write(tmp_path, model, edit, reseal=False))


# --- graphs that are not what the contract says ---------------------------------------------------------------------


def _input(index: int, change: Callable[[onnx.ValueInfoProto], object]) -> Edit:
    return lambda model: change(model.graph.input[index])


def _shape(entry: onnx.ValueInfoProto) -> onnx.TensorShapeProto:
    return entry.type.tensor_type.shape


BAD_SIGNATURE: dict[str, tuple[Edit, str]] = {
    "renamed input": (_input(0, lambda entry: setattr(entry, "name", "observation.images.left")), "other inputs"),
    "input left out": (lambda model: model.graph.input.pop(), "other inputs"),
    "float images": (_input(0, lambda entry: setattr(entry.type.tensor_type, "elem_type", 1)), "type or shape"),
    "other frames": (_input(0, lambda entry: setattr(_shape(entry).dim[1], "dim_value", 3)), "type or shape"),
    "other image size": (_input(0, lambda entry: setattr(_shape(entry).dim[2], "dim_value", 17)), "type or shape"),
    "free image size": (_input(0, lambda entry: _shape(entry).dim[4].Clear()), "type or shape"),
    "other state": (_input(1, lambda entry: setattr(_shape(entry).dim[2], "dim_value", 3)), "type or shape"),
    "fixed batch": (_input(1, lambda entry: setattr(_shape(entry).dim[0], "dim_value", 1)), "type or shape"),
    "output left out": (lambda model: model.graph.output.pop(), "other outputs"),
    "another output": (lambda model: model.graph.output.append(model.graph.input[0]), "other outputs"),
    "output renamed": (lambda model: setattr(model.graph.output[0], "name", "actions"), "other outputs"),
    "another action": (
        lambda model: setattr(_shape(model.graph.output[0]).dim[2], "dim_value", 3),
        "other outputs",
    ),
}


@pytest.mark.parametrize("name", BAD_SIGNATURE)
def test_other_inputs_or_outputs_are_refused(tmp_path: Path, model: onnx.ModelProto, name: str) -> None:
    edit, message = BAD_SIGNATURE[name]
    with pytest.raises(BundleError, match=message):
        inspect_bundle(_write(tmp_path, model, edit))


def test_edited_graph_is_refused_by_its_hash(tmp_path: Path, model: onnx.ModelProto) -> None:
    """Catches weights exchanged under the same metadata."""

    def edit(changed: onnx.ModelProto) -> None:
        tensor = changed.graph.initializer[0]
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 1, tensor.name))
        changed.graph.name += "x"

    with pytest.raises(BundleError, match="not the one that was exported"):
        inspect_bundle(_write(tmp_path, model, edit, reseal=False))


OTHER_CONTRACTS = {
    "fps": (CONTRACT.replace("fps: 20", "fps: 10"), "fps: policy 20 Hz, robot 10 Hz"),
    "action names": (CONTRACT.replace("twist.angular.z: {", "twist.angular.y: {").replace(
        "select: [twist.linear.x, twist.angular.z]", "select: [twist.linear.x, twist.angular.y]"), "action names"),
    "limits": (CONTRACT.replace("max: 8,", "max: 7,"),
        "limits.twist.linear.x.max: policy 8 m/s, robot 7 m/s"),
    "memory": (CONTRACT.replace("frames: 2", "frames: 3"), "memory.frames: policy 2, robot 3"),
    "image size": (CONTRACT.replace("[16, 24]", "[32, 24]"), r"apply: policy resize \[16, 24\], robot resize \[32"),
    "topic": (CONTRACT.replace("/odom", "/odometry"), "observation.state topic: policy /odom, robot /odometry"),
    "stream name": (CONTRACT.replace("images.front", "images.left"), "observations: policy "),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER_CONTRACTS)
def test_another_robot_is_refused_and_the_difference_named(exported: Path, name: str) -> None:
    text, message = OTHER_CONTRACTS[name]
    with pytest.raises(BundleError, match=message):
        verify_bundle(exported, small_contract(text))


def test_many_differences_stay_short(exported: Path) -> None:
    """Catches the wall of text that two unlike robots used to give."""
    text = CONTRACT.replace("fps: 20", "fps: 10").replace("frames: 2", "frames: 3, stride: 2, reset_gap: 1")
    text = text.replace("max: 8, rate: 10", "max: 0.5, rate: 2").replace("max: 2.5, rate: 15", "max: 1, rate: 3")
    with pytest.raises(BundleError) as caught:
        verify_bundle(exported, small_contract(text))
    found = str(caught.value.found)
    assert found.endswith("; and 2 more")
    assert found.count(";") == 6
    assert len(found) < 400


def test_what_does_not_change_the_policy_does_not_refuse_it(exported: Path) -> None:
    """Catches a check that is too strict: quality of service and comments are not the policy's business."""
    verify_bundle(exported, small_contract("# comment\n" + CONTRACT.replace("small_car", "the_other_small_car")))


# --- what only running shows ----------------------------------------------------------------------------------------


def _weaken_head(model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.ndim == 2:
            tensor.CopyFrom(numpy_helper.from_array(np.array(values * np.float32(1.01)), tensor.name))


def _unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "NoSuchOperator"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_weaken_head, "does not give its known answer"),
        (
            _edit_json("understudy.known_answer", lambda answer: answer.update(unsafe_probability=[0.5] * 4)),
            "known answer",
        ),
        (
            _edit_json("understudy.known_answer", lambda answer: answer.update(action=[[[4.0, 0.0]] * 2] * 4)),
            "known answer",
        ),
        (_unknown_operator, "ONNX Runtime cannot load"),
    ],
)
def test_wrong_answers_are_refused(tmp_path: Path, model: onnx.ModelProto, edit: Edit, message: str) -> None:
    """Catches weights one percent off under a hash that fits, and a graph that cannot run."""
    with pytest.raises(BundleError, match=message):
        verify_bundle(_write(tmp_path, model, edit))
