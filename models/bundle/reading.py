"""Read a bundle and refuse it for a reason, before anything in it runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from models.bundle.metadata import BundleMetadata
from models.bundle.noise import NOISE_INPUT
from models.bundle.protobuf import WireError
from models.bundle.signature import check_known_answer, check_signature
from models.bundle.structure import ModelStructure, TensorInfo, read_structure
from models.contract import Contract, parse_contract
from models.data import FloatArray
from models.errors import BundleError, ContractError
from models.regular_file import read_regular_file

__all__ = ["Bundle", "inspect_bundle"]

# A policy for this kind of robot has 0.1 to 100 MB; a larger file is a mistake or an attack on the robot's memory.
MAX_BYTES = 512 * 1024 * 1024
# The first operator set whose operators the exporter emits without emulation.
MIN_OPSET = 17
ALLOWED_DOMAINS = {"", "ai.onnx"}


@dataclass(frozen=True)
class Bundle:
    """A bundle whose structure was checked; nothing of it has run yet.

    Attributes:
        path: where it was read from.
        content: the bytes that were checked, and that are run: the file is not read twice.
        sha256: of the file, hex.
        metadata: what it says about itself.
        contract: the robot contract inside it.
        inputs: one for each observation stream; the batch axis is ``None``.
        chunk: actions per observation.
        operators: operator types in the graph.
        state_shape: of what a recurrent policy remembers, without the batch axis; ``None`` for a policy without.
        noise_width: standard normal numbers that each tick takes of a policy that acts by drawing; 0 for one that does
            not.
    """

    path: Path
    content: bytes = field(repr=False)
    sha256: str
    metadata: BundleMetadata
    contract: Contract
    inputs: tuple[TensorInfo, ...]
    chunk: int
    operators: tuple[str, ...]
    state_shape: tuple[int, ...] | None = None
    noise_width: int = 0

    @property
    def arrays(self) -> tuple[TensorInfo, ...]:
        """What an observation of one tick makes the graph's inputs: the streams, and the noise where there is any."""
        noise = TensorInfo(NOISE_INPUT, "float32", (None, self.noise_width))
        return (*self.inputs, noise) if self.noise_width else self.inputs

    @property
    def is_recurrent(self) -> bool:
        """Whether the policy keeps a state from tick to tick."""
        return self.state_shape is not None

    @property
    def state_limit(self) -> float:
        """Magnitude that no element of a healthy state exceeds; 1 where there is no state."""
        return self.metadata.recurrence.state_limit if self.metadata.recurrence else 1.0

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content)

    @property
    def action_span(self) -> FloatArray:
        """``(A,)`` maximum minus minimum of every action dimension, in SI units."""
        span: FloatArray = self.contract.action_maximum - self.contract.action_minimum
        return span


def inspect_bundle(path: Path | str, sha256: str = "") -> Bundle:
    """Read and check everything that can be checked without running the graph.

    Args:
        path: the ``policy.onnx``. It is read once, and only what was read is ever checked and run.
        sha256: of the file, hex, when it is known from an earlier check; other bytes are refused.

    Raises:
        BundleError: with one reason of the table in ``docs/bundle.md``.
    """
    path = Path(path)
    content = _read(path)
    digest = hashlib.sha256(content).hexdigest()
    if sha256 and digest != sha256:
        raise BundleError(
            f"{path.name} is not the file any more that was verified",
            found=f"SHA-256 {digest}",
            expected=f"SHA-256 {sha256}",
            fix="somebody wrote to it meanwhile: write beside it, then rename, and ask again",
        )
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
    signature = check_signature(path.name, structure, contract)
    check_known_answer(path.name, signature, metadata, len(contract.action_names))
    return Bundle(
        path=path,
        content=content,
        sha256=digest,
        metadata=metadata,
        contract=contract,
        inputs=signature.inputs,
        chunk=signature.chunk,
        operators=tuple(sorted({name for _, name in structure.operators})),
        state_shape=signature.state_shape,
        noise_width=signature.noise_width,
    )


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        content = b"" if size > MAX_BYTES else read_regular_file(path, MAX_BYTES)
    except (OSError, ValueError) as error:
        raise BundleError(
            f"cannot read the policy bundle {path}",
            found=error.strerror if isinstance(error, OSError) else str(error),
            fix="export one with `understudy export`, or give another path",
        ) from error
    if max(size, len(content)) > MAX_BYTES:
        raise BundleError(
            f"{path.name} is too large for a policy bundle",
            found=f"{max(size, len(content))} bytes",
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
