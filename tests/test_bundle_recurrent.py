"""Bundles with a state that are refused, each with its reason (the table of docs/bundle.md)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper
from policy_samples import SMALL_BUNDLE
from recurrent_samples import WIDTH, accumulator, recurrent_contract

from models.bundle import inspect_bundle, verify_bundle
from models.bundle.structure import read_structure
from models.errors import BundleError

Edit = Callable[[onnx.ModelProto], None]
RECURRENCE = "understudy.recurrence"


def _properties(model: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


def _set(model: onnx.ModelProto, key: str, value: str) -> None:
    helper.set_model_props(model, _properties(model) | {key: value})


def _write(tmp_path: Path, edit: Edit) -> Path:
    """An edited bundle whose graph's own hash is right again, so that the check behind it is the one that is tested."""
    model = accumulator()
    edit(model)
    _set(model, "understudy.graph_sha256", read_structure(model.SerializeToString()).graph_sha256)
    path = tmp_path / "policy.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def _entry(model: onnx.ModelProto, name: str) -> Any:
    return next(one for one in (*model.graph.input, *model.graph.output) if one.name == name)


def _set_size(model: onnx.ModelProto, name: str, axis: int, size: int | None) -> None:
    dimension = _entry(model, name).type.tensor_type.shape.dim[axis]
    dimension.Clear()
    if size is not None:
        dimension.dim_value = size


def _set_both(model: onnx.ModelProto, axis: int, size: int | None) -> None:
    for name in ("state", "previous_state"):
        _set_size(model, name, axis, size)


def _drop(entries: Any, name: str) -> None:
    kept = [one for one in entries if one.name != name]
    del entries[:]
    entries.extend(kept)


def _without_metadata(model: onnx.ModelProto) -> None:
    kept = _properties(model)
    kept.pop(RECURRENCE)
    helper.set_model_props(model, kept)


def _known(model: onnx.ModelProto, change: Callable[[dict[str, Any]], object]) -> None:
    values = json.loads(_properties(model)["understudy.known_answer"])
    change(values)
    _set(model, "understudy.known_answer", json.dumps(values))


def _recurrence(**values: float) -> Edit:
    whole = {"state_limit": 100.0, "warm_up_ticks": 2} | values
    return lambda model: _set(model, RECURRENCE, json.dumps(whole))


REFUSALS: dict[str, tuple[Edit, str]] = {
    "no state input": (lambda model: _drop(model.graph.input, "previous_state"), "other inputs than its contract"),
    "no state output": (lambda model: _drop(model.graph.output, "state"), "other outputs than a policy"),
    "state of another type": (
        lambda model: setattr(_entry(model, "state").type.tensor_type, "elem_type", TensorProto.DOUBLE),
        "the state of policy.onnx cannot be kept",
    ),
    "state that changes its size": (lambda model: _set_size(model, "state", 1, WIDTH + 1), "cannot be kept"),
    "state of a free size": (
        lambda model: _set_both(model, 1, None),
        "cannot be kept",
    ),
    "state of one row only": (
        lambda model: _set_both(model, 0, 1),
        "cannot be kept",
    ),
    "state of 8 GB": (
        lambda model: _set_both(model, 1, 2**31),
        "cannot be kept",
    ),
    "no word about the state": (_without_metadata, "does not say how its state"),
    "words that are none": (lambda model: _set(model, RECURRENCE, "soon"), "metadata that cannot be read"),
    "no limit": (lambda model: _set(model, RECURRENCE, '{"warm_up_ticks": 2}'), "metadata that cannot be read"),
    "a limit of zero": (_recurrence(state_limit=0.0), "metadata that cannot be read"),
    "a limit that is none": (
        lambda model: _set(model, RECURRENCE, '{"state_limit": 1e999, "warm_up_ticks": 2}'),
        "metadata that cannot be read",
    ),
    "a warm-up before the reset": (_recurrence(warm_up_ticks=-1), "metadata that cannot be read"),
    "a warm-up of years": (_recurrence(warm_up_ticks=10**9), "metadata that cannot be read"),
    "a question without a state": (
        lambda model: _known(model, lambda values: [values.pop("previous_state"), values.pop("state")]),
        "known answer in policy.onnx does not fit",
    ),
    "an answer without a state": (
        lambda model: _known(model, lambda values: values.pop("state")),
        "metadata that cannot be read",
    ),
    "a question with another state": (
        lambda model: _known(model, lambda values: values.update(previous_state=[[0.0]] * 2, state=[[0.0]] * 2)),
        "known answer in policy.onnx does not fit",
    ),
    "an answer that is no number": (
        lambda model: _known(model, lambda values: values.update(state=[[float("nan")] * WIDTH] * 2)),
        "known answer in policy.onnx does not fit",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_recurrent_bundles_are_refused_for_a_reason(tmp_path: Path, name: str) -> None:
    edit, message = REFUSALS[name]
    with pytest.raises(BundleError, match=message):
        inspect_bundle(_write(tmp_path, edit))


def test_the_unedited_one_is_good(tmp_path: Path) -> None:
    """Catches refusals above that are not the edit's doing."""
    assert verify_bundle(_write(tmp_path, lambda model: None), recurrent_contract()).state_shape == (WIDTH,)


def test_a_wrong_state_is_a_missed_answer(tmp_path: Path) -> None:
    """Catches a replay that looks at actions alone: the third number of the state never reaches an action."""

    def edit(model: onnx.ModelProto) -> None:
        def change(values: dict[str, Any]) -> None:
            values["state"][1][2] += 0.02

        _known(model, change)

    with pytest.raises(BundleError, match=r"does not give its known answer") as caught:
        verify_bundle(_write(tmp_path, edit))
    assert "state by 0.0002 of its limit" in str(caught.value.found)


def test_a_stack_with_words_about_a_state_is_refused(tmp_path: Path) -> None:
    model = onnx.load(str(SMALL_BUNDLE))
    _set(model, RECURRENCE, json.dumps({"state_limit": 1.0, "warm_up_ticks": 2}))
    path = tmp_path / "policy.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(BundleError, match="does not say how its state"):
        inspect_bundle(path)
