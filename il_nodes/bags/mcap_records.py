"""Records of an MCAP file from front to back, without its index: the part that is still right when a writer was killed.

Source: MCAP format specification, https://mcap.dev/spec.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import zstandard
from mcap.data_stream import ReadDataStream
from mcap.records import Channel, Chunk, Metadata, Schema

from models.errors import RecordingError

__all__ = ["ChunkContent", "DamageError", "MessageNumbers", "read_chunk", "read_metadata", "read_records"]

MAGIC = b"\x89MCAP0\r\n"
#: The writer closes a chunk at 1 MiB, so a larger one holds a single message more. A few compressed bytes can announce
#: any size; what is refused here would only fill the memory.
MAX_CHUNK_BYTES = 1 << 28
METADATA, CHUNK, DATA_END = 0x0C, 0x06, 0x0F
_SCHEMA, _CHANNEL, _MESSAGE = 0x03, 0x04, 0x05

_record_header = struct.Struct("<BQ")
_message_header = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time


class DamageError(Exception):
    """A record that is cut off, or whose content does not match its checksum; never leaves this package."""


def read_records(path: Path, end: int | None = None) -> Iterator[tuple[int, int, bytes]]:
    """Opcode, offset in the file, and body of each record of the data section.

    Args:
        path: the MCAP file.
        end: offset to stop at.

    Raises:
        RecordingError: the file is empty or not MCAP at all.
        DamageError: the file ends within a record, or goes on with something that is none.
    """
    size = path.stat().st_size if end is None else end
    with path.open("rb") as file:
        magic = file.read(len(MAGIC))
        if magic != MAGIC:
            raise RecordingError(
                f"{path} is {'empty' if not magic else 'not an MCAP file'}",
                found=f"{path.stat().st_size} bytes" + (f" starting {magic.hex(' ')}" if magic else ""),
                expected=f"an MCAP file, starting {MAGIC.hex(' ')}",
            )
        offset = len(MAGIC)
        while offset < size:
            head = file.read(_record_header.size)
            if len(head) < _record_header.size:
                raise DamageError(f"a record at byte {offset} is cut off")
            opcode, length = _record_header.unpack(head)
            if opcode == DATA_END:
                return
            if not 0 < opcode < DATA_END:
                raise DamageError(f"the bytes at {offset} are no record")
            if offset + _record_header.size + length > size:
                raise DamageError(f"a record at byte {offset} is cut off")
            yield opcode, offset, file.read(length)
            offset += _record_header.size + length


def read_metadata(body: bytes) -> tuple[str, dict[str, str]]:
    """Name and content of a metadata record. Raises DamageError when its bytes are none."""
    try:
        record: Any = Metadata.read(ReadDataStream(BytesIO(body)))
    except Exception as error:  # as for a chunk: whatever the parser raises on bad bytes is one thing
        raise DamageError(f"a metadata record cannot be read ({type(error).__name__}: {error})") from error
    return record.name, record.metadata


@dataclass(frozen=True)
class ChunkContent:
    """One chunk, checked and unpacked.

    Attributes:
        channels: channel id to (topic, type), of the channels that were announced in it.
        qos_profiles: topic to the YAML text of ``offered_qos_profiles``, of the same channels.
        messages: channel id, log time in nanoseconds, and the bytes of each message, in order.
        numbers: channel id and sequence number of the same messages.
    """

    channels: dict[int, tuple[str, str]]
    qos_profiles: dict[str, str]
    messages: list[tuple[int, int, memoryview]]
    numbers: list[tuple[int, int]]


class MessageNumbers:
    """Our writer numbers each channel's messages 0, 1, 2, and so on: a jump shows a chunk that is gone as a whole."""

    def __init__(self) -> None:
        self._next: Counter[int] = Counter()

    def add(self, chunk: ChunkContent) -> None:
        """Take the next chunk of a file. Raises DamageError when messages are missing before it."""
        for channel_id, number in chunk.numbers:
            if number != self._next[channel_id]:
                raise DamageError("messages are missing before a chunk")
            self._next[channel_id] += 1


def read_chunk(body: bytes) -> ChunkContent:
    """Unpack a chunk record. Raises DamageError when it does not match its checksum."""
    try:
        chunk: Any = Chunk.read(ReadDataStream(BytesIO(body)))
        if chunk.uncompressed_size > MAX_CHUNK_BYTES:
            raise DamageError(f"a chunk announces {chunk.uncompressed_size} bytes, more than {MAX_CHUNK_BYTES}")
        content = _decompress(chunk.compression, chunk.data, chunk.uncompressed_size)
        if len(content) != chunk.uncompressed_size:
            raise DamageError("a chunk has another size than it says")
        if chunk.uncompressed_crc and zlib.crc32(content) != chunk.uncompressed_crc:
            raise DamageError("a chunk does not match its checksum")
        return _unpack(memoryview(content))
    except DamageError:
        raise
    except Exception as error:
        # Whatever the parsers of three packages raise on bad bytes, to the caller it is one thing.
        raise DamageError(f"a chunk cannot be unpacked ({type(error).__name__}: {error})") from error


def _decompress(compression: str, data: bytes, size: int) -> bytes:
    if compression == "zstd":
        # A frame that says its size is unpacked to that size, whatever max_output_size allows.
        if zstandard.frame_content_size(data) not in (-1, size):
            raise DamageError("a chunk has another size than it says")
        return bytes(zstandard.decompress(data, max_output_size=size))
    if compression:
        raise DamageError(f"a chunk is compressed by an unknown method {compression!r}")
    return data


def _unpack(content: memoryview) -> ChunkContent:
    types: dict[int, str] = {}
    channels: dict[int, tuple[str, str]] = {}
    qos_profiles: dict[str, str] = {}
    messages: list[tuple[int, int, memoryview]] = []
    numbers: list[tuple[int, int]] = []
    offset = 0
    while offset < len(content):
        opcode, length = _record_header.unpack_from(content, offset)
        offset += _record_header.size
        body = content[offset : offset + length]
        offset += length
        if opcode == _MESSAGE:
            channel_id, number, log_time_ns, _ = _message_header.unpack_from(body)
            numbers.append((channel_id, number))
            messages.append((channel_id, log_time_ns, body[_message_header.size :]))
        elif opcode == _SCHEMA:
            schema: Any = Schema.read(ReadDataStream(BytesIO(body)))
            types[schema.id] = schema.name
        elif opcode == _CHANNEL:
            channel: Any = Channel.read(ReadDataStream(BytesIO(body)))
            channels[channel.id] = (channel.topic, types.get(channel.schema_id, ""))
            qos_profiles[channel.topic] = channel.metadata.get("offered_qos_profiles", "")
    return ChunkContent(channels, qos_profiles, messages, numbers)
