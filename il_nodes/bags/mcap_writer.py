"""Writes an MCAP file: chunks with checksums, an index, and a summary that any MCAP tool opens.

The ``mcap`` package's own writer builds, checks, compresses and writes a chunk in one go in the calling thread. Here a
chunk is a value (:class:`Chunk`) that one thread fills and another one writes. The layouts of all other records than a
message's and a chunk's are the package's.

Source: MCAP format specification, https://mcap.dev/spec.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import zstandard
from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import (
    Channel,
    ChunkIndex,
    DataEnd,
    Footer,
    Header,
    MessageIndex,
    Metadata,
    MetadataIndex,
    Schema,
    Statistics,
    SummaryOffset,
)

from il_nodes.bags.mcap_records import CHUNK, MAGIC

__all__ = ["COMPRESSIONS", "Chunk", "Compression", "McapWriter"]

Compression = Literal["zstd", "none"]
COMPRESSIONS: tuple[Compression, ...] = ("zstd", "none")
#: With a sensor's noise, camera images hardly get smaller at zstd's usual level 3 (1.18 times, not 1.17), but take
#: up to five times as long: `python -m bench.recorder` shows both.
ZSTD_LEVEL = 1

_message = struct.Struct("<BQHIQQ")  # opcode, length; channel, sequence, log time, publish time
_MESSAGE_FIELDS = 22
_chunk = struct.Struct("<BQQQQI")  # opcode, length; start, end, size, CRC


class _Sink(Protocol):
    """Where the bytes go: every write is whole or raises OSError."""

    def write(self, *blocks: bytes) -> object: ...

    def tell(self) -> int: ...


@dataclass
class Chunk:
    """Messages that are written, checked and compressed together.

    Attributes:
        pieces: the records, in order, in pieces that belong together.
        size: bytes of the pieces.
        crc: CRC-32 of the pieces.
        start_ns: earliest log time, once there is a message.
        end_ns: latest.
        index: channel id to (log time, offset) of each message.
    """

    pieces: list[bytes] = field(default_factory=list)
    size: int = 0
    crc: int = 0
    start_ns: int = 0
    end_ns: int = 0
    index: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def add(self, record: bytes) -> None:
        """Append a whole record, or a part of one."""
        self.pieces.append(record)
        self.size += len(record)
        self.crc = zlib.crc32(record, self.crc)

    def add_message(self, channel_id: int, sequence: int, log_time_ns: int, data: bytes) -> None:
        """Append a message; ``log_time_ns`` in 0 to 2^64 - 1."""
        if not self.index:
            self.start_ns = self.end_ns = log_time_ns
        self.start_ns, self.end_ns = min(self.start_ns, log_time_ns), max(self.end_ns, log_time_ns)
        self.index.setdefault(channel_id, []).append((log_time_ns, self.size))
        length = _MESSAGE_FIELDS + len(data)
        self.add(_message.pack(Opcode.MESSAGE, length, channel_id, sequence, log_time_ns, log_time_ns))
        self.add(data)


def _record(*records: Any) -> bytes:
    """Bytes of records of the ``mcap`` package."""
    builder = RecordBuilder()
    for record in records:
        record.write(builder)
    return bytes(builder.end())


class McapWriter:
    """The file's sections in their order: head, then chunks and metadata, then the summary.

    Args:
        file: empty.
        library: named as the writer.
        compression: of chunks.
        level: of zstd.

    Raises:
        OSError: here and in every method, from ``file``.
    """

    def __init__(self, file: _Sink, library: str, compression: Compression = "zstd", level: int = ZSTD_LEVEL) -> None:
        self._file = file
        self._compression = "" if compression == "none" else compression
        self._compressor = zstandard.ZstdCompressor(level=level)
        self._schemas: list[Schema] = []
        self._channels: list[Channel] = []
        self._chunks: list[ChunkIndex] = []
        self._metadata: list[MetadataIndex] = []
        self._counts: dict[int, int] = {}
        file.write(MAGIC + _record(Header("ros2", library)))

    def schema(self, name: str, encoding: str, definition: bytes) -> tuple[int, bytes]:
        """Id and record of a new schema; the record goes into the first chunk."""
        self._schemas.append(Schema(id=len(self._schemas) + 1, data=definition, encoding=encoding, name=name))
        return self._schemas[-1].id, _record(self._schemas[-1])

    def channel(self, topic: str, schema_id: int, metadata: Mapping[str, str]) -> tuple[int, bytes]:
        """Id and record of a new channel of CDR messages; the record goes into the first chunk."""
        channel = Channel(
            id=len(self._channels) + 1,
            topic=topic,
            message_encoding="cdr",
            metadata=dict(metadata),
            schema_id=schema_id,
        )
        self._channels.append(channel)
        return channel.id, _record(channel)

    def write_metadata(self, name: str, content: Mapping[str, str]) -> None:
        """Write a metadata record."""
        record = _record(Metadata(name=name, metadata=dict(content)))
        self._metadata.append(MetadataIndex(offset=self._file.tell(), length=len(record), name=name))
        self._file.write(record)

    def write_chunk(self, chunk: Chunk) -> None:
        """Compress a chunk and write it with its index, in one write: whole or not at all."""
        content = b"".join(chunk.pieces)
        data = self._compressor.compress(content) if self._compression else content
        name = self._compression.encode()
        tail = struct.pack("<I", len(name)) + name + struct.pack("<Q", len(data))
        length = _chunk.size - 9 + len(tail) + len(data)
        head = _chunk.pack(CHUNK, length, chunk.start_ns, chunk.end_ns, chunk.size, chunk.crc)
        start = self._file.tell()
        index, offsets = RecordBuilder(), {}
        index_start = start + length + 9
        for channel_id, entries in chunk.index.items():
            offsets[channel_id] = index_start + index.count
            MessageIndex(channel_id=channel_id, records=entries).write(index)
        indices = index.end()
        self._file.write(head + tail, data, indices)
        for channel_id, entries in chunk.index.items():
            self._counts[channel_id] = self._counts.get(channel_id, 0) + len(entries)
        self._chunks.append(
            ChunkIndex(
                message_start_time=chunk.start_ns,
                message_end_time=chunk.end_ns,
                chunk_start_offset=start,
                chunk_length=length + 9,
                message_index_offsets=offsets,
                message_index_length=len(indices),
                compression=self._compression,
                compressed_size=len(data),
                uncompressed_size=chunk.size,
            )
        )

    def finish(self) -> None:
        """Write the summary and the end."""
        # A data section's CRC of 0 means that there is none: every chunk has its own, and the file a SHA-256 beside it.
        self._file.write(_record(DataEnd(data_section_crc=0)))
        summary_start = self._file.tell()
        groups: list[tuple[Opcode, list[Any]]] = [
            (Opcode.SCHEMA, list(self._schemas)),
            (Opcode.CHANNEL, list(self._channels)),
            (Opcode.STATISTICS, [self._statistics()]),
            (Opcode.CHUNK_INDEX, list(self._chunks)),
            (Opcode.METADATA_INDEX, list(self._metadata)),
        ]
        summary, offsets = b"", []
        for opcode, records in groups:
            if records:
                group = _record(*records)
                offsets.append(SummaryOffset(opcode, summary_start + len(summary), len(group)))
                summary += group
        offset_start = summary_start + len(summary)
        summary += _record(*offsets)
        # The checksum covers the footer's own fields up to it as well.
        footer = struct.pack("<BQQQ", Opcode.FOOTER, 20, summary_start, offset_start)
        crc = zlib.crc32(footer, zlib.crc32(summary))
        footer = _record(Footer(summary_start=summary_start, summary_offset_start=offset_start, summary_crc=crc))
        self._file.write(summary + footer + MAGIC)

    def _statistics(self) -> Statistics:
        return Statistics(
            attachment_count=0,
            channel_count=len(self._channels),
            channel_message_counts=self._counts,
            chunk_count=len(self._chunks),
            message_count=sum(self._counts.values()),
            message_start_time=min((chunk.message_start_time for chunk in self._chunks), default=0),
            message_end_time=max((chunk.message_end_time for chunk in self._chunks), default=0),
            metadata_count=len(self._metadata),
            schema_count=len(self._schemas),
        )
