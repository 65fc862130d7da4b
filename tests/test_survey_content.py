"""What is read out of a message that no contract describes yet: names, numbers, the size of a picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from ros_messages import command_cdr, image_cdr, make_source, odometry_cdr, twist_cdr

from il_nodes.codecs import CODECS
from il_nodes.codecs.canonical import typestore
from il_nodes.survey.content import jpeg_size, png_size, read_content, read_values
from models.errors import CodecError

STAMP_NS = 5 * 10**9


def cdr(type_name: str, **fields: object) -> bytes:
    """CDR of a message without a header by rosbags, independently of the codecs."""
    return bytes(typestore().serialize_cdr(typestore().types[type_name](**fields), type_name))


def joints_cdr(names: list[str], position: list[float], velocity: list[float]) -> bytes:
    from ros_messages import header

    return cdr(
        "sensor_msgs/msg/JointState",
        header=header(STAMP_NS),
        name=names,
        position=np.array(position),
        velocity=np.array(velocity),
        effort=np.empty(0),
    )


def test_numbers_have_the_names_that_a_select_takes() -> None:
    """Catches a draft whose select would be refused: every name read here must be decodable by the codec itself."""
    samples = {
        "geometry_msgs/msg/Twist": twist_cdr(0.5, -0.25),
        "geometry_msgs/msg/TwistStamped": command_cdr(STAMP_NS, 0.5, -0.25),
        "nav_msgs/msg/Odometry": odometry_cdr(STAMP_NS, 0.5, -0.25),
        "sensor_msgs/msg/JointState": joints_cdr(["elbow", "tool.roll"], [0.1, 0.2], [1.0, 2.0]),
        "std_msgs/msg/Float64MultiArray": cdr(
            "std_msgs/msg/Float64MultiArray",
            layout=typestore().types["std_msgs/msg/MultiArrayLayout"](dim=[], data_offset=0),
            data=np.array([1.0, 2.0, 3.0]),
        ),
    }
    for type_name, raw in samples.items():
        content = read_content(type_name, raw)
        assert content.names
        decoded = CODECS[type_name].decode_raw(raw, make_source(type_name, content.names))
        np.testing.assert_allclose(decoded, np.array(content.values, np.float32))


def test_joints_give_every_field_that_the_driver_fills() -> None:
    """Catches a velocity that is invented where a driver leaves the field empty, and one that is overlooked."""
    raw = joints_cdr(["a", "b"], [0.1, 0.2], [])
    assert read_content("sensor_msgs/msg/JointState", raw).names == ("position.a", "position.b")
    raw = joints_cdr(["a", "b"], [0.1, 0.2], [1.0, 2.0])
    assert read_content("sensor_msgs/msg/JointState", raw).values == (0.1, 0.2, 1.0, 2.0)


def test_covariances_are_left_out() -> None:
    """Catches 72 constants offered as a robot's state."""
    names = read_content("nav_msgs/msg/Odometry", odometry_cdr(STAMP_NS, 0.5, 0.0)).names
    assert len(names) == 13
    assert "twist.twist.linear.x" in names


def test_a_picture_is_measured_and_not_decoded() -> None:
    """Catches height and width that are swapped."""
    picture = read_content("sensor_msgs/msg/Image", image_cdr(STAMP_NS, np.zeros((48, 64, 3), np.uint8))).picture
    assert picture is not None
    assert (picture.height, picture.width, picture.encoding) == (48, 64, "rgb8")


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_size_of_a_compressed_picture_is_that_of_opencv(extension: str, channels: int) -> None:
    """Catches a size out of the wrong segment; OpenCV writes several in front of the frame header."""
    pixels = np.random.default_rng(1).integers(0, 256, (37, 91, channels), np.uint8)
    data = cv2.imencode(extension, pixels)[1].tobytes()
    measure, other = (jpeg_size, png_size) if extension == ".jpg" else (png_size, jpeg_size)
    assert measure(data) == (37, 91)
    assert other(data) is None
    assert measure(data[:20]) is None


def test_sixteen_bit_pictures_are_no_pictures_of_ours() -> None:
    """Catches a compressed depth image in a draft, which every later step would refuse."""
    data = cv2.imencode(".png", np.zeros((4, 4), np.uint16))[1].tobytes()
    assert png_size(data) is None


@pytest.mark.parametrize(
    ("type_name", "raw"),
    [
        ("nav_msgs/msg/OccupancyGrid", b"\0\1\0\0"),
        ("nav_msgs/msg/Odometry", odometry_cdr(STAMP_NS, 0.5, 0.0)[:100]),
        ("sensor_msgs/msg/Image", image_cdr(STAMP_NS, np.zeros((4, 4, 3), np.uint8)).replace(b"rgb8", b"16UC")),
        ("sensor_msgs/msg/JointState", b""),
    ],
    ids=["no codec", "truncated", "depth", "empty"],
)
def test_what_cannot_be_read_is_said(type_name: str, raw: bytes) -> None:
    """Catches a survey that dies of one topic's messages."""
    with pytest.raises(CodecError):
        read_content(type_name, raw)


def test_a_contract_reads_what_it_selects() -> None:
    """Catches values of one source under the names of another where two share a topic."""
    sources = [make_source("nav_msgs/msg/Odometry", (f"twist.twist.{name}",)) for name in ("angular.z", "linear.x")]
    content = read_values(sources, odometry_cdr(STAMP_NS, 0.5, -0.25))
    assert dict(zip(content.names, content.values, strict=True)) == {
        "twist.twist.angular.z": -0.25,
        "twist.twist.linear.x": 0.5,
    }
