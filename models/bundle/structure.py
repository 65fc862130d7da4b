"""What an ONNX file contains, read before anything runs it.

The walk follows every occurrence of every field that can hold a graph, a node or a tensor: protobuf merges repeated
messages, so looking only at the first would leave a place to hide. Field numbers are those of ``onnx.proto``
(https://github.com/onnx/onnx/blob/main/onnx/onnx.proto), which never change once published.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from models.bundle.protobuf import WireError, fields, text

__all__ = ["ModelStructure", "TensorInfo", "read_structure"]

# Graphs nest in the attributes of If, Loop and Scan; no exporter nests deeper than a few levels.
MAX_GRAPH_DEPTH = 16

ELEMENT_TYPES = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64"}


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One input or output of the graph: dtype by name, and shape with ``None`` for the batch and other free axes."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape of one row; only for entries whose axes behind the batch are known to be fixed."""
        return tuple(size for size in self.shape[1:] if size is not None)


@dataclass(slots=True)
class ModelStructure:
    """What was found in the file.

    Attributes:
        ir_version: of the ONNX format; 0 when missing.
        opsets: operator domain to version, as imported; the standard domain is the empty string.
        metadata: ``metadata_props``.
        inputs: of the main graph, without initialisers.
        outputs: of the main graph.
        operators: every ``(domain, op_type)`` used, in subgraphs too.
        external_data: tensors whose bytes are in another file.
        functions: model-local functions, which could redefine an operator.
        has_training_graphs: whether it carries graphs that only a trainer runs.
        duplicates: metadata keys given twice.
        graph_sha256: over the bytes of the graph, the weights included and the metadata not.
    """

    ir_version: int = 0
    opsets: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    inputs: list[TensorInfo] = field(default_factory=list)
    outputs: list[TensorInfo] = field(default_factory=list)
    operators: set[tuple[str, str]] = field(default_factory=set)
    external_data: list[str] = field(default_factory=list)
    functions: int = 0
    has_training_graphs: bool = False
    duplicates: list[str] = field(default_factory=list)
    graph_sha256: str = ""


def read_structure(content: bytes) -> ModelStructure:
    """Walk a serialised ``ModelProto``; raises ``WireError`` when it is none."""
    found = ModelStructure()
    digest = hashlib.sha256()
    graphs = 0
    for number, value in fields(memoryview(content)):
        if number == 1 and isinstance(value, int):
            found.ir_version = value
        elif number == 7:
            graphs += 1
            digest.update(_message(value))
            _read_graph(_message(value), found, depth=0)
        elif number == 8:
            domain, version = _operator_set(_message(value))
            found.opsets[domain] = version
        elif number == 14:
            key, entry = _string_entry(_message(value))
            if key in found.metadata:
                found.duplicates.append(key)
            found.metadata[key] = entry
        elif number == 20:
            found.has_training_graphs = True
        elif number == 25:
            found.functions += 1
    if graphs == 0 or found.ir_version == 0:
        raise WireError("no graph or no ONNX version in it")
    found.graph_sha256 = digest.hexdigest()
    return found


def _read_graph(graph: memoryview, found: ModelStructure, depth: int) -> None:
    if depth > MAX_GRAPH_DEPTH:
        raise WireError(f"graphs nested more than {MAX_GRAPH_DEPTH} deep")
    initialisers = set()
    inputs: list[TensorInfo] = []
    for number, value in fields(graph):
        if number == 1:
            _read_node(_message(value), found, depth)
        elif number == 5:
            initialisers.add(_read_tensor(_message(value), found))
        elif number == 15:
            initialisers.add(_read_sparse_tensor(_message(value), found))
        elif number == 11 and depth == 0:
            inputs.append(_tensor_info(_message(value)))
        elif number == 12 and depth == 0:
            found.outputs.append(_tensor_info(_message(value)))
    found.inputs += [entry for entry in inputs if entry.name not in initialisers]


def _read_node(node: memoryview, found: ModelStructure, depth: int) -> None:
    operator, domain = "", ""
    for number, value in fields(node):
        if number == 4:
            operator = text(value)
        elif number == 7:
            domain = text(value)
        elif number == 5:
            _read_attribute(_message(value), found, depth)
    found.operators.add((domain, operator))


def _read_attribute(attribute: memoryview, found: ModelStructure, depth: int) -> None:
    for number, value in fields(attribute):
        if number in (5, 10):
            _read_tensor(_message(value), found)
        elif number in (22, 23):
            _read_sparse_tensor(_message(value), found)
        elif number in (6, 11):
            _read_graph(_message(value), found, depth + 1)


def _read_tensor(tensor: memoryview, found: ModelStructure) -> str:
    name, external = "", False
    for number, value in fields(tensor):
        if number == 8:
            name = text(value)
        elif number == 13 or (number == 14 and value != 0):
            external = True
    if external:
        found.external_data.append(name)
    return name


def _read_sparse_tensor(tensor: memoryview, found: ModelStructure) -> str:
    name = ""
    for number, value in fields(tensor):
        if number in (1, 2):
            inner = _read_tensor(_message(value), found)
            name = inner if number == 1 else name
    return name


def _tensor_info(value_info: memoryview) -> TensorInfo:
    name, dtype = "", "unknown"
    shape: list[int | None] = []
    for number, value in fields(value_info):
        if number == 1:
            name = text(value)
        elif number == 2:
            for kind, tensor_type in fields(_message(value)):
                if kind != 1:
                    raise WireError(f"input or output {name!r} is not a tensor")
                for part, inner in fields(_message(tensor_type)):
                    if part == 1 and isinstance(inner, int):
                        dtype = ELEMENT_TYPES.get(inner, f"type {inner}")
                    elif part == 2:
                        shape = [_dimension(_message(dim)) for tag, dim in fields(_message(inner)) if tag == 1]
    return TensorInfo(name, dtype, tuple(shape))


def _dimension(dimension: memoryview) -> int | None:
    for number, value in fields(dimension):
        if number == 1 and isinstance(value, int):
            return value
    return None


def _operator_set(entry: memoryview) -> tuple[str, int]:
    domain, version = "", 0
    for number, value in fields(entry):
        if number == 1:
            domain = text(value)
        elif number == 2 and isinstance(value, int):
            version = value
    return domain, version


def _string_entry(entry: memoryview) -> tuple[str, str]:
    key, content = "", ""
    for number, value in fields(entry):
        if number == 1:
            key = text(value)
        elif number == 2:
            content = text(value)
    return key, content


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise WireError(f"a number ({value}) where a message belongs")
    return value
