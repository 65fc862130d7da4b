"""Recurrent policies whose state can be worked out by hand, for the tests of bundles, bindings and the runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper
from policy_samples import CAMERA, IMAGE, RECURRENT_CONTRACT, STATE, small_contract

from models.bundle.known_answer import KnownAnswer
from models.bundle.metadata import BundleMetadata, Parity, Recurrence
from models.bundle.structure import read_structure
from models.contract import Contract
from models.data import Observation

PERIOD_NS = 50_000_000
"""Of the contract's 20 Hz."""

LIMIT = 100.0
"""Of the accumulator's state."""

FLOAT, UINT8 = TensorProto.FLOAT, TensorProto.UINT8
WIDTH = 3


def recurrent_contract() -> Contract:
    return small_contract(RECURRENT_CONTRACT)


def speed(value: float, tick: int = 0, *, starts_memory: bool = False) -> Observation:
    """What the accumulator adds up, at a tick."""
    arrays = {CAMERA: np.zeros((1, *IMAGE), np.uint8), STATE: np.array([[value, 0.0]], np.float32)}
    return Observation(tick * PERIOD_NS, arrays, dict.fromkeys(arrays, tick * PERIOD_NS), starts_memory=starts_memory)


def accumulator(gain: float = 1.0, extra: Sequence[NodeProto] = (), *, warm_up_ticks: int = 2) -> ModelProto:
    """A bundle that adds up speeds: ``state' = gain * state + speed``; both actions are the state, clipped to limits.

    Args:
        gain: above 1 the state explodes by itself.
        extra: further nodes; one that gives ``nothing``, a zero, takes part in the answer.
        warm_up_ticks: what the metadata say.
    """

    def constant(name: str, values: Sequence[float]) -> NodeProto:
        return helper.make_node("Constant", [], [name], value=helper.make_tensor(name, FLOAT, [len(values)], values))

    starts = helper.make_node("Constant", [], ["start"], value=helper.make_tensor("start", TensorProto.INT64, [1], [0]))
    ends = helper.make_node("Constant", [], ["end"], value=helper.make_tensor("end", TensorProto.INT64, [1], [1]))
    axes = helper.make_node("Constant", [], ["axis"], value=helper.make_tensor("axis", TensorProto.INT64, [1], [2]))
    two = helper.make_node("Constant", [], ["two"], value=helper.make_tensor("two", TensorProto.INT64, [1], [2]))
    given = any("nothing" in node.output for node in extra)
    nodes = [
        starts,
        ends,
        axes,
        two,
        constant("gain", [gain]),
        constant("low", [0.0, -2.5]),
        constant("high", [8.0, 2.5]),
        *extra,
        *([] if given else [constant("nothing", [0.0])]),
        helper.make_node("Slice", [STATE, "start", "end", "axis"], ["speeds"]),
        helper.make_node("Squeeze", ["speeds", "end"], ["speed"]),
        helper.make_node("Mul", ["previous_state", "gain"], ["kept"]),
        helper.make_node("Add", ["kept", "speed"], ["sum"]),
        helper.make_node("Add", ["sum", "nothing"], ["state"]),
        helper.make_node("Unsqueeze", ["state", "end"], ["rows"]),
        helper.make_node("Slice", ["rows", "start", "two", "axis"], ["wanted"]),
        helper.make_node("Max", ["wanted", "low"], ["floored"]),
        helper.make_node("Min", ["floored", "high"], ["action"]),
        helper.make_node("Mul", ["speed", "nothing"], ["column"]),
        helper.make_node("Squeeze", ["column", "end"], ["unsafe_probability"]),
    ]
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "accumulator",
        [
            tensor(CAMERA, UINT8, ["N", 1, *IMAGE]),
            tensor(STATE, FLOAT, ["N", 1, 2]),
            tensor("previous_state", FLOAT, ["N", WIDTH]),
        ],
        [
            tensor("action", FLOAT, ["N", 1, 2]),
            tensor("unsafe_probability", FLOAT, ["N"]),
            tensor("state", FLOAT, ["N", WIDTH]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    seal(model, gain, warm_up_ticks)
    return model


def seal(model: ModelProto, gain: float, warm_up_ticks: int) -> None:
    """Give the graph its metadata, with the known answer worked out by numpy."""
    contract = recurrent_contract()
    speeds = np.array([1.0, -0.5], np.float32)
    before = np.array([[0.5, 0.25, 0.0], [1.0, -1.0, 0.5]], np.float32)
    after = np.float32(gain) * before + speeds[:, None]
    action = np.clip(after[:, None, :2], contract.action_minimum, contract.action_maximum)
    vectors = {STATE: np.stack([speeds, np.zeros(2, np.float32)], axis=1)[:, None]}
    answer = KnownAnswer({CAMERA: (1, *IMAGE)}, vectors, action, np.zeros(2, np.float32), before, after)
    metadata = BundleMetadata(
        contract_text=RECURRENT_CONTRACT,
        contract_hash=contract.hash,
        learner={"name": "none"},
        dataset_hash="d" * 64,
        opset=18,
        unsafe_threshold_suggested=0.9,
        parity=Parity(2, 0.0, 0.0),
        known_answer=answer,
        graph_sha256=read_structure(model.SerializeToString()).graph_sha256,
        recurrence=Recurrence(LIMIT, warm_up_ticks),
    )
    helper.set_model_props(model, metadata.to_properties())


def write_accumulator(path: Path, gain: float = 1.0, *, warm_up_ticks: int = 2) -> Path:
    path.write_bytes(accumulator(gain, warm_up_ticks=warm_up_ticks).SerializeToString())
    return path
