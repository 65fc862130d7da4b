"""Looking into an ONNX file without trusting it."""

from __future__ import annotations

import contextlib

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from policy_samples import SMALL_BUNDLE

from models.bundle.protobuf import WireError, fields
from models.bundle.structure import MAX_GRAPH_DEPTH, read_structure

CONTENT = SMALL_BUNDLE.read_bytes()


@given(st.binary(max_size=300))
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """Catches an IndexError, an endless loop or a UnicodeDecodeError on bytes that are no model."""
    with contextlib.suppress(WireError):
        read_structure(content)


@given(st.integers(0, len(CONTENT) - 1), st.binary(min_size=1, max_size=8))
@settings(max_examples=300, deadline=None)
def test_damaged_models_are_read_or_refused(position: int, patch: bytes) -> None:
    """Catches the same where it is likelier: inside something that is almost a model."""
    with contextlib.suppress(WireError):
        read_structure(CONTENT[:position] + patch + CONTENT[position + len(patch) :])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x0a\x05abc", "needs 5 bytes"),
        (b"\x08", "ends inside a number"),
        (b"\x08" + b"\xff" * 10, "longer than"),
        (b"\x00", "field number 0"),
        (b"\x0b", "wire type 3"),
        (b"\x0d\x01\x02", "needs 4 bytes"),
    ],
)
def test_broken_wire_format_says_what_is_broken(content: bytes, message: str) -> None:
    with pytest.raises(WireError, match=message):
        list(fields(memoryview(content)))


def test_every_wire_type_is_read() -> None:
    content = (
        b"\x08\x96\x01" + b"\x11" + (7).to_bytes(8, "little") + b"\x1a\x02hi" + b"\x25" + (9).to_bytes(4, "little")
    )
    found = list(fields(memoryview(content)))
    assert found == [(1, 150), (2, 7), (3, memoryview(b"hi")), (4, 9)]


def test_a_second_graph_cannot_hide() -> None:
    """Catches a walk that looks at the first graph only: protobuf merges a repeated field into one graph."""
    hidden = onnx.ModelProto()
    hidden.graph.node.append(helper.make_node("Anything", [], ["x"], domain="com.example"))
    content = CONTENT + hidden.SerializeToString()
    merged = onnx.ModelProto.FromString(content)
    assert any(node.domain == "com.example" for node in merged.graph.node)
    assert ("com.example", "Anything") in read_structure(content).operators
    for order in (content, hidden.SerializeToString() + CONTENT):
        assert read_structure(order).graph_sha256 != read_structure(CONTENT).graph_sha256


def test_external_data_is_found_wherever_a_tensor_can_be() -> None:
    """Catches a place that the walk forgets."""
    tensor = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    model = onnx.ModelProto(ir_version=8)
    model.graph.initializer.append(tensor)
    sparse = model.graph.sparse_initializer.add()
    sparse.values.CopyFrom(tensor)
    sparse.indices.CopyFrom(tensor)
    node = model.graph.node.add(op_type="Constant")
    node.attribute.add(name="value").t.CopyFrom(tensor)
    node.attribute.add(name="values").tensors.append(tensor)
    node.attribute.add(name="sparse").sparse_tensor.values.CopyFrom(tensor)
    node.attribute.add(name="sparse_list").sparse_tensors.add().indices.CopyFrom(tensor)
    node.attribute.add(name="body").g.initializer.append(tensor)
    node.attribute.add(name="bodies").graphs.add().initializer.append(tensor)
    assert len(read_structure(model.SerializeToString()).external_data) == 9


def test_initialisers_are_no_inputs() -> None:
    """Catches a refusal of files that list their weights among the inputs, as old exporters did."""
    model = onnx.ModelProto.FromString(CONTENT)
    expected = [entry.name for entry in model.graph.input]
    weight = model.graph.initializer[0]
    model.graph.input.append(helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims))
    assert [entry.name for entry in read_structure(model.SerializeToString()).inputs] == expected


def test_graphs_nested_without_end_are_refused() -> None:
    """Catches a stack overflow in the process that controls a robot."""
    graph = helper.make_graph([], "innermost", [], [])
    for _ in range(MAX_GRAPH_DEPTH + 1):
        graph = helper.make_graph([helper.make_node("If", ["c"], [], then_branch=graph)], "outer", [], [])
    with pytest.raises(WireError, match="nested"):
        read_structure(helper.make_model(graph).SerializeToString())
