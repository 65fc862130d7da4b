"""Messages to arrays and back, one file a family of messages.

Live nodes and bags hand over the same CDR bytes to the same :func:`decode_raw`, so that a policy sees in deployment
what it saw in training. Reading needs no ROS: message classes are imported only when a message is to be written.
"""

from il_nodes.codecs.canonical import canonical_cdr
from il_nodes.codecs.cdr import CdrCursor, header_stamp_ns
from il_nodes.codecs.image import encode_image
from il_nodes.codecs.interface import Codec, import_message_class
from il_nodes.codecs.proposal import UNSAFE_PROBABILITY, encode_proposal
from il_nodes.codecs.registry import (
    CODECS,
    codec_for,
    decode,
    decode_proposal,
    decode_raw,
    encode,
    encode_outgoing,
)

__all__ = [
    "CODECS",
    "UNSAFE_PROBABILITY",
    "CdrCursor",
    "Codec",
    "canonical_cdr",
    "codec_for",
    "decode",
    "decode_proposal",
    "decode_raw",
    "encode",
    "encode_image",
    "encode_outgoing",
    "encode_proposal",
    "header_stamp_ns",
    "import_message_class",
]
