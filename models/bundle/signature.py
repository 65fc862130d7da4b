"""Inputs and outputs of a policy's graph: what they are called, and whether they are what the contract asks for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.bundle.metadata import BundleMetadata
from models.bundle.noise import NOISE_INPUT
from models.bundle.structure import ModelStructure, TensorInfo
from models.contract import Contract
from models.errors import BundleError

__all__ = [
    "OUTPUTS",
    "STATE_INPUT",
    "STATE_OUTPUT",
    "Signature",
    "check_known_answer",
    "check_signature",
]

OUTPUTS = ("action", "unsafe_probability")
"""Of every policy, in this order."""

STATE_INPUT, STATE_OUTPUT = "previous_state", "state"
"""Of a recurrent policy. They differ because ONNX gives every value one name (static single assignment)."""

# One number for each dimension of a long chunk, several times over; the runtime draws them all each tick.
MAX_NOISE = 2**16

# 4 MB. A recurrent policy of this kind of robot keeps some hundred numbers; the runtime looks at all of them each tick.
MAX_STATE_ELEMENTS = 2**20


@dataclass(frozen=True, slots=True)
class Signature:
    """What a graph takes and gives.

    Attributes:
        inputs: one for each observation stream; the batch axis is ``None``.
        chunk: actions per observation.
        state_shape: of one observation's state; ``None`` without one.
        noise_width: standard normal numbers that one observation takes; 0 for none.
    """

    inputs: tuple[TensorInfo, ...]
    chunk: int
    state_shape: tuple[int, ...] | None
    noise_width: int = 0


def check_signature(name: str, structure: ModelStructure, contract: Contract) -> Signature:
    """Raise ``BundleError`` unless inputs and outputs are as the contract asks for; ``name`` is the file's."""
    inputs = {entry.name: entry for entry in structure.inputs}
    recurrent = contract.memory.recurrent
    streams = [stream.key for stream in contract.observations]
    draws = NOISE_INPUT in inputs and NOISE_INPUT not in streams
    keys = streams + [STATE_INPUT] * recurrent + [NOISE_INPUT] * draws
    if sorted(inputs) != sorted(keys) or len(structure.inputs) != len(keys):
        raise BundleError(f"{name} has other inputs than its contract", found=sorted(inputs), expected=", ".join(keys))
    for stream in contract.observations:
        frames = contract.memory.frames
        entry = inputs[stream.key]
        height, width = stream.image_size or (None, None)
        if stream.is_image:
            expected = TensorInfo(stream.key, "uint8", (None, frames, height, width, None))
            positive = all(size is not None and size > 0 for size in entry.shape[1:])
        else:
            expected = TensorInfo(stream.key, "float32", (None, frames, len(stream.names)))
            positive = True
        fits = len(entry.shape) == len(expected.shape) and all(
            wanted in (None, size) for wanted, size in zip(expected.shape, entry.shape, strict=True)
        )
        if entry.dtype != expected.dtype or not fits or not positive or entry.shape[0] is not None:
            raise BundleError(
                f"input {stream.key!r} of {name} has another type or shape than its contract",
                found=f"{entry.dtype} {_shape(entry.shape)}",
                expected=f"{expected.dtype} {_shape(expected.shape)}",
            )
    chunk = _check_outputs(name, structure, len(contract.action_names), recurrent)
    state_shape = _check_state(name, structure) if recurrent else None
    noise_width = _check_noise(name, inputs[NOISE_INPUT]) if draws else 0
    return Signature(
        tuple(entry for entry in structure.inputs if entry.name in streams), chunk, state_shape, noise_width
    )


def _check_noise(name: str, entry: TensorInfo) -> int:
    width = entry.shape[1] if len(entry.shape) == 2 else None
    if entry.dtype != "float32" or entry.shape[0] is not None or not width or not 0 < width <= MAX_NOISE:
        raise BundleError(
            f"the noise of {name} cannot be drawn",
            found=f"{entry.name} {entry.dtype} {_shape(entry.shape)}",
            expected=f"float32 (N, width), of at most {MAX_NOISE} numbers",
        )
    return width


