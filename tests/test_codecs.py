"""Codecs: real messages serialised by rclpy's type support must give the same arrays on every path."""

from __future__ import annotations

import struct
import subprocess
import sys

import numpy as np
import pytest
from codec_cases import CASES
from ros_messages import STAMP_NS, deserialize_with_rosbags, make_source, serialize

from il_nodes.codecs import (
    CODECS,
    CdrCursor,
    canonical_cdr,
    decode,
    decode_raw,
    encode,
    header_stamp_ns,
    import_message_class,
)
from models.contract.operators import Clamp, Rad2Deg
from models.errors import CodecError

#: Every remainder modulo eight, so that each kind of padding behind the string occurs.
FRAME_IDS = ["", "a", "ab", "map", "base", "camer", "camera", "camera_front"]


def test_every_registered_type_has_a_case() -> None:
    """Catches a codec added to the registry that nothing tests."""
    assert set(CASES) == set(CODECS)


@pytest.mark.parametrize("frame_id", FRAME_IDS)
@pytest.mark.parametrize("type_name", CODECS)
def test_raw_bytes_give_what_the_message_gives(type_name: str, frame_id: str) -> None:
    """Catches a wrong alignment or field order in a CDR fast path: live and offline would see other numbers."""
    for case in CASES[type_name]:
        message = import_message_class(type_name)()
        case.fill(message)
        if CODECS[type_name].has_header:
            message.header.frame_id = frame_id
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(STAMP_NS, 10**9)
        cdr = serialize(message)
        source = make_source(type_name, case.select)
        raw = decode_raw(cdr, source)
        assert raw.dtype == (np.uint8 if "Image" in type_name else np.float32)
        np.testing.assert_array_equal(raw, np.asarray(case.expected, raw.dtype))
        for other in (decode(message, source), decode(deserialize_with_rosbags(cdr, type_name), source)):
            assert other.dtype == raw.dtype
            assert other.tobytes() == np.ascontiguousarray(raw).tobytes()
        if CODECS[type_name].has_header:
            assert header_stamp_ns(cdr) == STAMP_NS


@pytest.mark.parametrize("type_name", CODECS)
def test_what_is_encoded_decodes_to_the_same(type_name: str) -> None:
    """Catches an encoder that puts a value into another field than the decoder reads."""
    for case in CASES[type_name]:
        source = make_source(type_name, case.select)
        values = np.asarray(case.expected, np.uint8 if "Image" in type_name else np.float32)
        if not case.round_trip:
            with pytest.raises(CodecError, match=r"select|cannot be written"):
                encode(values, source, STAMP_NS)
            continue
        if "covariance" in str(case.select):
            continue  # covariances are set element by element, which the next test looks at
        cdr = serialize(encode(values, source, STAMP_NS))
        np.testing.assert_array_equal(decode_raw(cdr, source), values)
        if CODECS[type_name].has_header:
            assert header_stamp_ns(cdr) == STAMP_NS


def test_covariance_elements_can_be_written() -> None:
    source = make_source("nav_msgs/msg/Odometry", ("twist.covariance.35", "pose.pose.position.x"))
    message = encode(np.array([4.0, 2.0], np.float32), source, STAMP_NS)
    assert message.twist.covariance[35] == 4.0
    assert message.pose.pose.position.x == 2.0


@pytest.mark.parametrize("type_name", CODECS)
def test_truncated_bytes_are_an_error_of_their_own(type_name: str) -> None:
    """Catches a struct.error or a short array that leaks out of a codec when a message arrives cut off."""
    case = CASES[type_name][0]
    message = import_message_class(type_name)()
    case.fill(message)
    cdr = serialize(message)
    source = make_source(type_name, case.select)
    for length in range(0, len(cdr), 3):
        try:
            cut = decode_raw(cdr[:length], source)
        except CodecError:
            continue
        else:  # only bytes behind the selected values are missing
            np.testing.assert_array_equal(cut, np.asarray(case.expected, cut.dtype))


