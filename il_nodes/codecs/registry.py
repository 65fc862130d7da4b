"""The table of codecs, and the functions everybody else calls: decode, encode, proposals.

Here operators run, truncated bytes become a CodecError, and NaN is refused on its way out.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from il_nodes.codecs.arrays import JoyCodec, MultiArrayCodec, ScalarCodec
from il_nodes.codecs.fixed import FIXED_CODECS
from il_nodes.codecs.image import CompressedImageCodec, ImageCodec
from il_nodes.codecs.interface import Array, Codec, import_message_class, nearest, source_error
from il_nodes.codecs.joints import JointStateCodec
from il_nodes.codecs.proposal import proposal_from_cdr
from il_nodes.codecs.trajectory import JointTrajectoryCodec
from models.data import Proposal
from models.errors import CodecError

if TYPE_CHECKING:
    from models.contract import Source

__all__ = ["CODECS", "codec_for", "decode", "decode_proposal", "decode_raw", "encode", "encode_outgoing"]

#: Every type that can be observed or commanded, by its ROS name.
CODECS: dict[str, Codec] = {
    codec.type: codec
    for codec in (
        ImageCodec(),
        CompressedImageCodec(),
        JointStateCodec(),
        JointTrajectoryCodec(),
        JoyCodec(),
        MultiArrayCodec("std_msgs/msg/Float64MultiArray", "<f8"),
        MultiArrayCodec("std_msgs/msg/Float32MultiArray", "<f4"),
        ScalarCodec("std_msgs/msg/Float64", "<d"),
        ScalarCodec("std_msgs/msg/Float32", "<f"),
        *FIXED_CODECS,
    )
}

#: What reading past the end of a message, or a string that is none, raises.
_MALFORMED = (struct.error, ValueError, IndexError)


def codec_for(type_name: str) -> Codec:
    """Codec of a ROS type. Raises CodecError that names the nearest type."""
    try:
        return CODECS[type_name]
    except KeyError:
        raise CodecError(
            f"no codec for messages of type {type_name}",
            found=type_name,
            expected=nearest(type_name, CODECS) or f"one of {', '.join(CODECS)}",
        ) from None


def _apply(values: Array, source: Source) -> Array:
    for operator in source.apply:
        values = operator.forward(values)
    return values if values.dtype == np.uint8 else values.astype(np.float32, copy=False)


def decode(message: Any, source: Source) -> Array:
    """Array of a deserialised message: select, then the operators of ``apply``.

    Returns:
        Images ``(height, width, channels)`` uint8, anything else ``(dims,)`` float32 in the contract's units.

    Raises:
        CodecError: the message does not hold what the contract says.
    """
    return _apply(codec_for(source.channel.type).decode(message, source), source)


def decode_raw(cdr: bytes, source: Source) -> Array:
    """The same, byte for byte, from CDR bytes as they come from a raw subscription or out of a bag.

    Images without operators are read-only views of ``cdr``.
    """
    codec = codec_for(source.channel.type)
    try:
        return _apply(codec.decode_raw(cdr, source), source)
    except _MALFORMED as error:
        raise source_error(
            source, f"these bytes are not a whole {codec.type}", found=f"{len(cdr)} bytes: {error}"
        ) from error


def encode(values: Array, source: Source, stamp_ns: int, message_class: Any = None) -> Any:
    """Message of one action source: the operators' inverses from last to first, then the codec.

    Args:
        values: ``(dims,)`` in the contract's units, this source's part of the action; or an image.
        source: where they go.
        stamp_ns: header stamp, where the type has a header.
        message_class: the message's class; imported from the contract's type when not given.

    Raises:
        CodecError: NaN or infinite values (never clamped, never sent), a wrong number of values, or no encoder.
    """
    codec, values = _prepared(values, source)
    return codec.encode(values, source, stamp_ns, message_class or import_message_class(source.channel.type))


def encode_outgoing(values: Array, source: Source, stamp_ns: int) -> Any:
    """The same as a publisher takes it: as bytes where this package lays them out itself, as a message elsewhere."""
    codec, values = _prepared(values, source)
    message_class = import_message_class(source.channel.type)
    cdr = codec.encode_cdr(values, source, stamp_ns, message_class)
    return codec.encode(values, source, stamp_ns, message_class) if cdr is None else cdr


def _prepared(values: Array, source: Source) -> tuple[Codec, Array]:
    """The codec, and the values in the units of its message; raises as ``encode`` does."""
    values = np.asarray(values)
    if values.dtype != np.uint8 and not np.isfinite(values).all():
        raise source_error(source, "values that are not finite are never sent", found=values.tolist())
    for operator in reversed(source.apply):
        values = operator.inverse(values)
    if source.select is not None and values.shape != (len(source.select),):
        raise source_error(
            source,
            "wrong number of values",
            found=f"{values.shape}",
            expected=f"({len(source.select)},) for {', '.join(source.select)}",
        )
    return codec_for(source.channel.type), values


def decode_proposal(cdr: bytes) -> Proposal:
    """Proposal of a trajectory's CDR bytes. Its numbers may be NaN: judging them is the gate's business.

    Raises:
        CodecError: malformed bytes, no safety channel, no points, or points of another length.
    """
    try:
        return proposal_from_cdr(cdr)
    except _MALFORMED as error:
        raise CodecError(
            "these bytes are not a whole trajectory_msgs/msg/JointTrajectory", found=f"{len(cdr)} bytes: {error}"
        ) from error
