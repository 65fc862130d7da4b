"""Read a bundle and refuse it for a reason, before anything in it runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from models.bundle.metadata import BundleMetadata
from models.bundle.protobuf import WireError
from models.bundle.structure import ModelStructure, TensorInfo, read_structure
from models.contract import Contract, parse_contract
from models.data import FloatArray
from models.errors import BundleError, ContractError

__all__ = ["Bundle", "inspect_bundle"]

# A policy for this kind of robot has 0.1 to 100 MB; a larger file is a mistake or an attack on the robot's memory.
MAX_BYTES = 512 * 1024 * 1024
# The first operator set whose operators the exporter emits without emulation.
MIN_OPSET = 17
ALLOWED_DOMAINS = {"", "ai.onnx"}
OUTPUTS = ("action", "unsafe_probability")


@dataclass(frozen=True)
class Bundle:
    """A bundle whose structure was checked; nothing of it has run yet.

    Attributes:
        path: where it was read from.
        content: the bytes that were checked, and that are run: the file is not read twice.
        sha256: of the file, hex.
        metadata: what it says about itself.
        contract: the robot contract inside it.
        inputs: the graph's inputs; the batch axis is ``None``.
        chunk: actions per observation.
        operators: operator types in the graph.
    """

    path: Path
    content: bytes = field(repr=False)
    sha256: str
    metadata: BundleMetadata
    contract: Contract
    inputs: tuple[TensorInfo, ...]
    chunk: int
    operators: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content)

    @property
    def action_span(self) -> FloatArray:
        """``(A,)`` maximum minus minimum of every action dimension, in SI units."""
        span: FloatArray = self.contract.action_maximum - self.contract.action_minimum
        return span


def inspect_bundle(path: Path | str) -> Bundle:
    """Read and check everything that can be checked without running the graph.

    Raises:
        BundleError: with one reason of the table in ``docs/bundle.md``.
    """
    path = Path(path)
    content = _read(path)
    try:
        structure = read_structure(content)
    except WireError as error:
        raise BundleError(
            f"{path.name} is not an ONNX file, or it is corrupt or truncated",
            found=f"{len(content)} bytes; {error}",
            fix="copy or export it again, and compare the SHA-256 with that of the sender",
        ) from error
    _refuse_unsafe(path.name, structure)
    metadata = BundleMetadata.from_properties(structure.metadata, path.name)
    if metadata.graph_sha256 != structure.graph_sha256:
        raise BundleError(
            f"the graph in {path.name} is not the one that was exported",
            found=f"graph SHA-256 {structure.graph_sha256}",
            expected=metadata.graph_sha256,
            fix="copy or export it again",
        )
    contract = _contract(path.name, metadata)
    chunk = _check_signature(path.name, structure, contract)
    _check_known_answer(path.name, structure, metadata, chunk, len(contract.action_names))
    return Bundle(
        path=path,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        metadata=metadata,
        contract=contract,
        inputs=tuple(structure.inputs),
        chunk=chunk,
        operators=tuple(sorted({name for _, name in structure.operators})),
    )


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        content = b""
        if size <= MAX_BYTES:
            with path.open("rb") as stream:
                content = stream.read(MAX_BYTES)
    except OSError as error:
        raise BundleError(
            f"cannot read the policy bundle {path}",
            found=error.strerror,
            fix="export one with `understudy export`, or give another path",
        ) from error
    if size > MAX_BYTES:
        raise BundleError(
            f"{path.name} is too large for a policy bundle",
            found=f"{size} bytes",
            expected=f"at most {MAX_BYTES} bytes",
        )
    if not content:
        raise BundleError(f"{path.name} is empty", fix="copy or export it again")
    return content


def _refuse_unsafe(name: str, structure: ModelStructure) -> None:
    """What must not reach ONNX Runtime: other files, code that it does not define, anything said twice."""
    if structure.external_data:
        raise BundleError(
            f"{name} keeps data outside the file",
            found=f"external data for {', '.join(structure.external_data[:3]) or 'a tensor'}",
            expected="one file that carries everything",
            fix="export it again with `understudy export`, which never does",
        )
    domains = {domain for domain, _ in structure.operators} | set(structure.opsets)
    unknown = sorted(domains - ALLOWED_DOMAINS)
    if unknown or structure.functions or structure.has_training_graphs:
        found = (
            f"operator domains {', '.join(map(repr, unknown))}" if unknown else "its own functions or training graphs"
        )
        raise BundleError(f"{name} needs operators that are not standard ONNX", found=found, expected="domain '' only")
    opset = max((version for domain, version in structure.opsets.items() if domain in ALLOWED_DOMAINS), default=0)
    if opset < MIN_OPSET:
        raise BundleError(f"{name} has too old an operator set", found=opset, expected=f"at least {MIN_OPSET}")
    if structure.duplicates:
        raise BundleError(f"{name} gives metadata twice", found=", ".join(structure.duplicates))


def _contract(name: str, metadata: BundleMetadata) -> Contract:
    try:
        contract = parse_contract(metadata.contract_text, name=f"{name}:contract")
        contract.require_limits()
    except ContractError as error:
        raise BundleError(f"the contract inside {name} cannot be used: {error}") from error
    if contract.hash != metadata.contract_hash:
        raise BundleError(
            f"the contract inside {name} does not match its own hash",
            found=contract.hash,
            expected=metadata.contract_hash,
            fix="it was edited, or written by a version that reads contracts differently: export it again",
        )
    return contract


def _check_signature(name: str, structure: ModelStructure, contract: Contract) -> int:
    """Inputs and outputs as the contract asks for; returns the chunk length."""
    inputs = {entry.name: entry for entry in structure.inputs}
    keys = [stream.key for stream in contract.observations]
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
    return _check_outputs(name, structure, len(contract.action_names))


def _check_outputs(name: str, structure: ModelStructure, dims: int) -> int:
    outputs = {entry.name: entry for entry in structure.outputs}
    action, unsafe = (outputs.get(key, TensorInfo(key, "missing", ())) for key in OUTPUTS)
    chunk = action.shape[1] if len(action.shape) == 3 else None
    fits = action.shape[::2] == (None, dims) and unsafe.shape == (None,)
    if len(structure.outputs) != 2 or not fits or not chunk or {action.dtype, unsafe.dtype} != {"float32"}:
        raise BundleError(
            f"{name} has other outputs than a policy",
            found="; ".join(f"{entry.name} {entry.dtype} {_shape(entry.shape)}" for entry in structure.outputs),
            expected=f"action float32 (N, chunk, {dims}); unsafe_probability float32 (N)",
        )
    return chunk


def _check_known_answer(name: str, structure: ModelStructure, metadata: BundleMetadata, chunk: int, dims: int) -> None:
    """The question must fit the inputs before anybody allocates memory for it."""
    known = metadata.known_answer
    asked: dict[str, tuple[int, ...]] = dict(known.images)
    asked |= {key: rows.shape[1:] for key, rows in known.vectors.items()}
    taken = {entry.name: entry.shape[1:] for entry in structure.inputs}
    if asked != taken or known.action.shape[1:] != (chunk, dims) or not np.all(np.isfinite(known.action)):
        raise BundleError(f"the known answer in {name} does not fit its graph", found=f"{asked}", expected=f"{taken}")


def _shape(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("N" if size is None else str(size) for size in shape) + ")"