@pytest.mark.parametrize("type_name", CODECS)
def test_canonical_bytes_do_not_depend_on_stale_memory(type_name: str) -> None:
    """Catches two runs of one seed that record different bytes, because padding holds whatever memory held."""
    for case in CASES[type_name]:
        message = import_message_class(type_name)()
        case.fill(message)
        cdr = serialize(message)
        canonical = canonical_cdr(cdr, type_name)
        source = make_source(type_name, case.select)
        np.testing.assert_array_equal(decode_raw(canonical, source), decode_raw(cdr, source))
        # Overwrite every byte that is zero in the canonical form: only padding may change without changing values.
        dirty = bytearray(cdr)
        for position in range(4, len(canonical)):
            probe = bytearray(dirty)
            probe[position] ^= 0xA5
            reread = canonical_cdr(bytes(probe), type_name)
            if reread == canonical and canonical_cdr(reread, type_name) == reread:
                dirty = probe
        assert canonical_cdr(bytes(dirty), type_name) == canonical
        np.testing.assert_array_equal(decode_raw(bytes(dirty), source), decode_raw(cdr, source))


def test_what_is_not_a_message_stays_as_it_is() -> None:
    """Catches a recorder that drops or rewrites what it cannot parse."""
    for cdr, type_name in (
        (b"", "std_msgs/msg/Header"),
        (b"\x00\x01\x00\x00\x01", "std_msgs/msg/Header"),
        (b"\x00\x00\x00\x00" + bytes(12), "std_msgs/msg/Header"),
        (b"\x00\x01\x00\x00" + bytes(5), "robot_msgs/msg/Unknown"),
    ):
        assert canonical_cdr(cdr, type_name) == cdr


@pytest.mark.parametrize("type_name", CODECS)
def test_big_endian_is_refused_by_name(type_name: str) -> None:
    """Catches byte-swapped numbers that would pass for plausible ones."""
    message = import_message_class(type_name)()
    cdr = b"\x00\x00" + serialize(message)[2:]
    with pytest.raises(CodecError, match="big-endian CDR"):
        decode_raw(cdr, make_source(type_name, CASES[type_name][0].select))
    if CODECS[type_name].has_header:
        with pytest.raises(CodecError, match="big-endian CDR"):
            header_stamp_ns(cdr)


def test_a_stamp_that_is_none_is_refused_where_it_counts() -> None:
    """Catches a time of day far from every other, or one that no message can carry, made of a broken stamp's bytes."""
    image = CASES["sensor_msgs/msg/Image"][0]
    message = import_message_class("sensor_msgs/msg/Image")()
    image.fill(message)
    cdr = bytearray(serialize(message))
    for seconds, nanoseconds in ((2**31 - 1, 2**32 - 1), (1, 10**9)):
        struct.pack_into("<iI", cdr, 4, seconds, nanoseconds)
        for read in (header_stamp_ns, lambda given: CdrCursor(given).time_ns()):
            with pytest.raises(CodecError, match="stamp"):
                read(bytes(cdr))
        # Where a contract goes by the time of receipt, a camera's stamp means nothing.
        assert decode_raw(bytes(cdr), make_source("sensor_msgs/msg/Image", image.select)).size
        assert canonical_cdr(bytes(cdr), "sensor_msgs/msg/Image")[4:12] == bytes(cdr[4:12])
    struct.pack_into("<iI", cdr, 4, -1, 999_999_999)
    assert header_stamp_ns(bytes(cdr)) == -1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    """Catches NaN that reaches a robot, or that a clamp turns into a limit."""
    source = make_source("geometry_msgs/msg/TwistStamped", ("twist.linear.x", "twist.angular.z"), apply=(Clamp(-1, 1),))
    with pytest.raises(CodecError, match="/topic: values that are not finite"):
        encode(np.array([0.0, bad], np.float32), source, STAMP_NS)


