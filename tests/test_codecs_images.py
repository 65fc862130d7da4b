"""Camera codecs: encodings, padding, zero copies, broken pictures."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from ros_messages import STAMP_NS, make_source, serialize

from il_nodes.codecs import decode_raw, encode, encode_image, header_stamp_ns, import_message_class
from models.contract.operators import Resize
from models.errors import CodecError

IMAGE = make_source("sensor_msgs/msg/Image")
COMPRESSED = make_source("sensor_msgs/msg/CompressedImage")


def image_message(
    encoding: str, channels: int, *, height: int = 3, width: int = 5, padding: int = 0
) -> tuple[Any, Any]:
    """Message with random bytes and its pixels as they lie on the wire."""
    rows = np.random.default_rng(7).integers(0, 256, (height, width * channels + padding), np.uint8)
    message = import_message_class("sensor_msgs/msg/Image")()
    message.height, message.width, message.encoding, message.step = height, width, encoding, rows.shape[1]
    message.data = rows.tobytes()
    return message, rows[:, : width * channels].reshape(height, width, channels)


@pytest.mark.parametrize("padding", [0, 1, 7])
@pytest.mark.parametrize(
    ("encoding", "channels", "order"),
    [
        ("rgb8", 3, [0, 1, 2]),
        ("bgr8", 3, [2, 1, 0]),
        ("rgba8", 4, [0, 1, 2]),
        ("bgra8", 4, [2, 1, 0]),
        ("mono8", 1, [0]),
        ("8UC1", 1, [0]),
        ("8UC3", 3, [0, 1, 2]),
        ("8UC4", 4, [0, 1, 2, 3]),
        ("8UC12", 12, list(range(12))),
    ],
)
def test_channels_come_out_as_rgb(encoding: str, channels: int, order: list[int], padding: int) -> None:
    """Catches swapped colours and row padding read as pixels."""
    message, pixels = image_message(encoding, channels, padding=padding)
    np.testing.assert_array_equal(decode_raw(serialize(message), IMAGE), pixels[:, :, order])


def test_pixels_are_a_view_of_the_message() -> None:
    """Catches a copy of every frame, and a view that could be written through."""
    message, _ = image_message("rgb8", 3)
    cdr = serialize(message)
    decoded = decode_raw(cdr, IMAGE)
    assert np.shares_memory(decoded, np.frombuffer(cdr, np.uint8))
    assert not decoded.flags.writeable


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1", "mono16", "bayer_rggb8", "", "8UC0", "rgb8 "])
def test_other_encodings_are_refused_by_name(encoding: str) -> None:
    """Catches depth or Bayer data that would be taken for colour."""
    message, _ = image_message(encoding, 3)
    with pytest.raises(CodecError, match="/topic: this image encoding") as caught:
        decode_raw(serialize(message), IMAGE)
    assert repr(encoding) in str(caught.value)
    assert "rgb8" in str(caught.value)


@pytest.mark.parametrize("change", [{"step": 4}, {"height": 4}, {"width": 0}, {"height": 0}, {"encoding": "rgba8"}])
def test_sizes_that_contradict_the_data_are_refused(change: dict[str, Any]) -> None:
    """Catches a reshape that smears one row over the next."""
    message, _ = image_message("rgb8", 3)
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(CodecError, match="contradicts its data"):
        decode_raw(serialize(message), IMAGE)


@pytest.mark.parametrize(("channels", "encoding"), [(1, "mono8"), (3, "rgb8"), (4, "8UC4")])
def test_published_images_read_back(channels: int, encoding: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (4, 6, channels), np.uint8)[:, ::-1]  # not contiguous
    message = encode_image(pixels, STAMP_NS, "camera_front")
    assert (message.encoding, message.header.frame_id) == (encoding, "camera_front")
    cdr = serialize(message)
    assert header_stamp_ns(cdr) == STAMP_NS
    np.testing.assert_array_equal(decode_raw(cdr, IMAGE), pixels)
    assert serialize(encode(pixels, IMAGE, STAMP_NS))


def test_resize_runs_behind_the_codec() -> None:
    message, pixels = image_message("rgb8", 3, height=8, width=8)
    source = make_source("sensor_msgs/msg/Image", apply=(Resize(4, 2),))
    np.testing.assert_array_equal(decode_raw(serialize(message), source), Resize(4, 2).forward(pixels))


def compressed(data: bytes, image_format: str) -> bytes:
    message = import_message_class("sensor_msgs/msg/CompressedImage")()
    message.format, message.data = image_format, data
    return serialize(message)


@pytest.mark.parametrize("image_format", ["jpeg", "rgb8; jpeg compressed bgr8", "", "bgr8; jpeg compressed rgb8"])
def test_jpeg_is_rgb_whatever_the_publisher_calls_it(image_format: str) -> None:
    """Catches red and blue swapped: the transport's format string says in which order it handed the pixels over."""
    red = np.zeros((16, 16, 3), np.uint8)
    red[:, :, 0] = 250
    handed_over = red if image_format.endswith("rgb8") else red[:, :, ::-1]
    decoded = decode_raw(compressed(cv2.imencode(".jpg", handed_over)[1].tobytes(), image_format), COMPRESSED)
    assert decoded.shape == (16, 16, 3)
    assert abs(decoded.astype(int) - red).max() < 8


def test_grey_png_has_three_channels_like_any_other() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    decoded = decode_raw(compressed(cv2.imencode(".png", grey)[1].tobytes(), "mono8; png compressed "), COMPRESSED)
    np.testing.assert_array_equal(decoded, np.repeat(grey[:, :, None], 3, axis=2))


@pytest.mark.parametrize("kind", ["depth", "truncated", "empty", "text"])
def test_pictures_that_cannot_be_decoded(kind: str) -> None:
    """Catches 16-bit depth read as 8-bit grey, and OpenCV's None passed on as an array."""
    png = cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes()
    data = {
        "depth": cv2.imencode(".png", np.full((4, 4), 40_000, np.uint16))[1].tobytes(),
        "truncated": png[:30],
        "empty": b"",
        "text": b"not a picture at all",
    }[kind]
    with pytest.raises(CodecError, match="/topic: this compressed image cannot be decoded"):
        decode_raw(compressed(data, "png"), COMPRESSED)
