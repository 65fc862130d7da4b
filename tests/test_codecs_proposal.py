"""Proposals on the wire: a trajectory over the action dimensions and the safety channel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ros_messages import STAMP_NS, deserialize, serialize

from il_nodes.codecs import UNSAFE_PROBABILITY, canonical_cdr, decode_proposal, encode_proposal, import_message_class
from models.data import Proposal
from models.errors import CodecError

TRAJECTORY = "trajectory_msgs/msg/JointTrajectory"
NAMES = ("linear.x", "angular.z")
ACTIONS = np.array([[1.0, -0.5], [2.0, 0.25], [3.0, 0.125]], np.float32)


def test_a_proposal_survives_the_wire() -> None:
    """Catches swapped rows and columns, and a safety probability taken for an action."""
    cdr = encode_proposal(Proposal(STAMP_NS, ACTIONS, 0.375, NAMES), 0.05)
    message = deserialize(cdr, TRAJECTORY)
    assert message.joint_names == [*NAMES, UNSAFE_PROBABILITY]
    assert [p.time_from_start.sec * 10**9 + p.time_from_start.nanosec for p in message.points] == [0, 50_000_000, 10**8]
    back = decode_proposal(cdr)
    assert (back.stamp_ns, back.unsafe_probability, back.names) == (STAMP_NS, 0.375, NAMES)
    assert back.actions.dtype == np.float32
    np.testing.assert_array_equal(back.actions, ACTIONS)


@pytest.mark.parametrize("names", [("x",), NAMES, ("abc", "abcd", "ü" * 3, "ab c"), tuple("abcdefg")])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_the_bytes_are_those_of_the_middleware(names: tuple[str, ...], steps: int) -> None:
    """Catches one byte of padding too many, for any length of names, numbers and chunk."""
    actions = np.random.default_rng(0).normal(size=(steps, len(names))).astype(np.float32)
    cdr = encode_proposal(Proposal(STAMP_NS, actions, 0.25, names), 0.3)
    assert cdr == canonical_cdr(serialize(deserialize(cdr, TRAJECTORY)), TRAJECTORY)
    back = decode_proposal(cdr)
    assert back.names == names
    np.testing.assert_array_equal(back.actions, actions)


@pytest.mark.parametrize("steps", [1, 3])
def test_what_was_learned_of_one_message_holds_for_none_that_is_laid_out_otherwise(steps: int) -> None:
    """Catches a shortcut that reads the next message of the same length by the layout of the last one."""

    def message(stamp_ns: int, value: float) -> Any:
        actions = np.full((steps, 2), value, np.float32)
        return deserialize(encode_proposal(Proposal(stamp_ns, actions, value, NAMES), 0.05), TRAJECTORY)

    def read(sent: Any) -> Proposal:
        return decode_proposal(canonical_cdr(serialize(sent), TRAJECTORY))

    for value in (0.25, 0.75):
        back = read(message(STAMP_NS + 1, value))
        assert (back.stamp_ns, back.unsafe_probability) == (STAMP_NS + 1, value)
        np.testing.assert_array_equal(back.actions, np.full((steps, 2), value))
    renamed = message(STAMP_NS, 0.5)
    renamed.joint_names = ["linear.y", *renamed.joint_names[1:]]
    assert read(renamed).names == ("linear.y", "angular.z")
    assert read(message(STAMP_NS, 0.5)).names == NAMES
    nameless = message(STAMP_NS, 0.5)
    nameless.joint_names = [*NAMES, "unsafe_probabilitx"]
    with pytest.raises(CodecError, match="safety channel"):
        read(nameless)
    # Velocities where positions stood: the same length, other lengths within.
    moved = message(STAMP_NS, 0.5)
    moved.points[0].velocities, moved.points[0].positions = moved.points[0].positions, []
    with pytest.raises(CodecError, match="do not fit its channels"):
        read(moved)
    # Both, alike at first: what is read stays the positions.
    for velocity in (0.5, 9.0):
        both = message(STAMP_NS, 0.5)
        for point in both.points:
            point.velocities = point.accelerations = [velocity] * 3
        np.testing.assert_array_equal(read(both).actions, np.full((steps, 2), 0.5))
    broken = bytearray(encode_proposal(Proposal(STAMP_NS, np.ones((steps, 2)), 0.1, NAMES), 0.05))
    broken[8:12] = b"\xff\xff\xff\xff"  # nanoseconds
    with pytest.raises(CodecError, match="a stamp that is none"):
        decode_proposal(bytes(broken))


def test_nan_reaches_the_gate() -> None:
    """Catches a codec that repairs or drops what the gate has to see and refuse."""
    actions = ACTIONS.copy()
    actions[1, 1] = np.nan
    back = decode_proposal(encode_proposal(Proposal(1, actions, float("nan"), NAMES), 0.05))
    np.testing.assert_array_equal(back.actions, actions)
    assert np.isnan(back.unsafe_probability)


@pytest.mark.parametrize(
    ("actions", "names"), [(ACTIONS[:0], NAMES), (ACTIONS, NAMES[:1]), (ACTIONS[0], NAMES), (ACTIONS, (*NAMES, "x"))]
)
def test_shapes_that_contradict_the_names_are_not_sent(actions: np.ndarray, names: tuple[str, ...]) -> None:
    with pytest.raises(CodecError, match="do not fit its names"):
        encode_proposal(Proposal(0, actions, 0.0, names), 0.05)


@pytest.mark.parametrize("stamp_ns", [2**31 * 10**9, -(2**31) * 10**9 - 1, 2**70])
def test_a_stamp_that_no_message_can_carry_is_not_sent(stamp_ns: int) -> None:
    """Catches an error that no node expects: it would end the policy node instead of costing one answer."""
    with pytest.raises(CodecError, match="stamp"):
        encode_proposal(Proposal(stamp_ns, ACTIONS, 0.0, NAMES), 0.05)


def test_wrong_proposals_are_refused() -> None:
    """Catches a proposal of another robot, cut off, or without a safety channel that would count as safe."""
    whole = encode_proposal(Proposal(0, ACTIONS, 0.1, NAMES), 0.05)
    message = deserialize(whole, TRAJECTORY)
    for length in range(0, len(whole) - 1, 5):
        with pytest.raises(CodecError):
            decode_proposal(whole[:length])
    message.joint_names = ["linear.x", "angular.z", "something"]
    with pytest.raises(CodecError, match="without its safety channel"):
        decode_proposal(serialize(message))
    message.joint_names = ["linear.x", UNSAFE_PROBABILITY]
    with pytest.raises(CodecError, match=r"points of \[3\] numbers"):
        decode_proposal(serialize(message))
    message.points = []
    with pytest.raises(CodecError, match="no points"):
        decode_proposal(serialize(message))
    with pytest.raises(CodecError):
        decode_proposal(serialize(import_message_class(TRAJECTORY)()))


def _with_count(whole: bytes, at: int, count: int) -> bytes:
    """The bytes with another length of the sequence whose length stands at ``at``."""
    return whole[:at] + count.to_bytes(4, "little") + whole[at + 4 :]


#: Where the lengths stand: behind the encapsulation, a stamp, and an empty frame_id with its padding; and behind names.
_NAMES_AT = 4 + 8 + 8
_POINTS_AT = _NAMES_AT + 4 + sum(4 + (len(name) + 1 + 3) // 4 * 4 for name in (*NAMES, UNSAFE_PROBABILITY))


def test_more_points_than_any_chunk_has_are_refused_before_one_is_read() -> None:
    """Catches one oversized message that keeps the gate from the robot for a second."""
    longest = encode_proposal(Proposal(0, np.zeros((1000, 2), np.float32), 0.1, NAMES), 0.05)
    assert len(decode_proposal(longest).actions) == 1000
    oversized = encode_proposal(Proposal(0, np.zeros((1001, 2), np.float32), 0.1, NAMES), 0.05)
    with pytest.raises(CodecError, match=r"too many points(.|\n)*1001 points"):
        decode_proposal(oversized)


@pytest.mark.parametrize("count", [4, 5, 10**6, 2**32 - 1])
def test_lengths_that_the_bytes_cannot_hold_are_refused(count: int) -> None:
    """Catches a loop over a length that somebody only claims."""
    whole = encode_proposal(Proposal(0, ACTIONS[:1], 0.1, NAMES), 0.05)
    assert whole[_NAMES_AT] == 3
    assert whole[_POINTS_AT] == 1
    with pytest.raises(CodecError, match="too many points"):
        decode_proposal(_with_count(whole, _POINTS_AT, count))
    with pytest.raises(CodecError):
        decode_proposal(_with_count(whole, _NAMES_AT, count))


def test_more_names_than_any_robot_has_are_refused() -> None:
    """Catches a sequence of names that takes the gate a second to read."""
    many = tuple(f"joint_{number}" for number in range(1000))
    whole = encode_proposal(Proposal(0, np.zeros((1, 1000), np.float32), 0.1, many), 0.05)
    with pytest.raises(CodecError, match="1001 strings"):
        decode_proposal(whole)
    assert len(decode_proposal(encode_proposal(Proposal(0, np.zeros((1, 999)), 0.1, many[1:]), 0.05)).names) == 999


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")  # of a flipped bit in an exponent
def test_reading_by_the_last_layout_reads_what_reading_whole_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a damaged or foreign message that the shortcut takes for one of the policy's, or reads otherwise."""
    rng = np.random.default_rng(5)

    def read(cdr: bytes, known: dict[int, Any]) -> object:
        monkeypatch.setattr("il_nodes.codecs.proposal._layouts", known)
        try:
            found = decode_proposal(cdr)
        except CodecError:
            return "refused"
        numbers = (found.actions.tobytes(), np.float64(found.unsafe_probability).tobytes())
        return found.stamp_ns, found.names, found.actions.shape, *numbers

    names = (NAMES, ("linear.y", "angular.z"), ("x",))
    sent = [
        encode_proposal(Proposal(STAMP_NS + n, rng.normal(size=(1 + n % 3, len(some))), 0.5, some), 0.05)
        for n, some in enumerate(names * 3)
    ]
    known: dict[int, Any] = {}
    outcomes = set()
    for _ in range(3_000):
        cdr = bytearray(sent[rng.integers(len(sent))])
        for at in rng.integers(len(cdr), size=rng.integers(3)):
            cdr[at] ^= 1 << rng.integers(8)
        by_layout, whole = read(bytes(cdr), known), read(bytes(cdr), {})
        assert by_layout == whole, bytes(cdr).hex()
        outcomes.add(by_layout == "refused")
    assert known
    assert outcomes == {True, False}