def test_operators_run_forward_on_decode_and_backward_on_encode() -> None:
    """Catches operators applied in file order on the way out, which would clamp degrees as radians."""
    source = make_source("geometry_msgs/msg/Twist", ("angular.z",), apply=(Rad2Deg(), Clamp(-90.0, 90.0)))
    message = import_message_class("geometry_msgs/msg/Twist")()
    message.angular.z = np.pi
    assert decode(message, source).tolist() == [90.0]
    assert encode(np.array([180.0], np.float32), source, 0).angular.z == pytest.approx(np.pi / 2)


def test_wrong_number_of_values_is_refused() -> None:
    source = make_source("geometry_msgs/msg/Twist", ("linear.x", "angular.z"))
    with pytest.raises(CodecError, match=r"linear\.x, angular\.z"):
        encode(np.zeros(3, np.float32), source, 0)


@pytest.mark.parametrize(
    ("type_name", "select", "hint"),
    [
        ("geometry_msgs/msg/Twist", "linear.w", "did you mean 'linear.[xyz]'"),
        ("nav_msgs/msg/Odometry", "twist.linear.x", "twist.twist.linear.x"),
        ("sensor_msgs/msg/JointState", "position.elbo", "joints lift, shoulder.pan, elbow(.|\n)*'elbow'"),
        ("sensor_msgs/msg/JointState", "effort.elbow", "0 values in effort for 3 joints"),
        ("trajectory_msgs/msg/JointTrajectory", "accelerations.lift", "0 values in accelerations"),
        ("sensor_msgs/msg/Joy", "axes.7", "3 axes"),
        ("sensor_msgs/msg/Joy", "button.1", "buttons.1"),
        ("std_msgs/msg/Float64MultiArray", "data.3", "data.0 to data.2"),
    ],
)
def test_a_name_that_is_not_there_is_explained(type_name: str, select: str, hint: str) -> None:
    """Catches errors that a person cannot act on: topic, what is there, and the nearest name must be in them."""
    message = import_message_class(type_name)()
    CASES[type_name][0].fill(message)
    with pytest.raises(CodecError, match=hint) as caught:
        decode_raw(serialize(message), make_source(type_name, (select,)))
    assert "/topic" in str(caught.value)


def test_joints_need_a_select() -> None:
    with pytest.raises(CodecError, match="needs a select"):
        decode_raw(
            serialize(import_message_class("sensor_msgs/msg/JointState")()), make_source("sensor_msgs/msg/JointState")
        )


def test_joint_order_of_the_message_does_not_matter() -> None:
    """Catches decoding by position: drivers publish joints in any order."""
    message = import_message_class("sensor_msgs/msg/JointState")()
    message.name, message.position = ["b", "a"], [2.0, 1.0]
    assert decode_raw(serialize(message), make_source("sensor_msgs/msg/JointState", ("a", "b"))).tolist() == [1.0, 2.0]


def test_a_field_for_some_joints_only_is_not_padded_with_zeros() -> None:
    """Catches a made-up zero velocity for a joint that nobody selected."""
    source = make_source("sensor_msgs/msg/JointState", ("position.a", "position.b", "velocity.a"))
    with pytest.raises(CodecError, match="velocity is selected for some joints only"):
        encode(np.zeros(3, np.float32), source, 0)


def test_a_gap_in_multi_array_indices_is_refused() -> None:
    source = make_source("std_msgs/msg/Float64MultiArray", ("data.0", "data.2"))
    with pytest.raises(CodecError, match="without a value"):
        encode(np.zeros(2, np.float32), source, 0)


def test_unknown_type_names_the_nearest() -> None:
    with pytest.raises(CodecError, match="geometry_msgs/msg/TwistStamped"):
        decode_raw(b"\x00\x01\x00\x00", make_source("geometry_msgs/msg/TwistStampd"))


def test_missing_message_package_says_what_to_install() -> None:
    with pytest.raises(CodecError, match="ackermann_msgs"):
        import_message_class("ackermann_msgs/msg/AckermannDrive")


def test_reading_needs_no_ros() -> None:
    """Catches an import of rclpy or a message package at module level: bags are read on machines without ROS."""
    code = (
        "import sys; import il_nodes.codecs; "
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'rclpy','sensor_msgs','std_msgs','torch','cv2'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
