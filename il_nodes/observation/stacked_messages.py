"""Stacked observations on the wire, in standard messages: what a policy sees, for whoever wants to see or use it.

A stack of images is one image whose channels are those of its frames, oldest first: pixel by pixel
``[frame 0: R G B][frame 1: R G B]…``. A stack of vectors is a ``sensor_msgs/JointState`` whose ``name`` says which
number is which: ``twist.twist.linear.x[0]`` is the oldest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from il_nodes.codecs import encode_image
from il_nodes.codecs.interface import Array, import_message_class, set_header_stamp
from models.contract import Contract
from models.errors import DeploymentError

__all__ = ["stacked_image", "stacked_topics", "stacked_vector"]


def stacked_topics(contract: Contract) -> dict[str, str]:
    """Stream key to its topic under the node's name: ``~/stacked/`` and the key's last part.

    Raises:
        DeploymentError: two keys end in the same part.
    """
    topics: dict[str, str] = {}
    for stream in contract.observations:
        part = re.sub(r"\W", "_", stream.key.rpartition(".")[2], flags=re.ASCII)
        # A part of a ROS name must not begin with a digit.
        topic = f"~/stacked/{'_' if part[:1].isdigit() else ''}{part}"
        other = next((key for key, taken in topics.items() if taken == topic), None)
        if other is not None:
            raise DeploymentError(
                f"two streams would be published on {topic}",
                found=f"{other}, {stream.key}",
                fix="give their keys different last parts in the contract",
            )
        topics[stream.key] = topic
    return topics


def stacked_image(stack: Array, stamp_ns: int, frame_id: str, message_class: Any = None) -> Any:
    """``sensor_msgs/Image`` of ``(frames, height, width, channels)`` uint8, encoding ``8UC<frames x channels>``."""
    frames, height, width, channels = stack.shape
    interleaved = np.ascontiguousarray(stack.transpose(1, 2, 0, 3)).reshape(height, width, frames * channels)
    message = encode_image(interleaved, stamp_ns, frame_id, message_class)
    # Never rgb8 or mono8, even for one frame: readers can rely on one encoding a contract.
    message.encoding = f"8UC{frames * channels}"
    return message


def stacked_vector(stack: Array, names: Sequence[str], stamp_ns: int, message_class: Any = None) -> Any:
    """``sensor_msgs/JointState`` of ``(frames, dims)`` float32: names ``<name>[<frame>]``, values in ``position``."""
    message = (message_class or import_message_class("sensor_msgs/msg/JointState"))()
    set_header_stamp(message, stamp_ns)
    message.name = [f"{name}[{frame}]" for frame in range(len(stack)) for name in names]
    message.position = stack.reshape(-1).tolist()
    return message
