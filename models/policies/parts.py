"""The parts of a policy by the names that its options give them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from models.policies.encoder import Encoder
from models.policies.frame_window import FrameWindow
from models.policies.image_encoder import ImageEncoder
from models.policies.keypoint_encoder import KeypointEncoder
from models.policies.memory import ConcatenationMemory, Memory
from models.policies.normalization import Normalizer
from models.policies.recurrent_memory import GruMemory, LstmMemory, RnnMemory
from models.policies.resnet_encoder import ResNetEncoder
from models.policies.specification import PolicyConfig, StreamShape
from models.policies.table_encoder import TableEncoder
from models.policies.vector_encoder import VectorEncoder

__all__ = ["RECURRENT_MEMORIES", "build_encoder", "build_memory"]

# The smallest deviation of a pixel value (0..255) and of a state (SI units) that counts as a signal.
PIXEL_SCALE_FLOOR = 1.0
STATE_SCALE_FLOOR = 1e-3

RECURRENT_MEMORIES: Mapping[str, Callable[[int, int, int], Memory]] = {
    "rnn": RnnMemory,
    "gru": GruMemory,
    "lstm": LstmMemory,
}
"""Takes the frames of the stack, the width of what it sees of a tick, and the width of what the heads read."""

Array = npt.NDArray[np.floating]


def build_memory(config: PolicyConfig, frames: int, dims: int) -> Memory:
    """The memory that the options name.

    Args:
        config: the options.
        frames: of the contract's stack.
        dims: action dimensions, which a memory sees as well where it is shown the previous action.
    """
    if not config.is_recurrent:
        return ConcatenationMemory(frames, config.features)
    seen = config.features + (dims if config.previous_action else 0)
    return RECURRENT_MEMORIES[config.memory](frames, seen, config.memory_features)


def build_encoder(stream: StreamShape, config: PolicyConfig, memory: Memory, mean: Array, deviation: Array) -> Encoder:
    """The encoder of one stream.

    Args:
        stream: its key and shape.
        config: the options.
        memory: says how many channels the stack makes.
        mean: ``(D,)`` of the stream, ``(C,)`` of an image.
        deviation: the same.
    """
    normalizer = Normalizer(mean, deviation, PIXEL_SCALE_FLOOR if stream.is_image else STATE_SCALE_FLOOR)
    channels = memory.channels(stream.shape[-1])
    if not stream.is_image and config.state_cells:
        return TableEncoder(normalizer, channels, config.state_features, config.state_cells)
    if not stream.is_image:
        return VectorEncoder(normalizer, channels, config.state_features, config.state_layers)
    camera = (FrameWindow(stream.shape, config.crop_top, config.pool), normalizer, config.features, channels)
    if config.encoder == "resnet":
        return ResNetEncoder(*camera, config.resnet_channels)
    if config.encoder == "keypoints":
        return KeypointEncoder(*camera, config.image_channels)
    return ImageEncoder(*camera, config.image_channels)
