"""Bundles whose policies act by drawing: what they carry, what is refused, and what checks them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from exported_parts import ExportedParts
from onnx import TensorProto, helper
from part_samples import BLIND, HEADS, blind_checkpoint, blind_contract, blind_policy
from policy_samples import SMALL_BUNDLE, small_checkpoint

from models.bundle import export_bundle, inspect_bundle, verify_bundle
from models.bundle.child_check import verify_in_child
from models.bundle.noise import draw_noise
from models.bundle.parity import ROUNDING
from models.bundle.providers import _tensorrt_options
from models.bundle.session import TENSORRT
from models.bundle.structure import read_structure
from models.bundle.torch_answers import random_observations, torch_answer, wavering
from models.errors import BundleError
from models.policies.heads import CvaeHead, IndependentOptions
from models.runtime import PolicyRuntime

Edit = Callable[[onnx.ModelProto], None]
NOISE, KNOWN = "understudy.noise", "understudy.known_answer"
NAME = "cvae drawn"


def _properties(model: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


def _set(model: onnx.ModelProto, key: str, value: str) -> None:
    helper.set_model_props(model, _properties(model) | {key: value})


def _noise(**values: object) -> Edit:
    whole = {"distribution": "standard normal", "seed": 0, "width": 2} | values
    return lambda model: _set(model, NOISE, json.dumps(whole))


def _known(change: Callable[[dict[str, Any]], object]) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        values = json.loads(_properties(model)[KNOWN])
        change(values)
        _set(model, KNOWN, json.dumps(values))

    return edit


def _input_type(model: onnx.ModelProto) -> Any:
    return next(entry for entry in model.graph.input if entry.name == "noise").type.tensor_type


def _without_metadata(model: onnx.ModelProto) -> None:
    kept = _properties(model)
    kept.pop(NOISE)
    helper.set_model_props(model, kept)


REFUSALS: dict[str, tuple[Edit, str]] = {
    "no word about the noise": (_without_metadata, "does not say what noise"),
    "another width": (_noise(width=3), "does not say what noise"),
    "no width": (_noise(width=0), "metadata that cannot be read"),
    "another distribution": (_noise(distribution="uniform"), "metadata that cannot be read"),
    "a seed that is none": (_noise(seed="today"), "metadata that cannot be read"),
    "noise of whole numbers": (
        lambda model: setattr(_input_type(model), "elem_type", TensorProto.INT64),
        "noise of policy.onnx cannot be drawn",
    ),
    "noise of a free width": (lambda model: _input_type(model).shape.dim[1].Clear(), "cannot be drawn"),
    "noise of 32 GB": (lambda model: setattr(_input_type(model).shape.dim[1], "dim_value", 2**33), "cannot be drawn"),
    "noise of one row only": (
        lambda model: setattr(_input_type(model).shape.dim[0], "dim_value", 1),
        "cannot be drawn",
    ),
    "a question without noise": (_known(lambda values: values.pop("noise_input")), "does not fit its graph"),
    "a question of another width": (
        _known(lambda values: values.update(noise_input=[[0.0]] * len(values["action"]))),
        "does not fit its graph",
    ),
    "too few rows of noise": (_known(lambda values: values["noise_input"].pop()), "metadata that cannot be read"),
    "too few numbers of questions": (_known(lambda values: values.update(rows=[1])), "metadata that cannot be read"),
    "a negative question": (_known(lambda values: values.update(rows=[-1, 0, 1, 2])), "metadata that cannot be read"),
}


def _write(model: onnx.ModelProto, path: Path) -> Path:
    _set(model, "understudy.graph_sha256", read_structure(model.SerializeToString()).graph_sha256)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("name", REFUSALS)
def test_bundles_with_noise_are_refused_for_a_reason(exported_parts: ExportedParts, tmp_path: Path, name: str) -> None:
    edit, message = REFUSALS[name]
    model = onnx.load(str(exported_parts(NAME)[1].path))
    edit(model)
    with pytest.raises(BundleError, match=message):
        inspect_bundle(_write(model, tmp_path / "policy.onnx"))


def test_words_about_noise_that_nobody_takes_are_refused(tmp_path: Path) -> None:
    model = onnx.load(str(SMALL_BUNDLE))
    _noise()(model)
    with pytest.raises(BundleError, match="does not say what noise"):
        inspect_bundle(_write(model, tmp_path / "policy.onnx"))


def test_noise_is_part_of_the_question(exported_parts: ExportedParts, tmp_path: Path) -> None:
    """Catches a replay that feeds zeros: with other noise than was asked, the answer is another one."""
    path = exported_parts(NAME)[1].path
    assert verify_bundle(path, blind_contract()).noise_width == 2
    model = onnx.load(str(path))
    _known(lambda values: values["noise_input"][2].__setitem__(0, 3.0))(model)
    with pytest.raises(BundleError, match="does not give its known answer"):
        verify_bundle(_write(model, tmp_path / "policy.onnx"))


def test_old_bundles_say_nothing_about_noise() -> None:
    """Catches a new entry in bundles that do not draw, whose bytes should be those of before."""
    bundle = inspect_bundle(SMALL_BUNDLE)
    assert bundle.noise_width == 0
    assert bundle.arrays == bundle.inputs
    assert set(bundle.metadata.to_properties()) == set(_properties(onnx.load(str(SMALL_BUNDLE))))
    assert PolicyRuntime.load(SMALL_BUNDLE, provider="cpu").noise_seed is None


def test_a_child_process_checks_it_too(exported_parts: ExportedParts, tmp_path: Path) -> None:
    """Catches a child that does not know the new input, so that a robot could never swap to such a policy."""
    (tmp_path / "robot.yaml").write_text(BLIND)
    report = verify_in_child(exported_parts(NAME)[1].path, tmp_path / "robot.yaml")
    assert report.noise_width == 2
    runtime = PolicyRuntime.load(exported_parts(NAME)[1].path, blind_contract(), provider="cpu", verified=report)
    assert runtime.noise_seed == 0


def test_tensorrt_is_told_the_noise(exported_parts: ExportedParts) -> None:
    """Catches an engine without a shape for one of its inputs, which TensorRT refuses to build."""
    options = _tensorrt_options(inspect_bundle(exported_parts(NAME)[1].path))
    assert options[TENSORRT]["trt_profile_opt_shapes"].endswith(",noise:1x2")


def test_ticks_share_no_noise() -> None:
    """Catches streams that overlap when stamps are close: 1,000 numbers a tick, stamps one nanosecond apart."""
    drawn = np.stack([draw_noise(0, stamp_ns, 1000) for stamp_ns in range(20)])
    assert len(np.unique(drawn)) > 0.99 * drawn.size
    assert abs(float(drawn.mean())) < 0.03
    assert float(drawn.std()) == pytest.approx(1.0, abs=0.03)
    np.testing.assert_array_equal(draw_noise(0, 5, 10), draw_noise(0, 5, 10))
    assert not np.array_equal(draw_noise(0, 5, 10), draw_noise(1, 5, 10))
    # Numbers beyond what a float holds exactly, and negative ones.
    assert not np.array_equal(draw_noise(0, 2**62, 4), draw_noise(0, 2**62 + 1, 4))
    assert not np.array_equal(draw_noise(-1, -5, 4), draw_noise(-1, -6, 4))


# -- answers at a tie -------------------------------------------------------------------------------------------------


def test_a_tie_is_found_and_left_out_of_the_comparison(tmp_path: Path) -> None:
    """Catches an export that fails by chance, or a comparison that leaves out more than ties.

    Two modes that weigh nearly the same: their order hangs on a number that rounding changes.
    """
    policy = blind_policy(0, head=HEADS["mixture"])
    weight = policy.head.get_submodule("weight")
    rows = random_observations(policy, 200)
    assert not wavering(policy, lambda one, arrays: torch_answer(one, arrays, None), rows, ROUNDING).any()
    weight.weight.data[1] = weight.weight.data[0]  # type: ignore[index, union-attr]
    weight.bias.data[:2] = weight.bias.data[0] + 9.0  # type: ignore[index, union-attr]
    assert wavering(policy, lambda one, arrays: torch_answer(one, arrays, None), rows, ROUNDING).mean() > 0.9
    with pytest.raises(BundleError, match="wavers between alternatives"):
        export_bundle(blind_checkpoint(policy), tmp_path / "policy.onnx")


def test_questions_at_a_tie_are_not_asked(tmp_path: Path) -> None:
    """Catches a known answer that another processor may rightly miss, and images of other questions than were asked.

    Of 256 bins that all weigh about the same one is drawn 32 times: on some of the first questions that is a tie.
    """
    checkpoint = small_checkpoint(3, head=IndependentOptions(bins=256), act="sample", chunk=16)
    bundle = inspect_bundle(export_bundle(checkpoint, tmp_path / "policy.onnx").path)
    assert bundle.metadata.known_answer.rows == (0, 2, 4, 6)
    verify_bundle(bundle.path, checkpoint.contract)
    model = onnx.load(str(bundle.path))
    _known(lambda values: values.pop("rows"))(model)
    with pytest.raises(BundleError, match="does not give its known answer"):
        verify_bundle(_write(model, tmp_path / "other.onnx"))


def test_heads_that_choose_nothing_are_compared_everywhere() -> None:
    """Catches a smooth policy whose comparison is thinned out."""
    policy = blind_policy(0, head=HEADS["cvae"])
    assert isinstance(policy.head, CvaeHead)
    rows = random_observations(policy, 50)
    assert not wavering(policy, lambda one, arrays: torch_answer(one, arrays, None), rows, 1.0).any()
