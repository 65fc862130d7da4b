"""Small policies whose answers are known beforehand, so that the commands show which policy drives, and since when.

Each is a real bundle that the product's own verification accepts; the graph is written by hand. The speed that the
odometry reports can make one of them fail while it runs, which the known answer cannot tell beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper

from models.bundle.known_answer import KnownAnswer
from models.bundle.metadata import BundleMetadata, Parity, Recurrence
from models.bundle.structure import read_structure
from models.contract import Contract, parse_contract
from models.data import FloatArray

__all__ = ["COUNT_STEP", "TRIGGER_SPEED", "WARM_UP_TICKS", "Bundles", "other_contracts", "write_bundle"]

#: The odometry's speed, m/s, above which a policy that is made to fail does.
TRIGGER_SPEED = 7.0
#: What a recurrent policy adds to its speed for each tick that it remembers, m/s.
COUNT_STEP = 0.001
WARM_UP_TICKS = 5
#: Of the state, which counts ticks; poison adds a thousand times as much.
STATE_LIMIT, POISON = 1e6, 1e9
YAW_RATE, UNSAFE = -0.1, 0.05
OPSET, IR_VERSION = 18, 9
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


@dataclass(frozen=True)
class Bundles:
    """Files for one contract.

    Attributes:
        first: the policy to begin with; answers 2 m/s. Above :data:`TRIGGER_SPEED` its classifier raises, or, of a
            recurrent one, its state is poisoned.
        second: another one that fits as well; answers 3 m/s.
        corrupt: the second one with a flipped bit.
        cut: the second one without its end.
        foreign: what is wrong, in words → made for a contract of another size, order, unit or rate.
    """

    first: Path
    second: Path
    corrupt: Path
    cut: Path
    foreign: dict[str, Path]

    @classmethod
    def write(cls, folder: Path, contract: Contract) -> Bundles:
        """Write all of them into a new folder."""
        folder.mkdir(parents=True)
        raises = not contract.memory.recurrent
        first = write_bundle(folder / "first.onnx", contract, 2.0, raises=raises)
        second = write_bundle(folder / "second.onnx", contract, 3.0, raises=raises)
        content = bytearray(second.read_bytes())
        corrupt, cut = folder / "corrupt.onnx", folder / "cut.onnx"
        cut.write_bytes(content[: len(content) // 2])
        # In the value of a constant: still an ONNX file, and another policy.
        content[content.index(np.float32(3.0).tobytes())] ^= 1
        corrupt.write_bytes(content)
        foreign = {
            words: write_bundle(folder / f"{words.replace(' ', '-')}.onnx", other, 2.0)
            for words, other in other_contracts(contract).items()
        }
        return cls(first, second, corrupt, cut, foreign)


def other_contracts(contract: Contract) -> dict[str, Contract]:
    """What is wrong about it → a contract that differs from ``contract`` in that."""
    text = contract.text
    turn = next(line for line in text.splitlines() if line.strip().startswith("twist.angular.z:"))
    changed = {
        "wrong size": text.replace("select: [twist.linear.x, twist.angular.z]", "select: [twist.linear.x]").replace(
            turn + "\n", ""
        ),
        "wrong order": text.replace(
            "select: [twist.linear.x, twist.angular.z]", "select: [twist.angular.z, twist.linear.x]"
        ),
        "wrong unit": text.replace(turn, turn.replace("min: -2.5, max: 2.5", "min: -2.5 deg/s, max: 2.5 deg/s")),
        "wrong rate": text.replace(f"fps: {contract.fps:g}", f"fps: {2 * contract.fps:g}"),
    }
    unchanged = [words for words, other in changed.items() if other == text]
    if unchanged:
        raise ValueError(f"this contract's text is written in another way than the rig's: {unchanged}")
    return {words: parse_contract(other, words) for words, other in changed.items()}


def write_bundle(
    path: Path, contract: Contract, speed: float, *, raises: bool = False, warm_up_ticks: int = WARM_UP_TICKS
) -> Path:
    """A policy that always answers ``speed`` m/s; a recurrent one adds the number of ticks that it remembers.

    Args:
        path: of the file.
        contract: whose last vector stream begins with the speed.
        speed: m/s, for the first action dimension called ``linear``; the others get a small constant.
        raises: whether the classifier fails above :data:`TRIGGER_SPEED`. A recurrent policy's state is poisoned there
            in any case.
        warm_up_ticks: of a recurrent policy.
    """
    model = _graph(contract, speed, raises=raises)
    _seal(model, contract, speed, warm_up_ticks)
    path.write_bytes(model.SerializeToString())
    return path


def _state_key(contract: Contract) -> str:
    return next(stream.key for stream in contract.observations if not stream.is_image)


def _actions(contract: Contract, speed: float) -> FloatArray:
    """``(A,)``: what the policy answers before it adds anything."""
    row: FloatArray = np.array([speed if "linear" in name else YAW_RATE for name in contract.action_names], np.float32)
    return row


def _graph(contract: Contract, speed: float, *, raises: bool) -> ModelProto:
    frames, recurrent = contract.memory.frames, contract.memory.recurrent
    row = _actions(contract, speed)

    def constant(name: str, kind: int, values: list[float], shape: list[int] | None = None) -> NodeProto:
        tensor = helper.make_tensor(name, kind, [len(values)] if shape is None else shape, values)
        return helper.make_node("Constant", [], [name], value=tensor)

    nodes = [
        constant("row", FLOAT, row.tolist(), [1, 1, len(row)]),
        constant("low", FLOAT, contract.action_minimum.tolist()),
        constant("high", FLOAT, contract.action_maximum.tolist()),
        constant("unsafe", FLOAT, [UNSAFE]),
        constant("zero", FLOAT, [0.0]),
        constant("limit", FLOAT, [TRIGGER_SPEED]),
        constant("newest", INT64, [frames - 1], []),
        constant("first", INT64, [0], []),
        constant("ends", INT64, [1, 2]),
        # The speed in the newest frame: (N,).
        helper.make_node("Gather", [_state_key(contract), "newest"], ["frame"], axis=1),
        helper.make_node("Gather", ["frame", "first"], ["speed"], axis=1),
        helper.make_node("Greater", ["speed", "limit"], ["triggered"]),
        # Zero for each row of the batch: (N,) and (N, 1, 1).
        helper.make_node("Mul", ["speed", "zero"], ["nothing"]),
        helper.make_node("Unsqueeze", ["nothing", "ends"], ["rows"]),
        *_classifier(constant, raises=raises),
        *_memory(constant, row, recurrent=recurrent),
        helper.make_node("Max", ["wanted", "low"], ["floored"]),
        helper.make_node("Min", ["floored", "high"], ["action"]),
    ]
    info = helper.make_tensor_value_info
    inputs = [
        info(
            stream.key,
            TensorProto.UINT8 if stream.is_image else FLOAT,
            ["N", frames, *(*(stream.image_size or ()), 3)] if stream.is_image else ["N", frames, len(stream.names)],
        )
        for stream in contract.observations
    ]
    outputs = [info("action", FLOAT, ["N", 1, len(row)]), info("unsafe_probability", FLOAT, ["N"])]
    if recurrent:
        inputs.append(info("previous_state", FLOAT, ["N", 1]))
        outputs.append(info("state", FLOAT, ["N", 1]))
    graph = helper.make_graph(nodes, "known", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def _classifier(constant: object, *, raises: bool) -> list[NodeProto]:
    """A constant probability; or one looked up behind the end of its table, which ONNX Runtime finds out as it runs."""
    assert callable(constant)
    if not raises:
        return [helper.make_node("Add", ["nothing", "unsafe"], ["unsafe_probability"])]
    return [
        constant("table", FLOAT, [UNSAFE, UNSAFE]),
        constant("five", INT64, [5]),
        helper.make_node("Cast", ["triggered"], ["number"], to=INT64),
        helper.make_node("Mul", ["number", "five"], ["index"]),
        helper.make_node("Gather", ["table", "index"], ["unsafe_probability"], axis=0),
    ]


def _memory(constant: object, row: FloatArray, *, recurrent: bool) -> list[NodeProto]:
    """The answer, to which a recurrent policy adds how many ticks it remembers."""
    assert callable(constant)
    if not recurrent:
        return [helper.make_node("Add", ["rows", "row"], ["wanted"])]
    steps = [COUNT_STEP if number == 0 else 0.0 for number in range(len(row))]
    return [
        constant("one", FLOAT, [1.0]),
        constant("poison", FLOAT, [POISON]),
        constant("last", INT64, [1]),
        constant("steps", FLOAT, steps, [1, 1, len(row)]),
        helper.make_node("Cast", ["triggered"], ["poisoned"], to=FLOAT),
        helper.make_node("Mul", ["poisoned", "poison"], ["added"]),
        helper.make_node("Unsqueeze", ["added", "last"], ["column"]),
        helper.make_node("Add", ["previous_state", "one"], ["counted"]),
        helper.make_node("Add", ["counted", "column"], ["state"]),
        helper.make_node("Unsqueeze", ["state", "last"], ["count"]),
        helper.make_node("Mul", ["count", "steps"], ["more"]),
        helper.make_node("Add", ["more", "row"], ["wanted"]),
    ]


def _seal(model: ModelProto, contract: Contract, speed: float, warm_up_ticks: int) -> None:
    """Give the graph its metadata, with the known answer worked out by numpy."""
    frames, recurrent = contract.memory.frames, contract.memory.recurrent
    vectors, images = {}, {}
    for stream in contract.observations:
        if stream.is_image:
            images[stream.key] = (frames, *(stream.image_size or ()), 3)
        else:
            vectors[stream.key] = np.full((2, frames, len(stream.names)), 0.5, np.float32)
    action = np.tile(_actions(contract, speed), (2, 1, 1))
    before = np.array([[3.0], [0.0]], np.float32) if recurrent else None
    after = None if before is None else before + 1
    if after is not None:
        action[:, 0, 0] += np.float32(COUNT_STEP) * after[:, 0]
    action = np.clip(action, contract.action_minimum, contract.action_maximum)
    metadata = BundleMetadata(
        contract_text=contract.text,
        contract_hash=contract.hash,
        learner={"name": "none"},
        dataset_hash="0" * 64,
        opset=OPSET,
        unsafe_threshold_suggested=0.9,
        parity=Parity(2, 0.0, 0.0),
        known_answer=KnownAnswer(images, vectors, action, np.full(2, UNSAFE, np.float32), before, after),
        graph_sha256=read_structure(model.SerializeToString()).graph_sha256,
        recurrence=Recurrence(STATE_LIMIT, warm_up_ticks) if recurrent else None,
    )
    helper.set_model_props(model, metadata.to_properties())