def _check_outputs(name: str, structure: ModelStructure, dims: int, recurrent: bool) -> int:
    outputs = {entry.name: entry for entry in structure.outputs}
    action, unsafe = (outputs.get(key, TensorInfo(key, "missing", ())) for key in OUTPUTS)
    chunk = action.shape[1] if len(action.shape) == 3 else None
    fits = action.shape[::2] == (None, dims) and unsafe.shape == (None,)
    wanted = {*OUTPUTS, STATE_OUTPUT} if recurrent else set(OUTPUTS)
    others = set(outputs) != wanted or len(structure.outputs) != len(wanted)
    if others or not fits or not chunk or {action.dtype, unsafe.dtype} != {"float32"}:
        state = f"; {STATE_OUTPUT} float32 (N, ...)" if recurrent else ""
        raise BundleError(
            f"{name} has other outputs than a policy",
            found="; ".join(f"{entry.name} {entry.dtype} {_shape(entry.shape)}" for entry in structure.outputs),
            expected=f"action float32 (N, chunk, {dims}); unsafe_probability float32 (N){state}",
        )
    return chunk


def _check_state(name: str, structure: ModelStructure) -> tuple[int, ...]:
    before = next(entry for entry in structure.inputs if entry.name == STATE_INPUT)
    after = next(entry for entry in structure.outputs if entry.name == STATE_OUTPUT)
    sizes = tuple(size for size in before.shape[1:] if size is not None and size > 0)
    fits = before.shape[:1] == (None,) and sizes == before.shape[1:] and sizes and before.shape == after.shape
    if not fits or {before.dtype, after.dtype} != {"float32"} or math.prod(sizes) > MAX_STATE_ELEMENTS:
        raise BundleError(
            f"the state of {name} cannot be kept from one tick to the next",
            found="; ".join(f"{entry.name} {entry.dtype} {_shape(entry.shape)}" for entry in (before, after)),
            expected=f"both float32 of one fixed shape (N, ...), at most {MAX_STATE_ELEMENTS} numbers",
        )
    return sizes


def check_known_answer(name: str, signature: Signature, metadata: BundleMetadata, dims: int) -> None:
    """The question must fit the inputs before anybody allocates memory for it; so must what is said about a state."""
    known = metadata.known_answer
    asked: dict[str, tuple[int | None, ...]] = dict(known.images)
    asked |= {key: rows.shape[1:] for key, rows in known.vectors.items()}
    taken = {entry.name: entry.shape[1:] for entry in signature.inputs}
    if known.previous_state is not None:
        asked[STATE_INPUT] = known.previous_state.shape[1:]
    if signature.state_shape is not None:
        taken[STATE_INPUT] = signature.state_shape
    if known.noise is not None:
        asked[NOISE_INPUT] = known.noise.shape[1:]
    if signature.noise_width:
        taken[NOISE_INPUT] = (signature.noise_width,)
    fits = asked == taken and known.action.shape[1:] == (signature.chunk, dims)
    finite = all(np.isfinite(rows).all() for rows in (known.action, known.state) if rows is not None)
    if not fits or not finite:
        raise BundleError(f"the known answer in {name} does not fit its graph", found=f"{asked}", expected=f"{taken}")
    if (metadata.recurrence is None) != (signature.state_shape is None):
        raise BundleError(
            f"{name} does not say how its state is to be treated",
            found="metadata about a state that the graph has not" if metadata.recurrence else "no metadata about it",
            expected="understudy.recurrence if, and only if, the policy keeps a state",
            fix="export it again with `understudy export`",
        )
    _require_same_noise(name, signature, metadata)


def _require_same_noise(name: str, signature: Signature, metadata: BundleMetadata) -> None:
    stated = metadata.noise.width if metadata.noise else 0
    if stated != signature.noise_width:
        raise BundleError(
            f"{name} does not say what noise it is to be fed",
            found=f"metadata about {stated} numbers, a graph that takes {signature.noise_width}",
            expected="understudy.noise, with the width of the input, if, and only if, the graph takes noise",
            fix="export it again with `understudy export`",
        )


def _shape(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("N" if size is None else str(size) for size in shape) + ")"
