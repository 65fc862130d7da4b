"""What is laid out as bytes by this package is what the middleware would have sent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from codec_cases import CASES
from ros_messages import STAMP_NS, make_source, serialize

from il_nodes.codecs import (
    canonical_cdr,
    encode,
    encode_outgoing,
)
from models.errors import CodecError


@pytest.mark.parametrize(
    ("type_name", "select", "values"),
    [
        *((name, case.select, case.expected) for name, cases in CASES.items() for case in cases if case.round_trip),
        ("geometry_msgs/msg/PoseStamped", ("pose.position.z",), [2.5]),
    ],
)
def test_outgoing_bytes_are_those_of_the_message(type_name: str, select: tuple[str, ...] | None, values: Any) -> None:
    """Catches a number in another field's place, a stamp that is lost, and a default (a pose's w) that becomes zero."""
    source = make_source(type_name, select)
    numbers = np.asarray(values, np.uint8 if "Image" in type_name else np.float32)
    outgoing = encode_outgoing(numbers, source, STAMP_NS)
    sent = outgoing if isinstance(outgoing, bytes) else serialize(outgoing)
    assert canonical_cdr(sent, type_name) == canonical_cdr(serialize(encode(numbers, source, STAMP_NS)), type_name)


def test_commands_of_cars_go_out_as_bytes_laid_out_here() -> None:
    """Catches a gate that builds and serialises a message in every tick again."""
    source = make_source("geometry_msgs/msg/TwistStamped", ("twist.linear.x", "twist.angular.z"))
    assert isinstance(encode_outgoing(np.array([1.0, -0.5], np.float32), source, STAMP_NS), bytes)
    with pytest.raises(CodecError, match="wrong number"):
        encode_outgoing(np.ones(3), source, STAMP_NS)
    with pytest.raises(CodecError, match="finite"):
        encode_outgoing(np.array([1.0, np.nan]), source, STAMP_NS)
