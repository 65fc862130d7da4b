"""Writes one episode: an MCAP file, rosbag2's metadata and our manifest.

Not through rosbags' writer: it leaves the chunks' checksums empty and closes chunks by size only, so that a flipped bit
goes unnoticed and a slow episode sits in memory for minutes. Chunks are closed by the messages' own log time, not by a
wall clock, so that equal messages give equal bytes. Three threads share the work: the caller's fills chunks, one
compresses and writes them, one computes the checksum of the file.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol

from il_nodes.bags.appended_file import AppendedFile, ChunkThread
from il_nodes.bags.files import (
    MANIFEST,
    METADATA,
    PARTIAL_SUFFIX,
    Losses,
    Manifest,
    mcap_name,
    sync_directory,
    write_durably,
)
from il_nodes.bags.mcap_writer import ZSTD_LEVEL, Chunk, Compression, McapWriter
from il_nodes.bags.rosbag2_metadata import RecordedTopic, message_definition, qos_profiles_text, rosbag2_metadata
from il_nodes.codecs import canonical_cdr
from il_nodes.codecs.interface import nearest
from models.contract import Contract, Qos
from models.errors import RecordingError

__all__ = ["BagWriter", "RecordedTopic", "check_episode_id"]

#: Log time after which a chunk is closed and handed to the system. A killed recorder loses at most that and what is on
#: its way to the chunk, and may lose a second.
FLUSH_NS = 500_000_000
#: Bytes after which a chunk is closed early; MCAP's usual size, small enough to seek in.
CHUNK_BYTES = 1 << 20

#: The longest file name of Linux' file systems.
_MAX_NAME = 255
_EPISODE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
#: Written instead of the library's version, so that an upgrade does not change the bytes of equal recordings.
_LIBRARY = "understudy"


class _TypedTopic(Protocol):
    """What has a type and a QoS: a contract's Channel, or a RecordedTopic."""

    @property
    def type(self) -> str: ...

    @property
    def qos(self) -> Qos: ...


class BagWriter:
    """Records one episode; used as a context manager, from one thread.

    Leaving the context after an error, or never closing, leaves the ``.partial`` folder behind with every message up to
    at most one second before.

    Args:
        directory: where the episode's folder goes; made when missing.
        episode_id: the folder's name: letters, digits, ``._-``.
        contract: recorded in full, so that the recording can be read without anything else.
        topics: topic to type, or to anything with ``type`` and ``qos`` (a contract's Channel, :class:`RecordedTopic`).
        task: what is to be done, in words.
        canonical: zero the padding of each message, see :func:`~il_nodes.codecs.canonical_cdr`; values are never
            changed.
        compression: of the chunks: ``zstd``, or ``none``.
        level: of zstd.
        origin: where the messages come from, unless they are recorded.
        sync: call fsync while recording; off only to measure what it costs.

    Raises:
        RecordingError: an impossible id, an episode that exists already, or a folder that cannot be written to.
    """

    def __init__(
        self,
        directory: Path | str,
        episode_id: str,
        contract: Contract,
        topics: Mapping[str, str | _TypedTopic],
        task: str = "",
        *,
        canonical: bool = True,
        compression: Compression = "zstd",
        level: int = ZSTD_LEVEL,
        origin: str = "",
        sync: bool = True,
    ) -> None:
        check_episode_id(episode_id)
        self.episode_id = episode_id
        self.path = Path(directory) / episode_id
        self.partial_path = self.path.with_name(episode_id + PARTIAL_SUFFIX)
        self._contract, self._task, self._canonical, self._origin = contract, task, canonical, origin
        self._topics = {
            t: RecordedTopic(v) if isinstance(v, str) else RecordedTopic(v.type, v.qos) for t, v in topics.items()
        }
        self._counts = dict.fromkeys(self._topics, 0)
        self._span_ns: tuple[int, int] | None = None
        self._state = "open"
        self._failure = ""
        self._chunk, self._chunk_begin_ns = Chunk(), 0
        self._sync = sync
        self._file = self._create()
        try:
            self._mcap = McapWriter(self._file, _LIBRARY, compression, level)
            self._mcap.write_metadata("understudy", self._description())
        except OSError as error:
            self._file.close()
            raise self._cannot_write(error) from error
        self._channels = self._register_channels()
        self._thread = ChunkThread(self._mcap, self._file, sync=sync)

    def _create(self) -> AppendedFile:
        for existing in (self.path, self.partial_path):
            if existing.exists():
                raise RecordingError(
                    f"the recording {existing} exists already and is never overwritten",
                    fix="record under another episode id, or move the folder away",
                )
        try:
            self.partial_path.mkdir(parents=True)
            return AppendedFile(self.partial_path / mcap_name(self.episode_id))
        except OSError as error:
            raise RecordingError(
                f"cannot record into {self.path.parent}", found=str(error), expected="a folder that can be written to"
            ) from error

    def _description(self) -> dict[str, str]:
        origin = {"origin": self._origin} if self._origin else {}
        return {
            "contract": self._contract.text,
            "contract_hash": self._contract.hash,
            "episode_id": self.episode_id,
            "task": self._task,
            **origin,
        }

    def _register_channels(self) -> dict[str, int]:
        schemas: dict[str, int] = {}
        channels: dict[str, int] = {}
        for topic, recorded in self._topics.items():
            definition, digest = message_definition(recorded.type)
            if recorded.type not in schemas:
                encoding = "ros2msg" if definition else ""
                schemas[recorded.type], record = self._mcap.schema(recorded.type, encoding, definition.encode())
                self._chunk.add(record)
            metadata = {
                "offered_qos_profiles": qos_profiles_text(recorded.qos),
                "topic_type_hash": digest,
            }
            channels[topic], record = self._mcap.channel(topic, schemas[recorded.type], metadata)
            self._chunk.add(record)
        return channels

    @property
    def counts(self) -> dict[str, int]:
        """Topic to messages written so far."""
        return dict(self._counts)

    def write(self, topic: str, log_time_ns: int, cdr: bytes) -> None:
        """Append one message.

        Args:
            topic: one of the topics given at construction.
            log_time_ns: when it was received, or its stamp in lock-step; order of calls is kept when reading.
            cdr: its bytes as received.

        Raises:
            RecordingError: the disk is full or failing (what was written before stays readable), the topic was not
                announced, the time is negative, or the recording is closed.
        """
        self._require_open()
        channel = self._channels.get(topic)
        if channel is None:
            raise RecordingError(
                f"{self.partial_path.name} does not record the topic {topic}",
                found=topic,
                expected=nearest(topic, self._channels) or f"one of {', '.join(self._channels)}",
            )
        if not 0 <= log_time_ns < 2**64:
            # Checked here: once it is in the chunk, the chunk can neither be closed nor saved.
            raise RecordingError(
                f"a message on {topic} has a time that no bag can hold", found=log_time_ns, expected="0 to 2^64 - 1 ns"
            )
        if self._canonical:
            cdr = canonical_cdr(cdr, self._topics[topic].type)
        if self._chunk.index and abs(log_time_ns - self._chunk_begin_ns) >= FLUSH_NS:
            self._end_chunk()
        if not self._chunk.index:
            self._chunk_begin_ns = log_time_ns
        self._chunk.add_message(channel, self._counts[topic], log_time_ns, cdr)
        self._counts[topic] += 1
        first, last = self._span_ns or (log_time_ns, log_time_ns)
        self._span_ns = (min(first, log_time_ns), max(last, log_time_ns))
        if self._chunk.size > CHUNK_BYTES:
            self._end_chunk()

    def flush(self) -> None:
        """Hand everything written so far to the disk. Raises RecordingError.

        Happens by itself with every half second of log time; calling it moves chunk boundaries, so not in lock-step.
        """
        self._require_open()
        self._end_chunk()
        try:
            self._thread.drain()
            if self._sync:
                self._file.sync()
        except OSError as error:
            raise self._fail(error) from error

    def _end_chunk(self) -> None:
        """Give the chunk to the thread that writes it. Raises RecordingError when an earlier one could not be."""
        if not self._chunk.index:
            return
        try:
            self._thread.put(self._chunk)
        except OSError as error:
            raise self._fail(error) from error
        self._chunk = Chunk()

    def close(self, outcome: str, quarantine: str = "", losses: Losses | None = None) -> Path:
        """Make the episode durable under its final name.

        Args:
            outcome: how it ended, in a word or two.
            quarantine: why it must not be trained on; empty if it may.
            losses: kind of loss to topic to number of messages.

        Returns:
            The finished recording's folder.

        Raises:
            RecordingError: the disk is full or failing, or failed before; the ``.partial`` folder stays.
        """
        self._require_open()
        self._end_chunk()
        try:
            self._thread.drain()
            self._thread.stop()
            self._finish(outcome, quarantine, losses or {})
        except OSError as error:
            raise self._fail(error) from error
        self._state = "closed"
        return self.path

    def _finish(self, outcome: str, quarantine: str, losses: Losses) -> None:
        """Everything behind the last chunk, and the other files; raises OSError."""
        self._mcap.write_metadata("understudy_outcome", {"outcome": outcome, "quarantine": quarantine})
        metadata = self._rosbag2_metadata(outcome, quarantine)
        self._mcap.write_metadata("rosbag2", {"serialized_metadata": metadata})
        self._mcap.finish()
        if self._sync:
            self._file.sync()
        self._file.require_name()
        files = {mcap_name(self.episode_id): self._file.close()}
        files[METADATA] = write_durably(self.partial_path / METADATA, metadata.encode())
        first_ns, last_ns = self._span_ns or (0, 0)
        manifest = Manifest(
            episode_id=self.episode_id,
            task=self._task,
            outcome=outcome,
            quarantine=quarantine,
            contract_hash=self._contract.hash,
            start_ns=first_ns,
            end_ns=last_ns,
            counts=self._counts,
            types={topic: recorded.type for topic, recorded in self._topics.items()},
            files=files,
            losses=losses,
            origin=self._origin,
        )
        write_durably(self.partial_path / MANIFEST, manifest.to_json().encode())
        sync_directory(self.partial_path)
        self.partial_path.rename(self.path)
        sync_directory(self.path.parent)

    def abort(self) -> None:
        """Stop without an outcome: what can be saved is, in the ``.partial`` folder, which never counts as complete."""
        if self._state == "open":
            with contextlib.suppress(OSError, RecordingError):
                self.flush()
        if self._state in ("open", "failed"):
            self._let_go()
            self._state = "aborted"

    def discard(self) -> None:
        """Stop and delete what was recorded of this episode."""
        self.abort()
        if self._state == "aborted":
            shutil.rmtree(self.partial_path, ignore_errors=True)

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None and self._state == "open":
            self.close("unknown")
        else:
            self.abort()

    def _require_open(self) -> None:
        if self._state != "open":
            raise RecordingError(
                f"the recording {self.episode_id} is {self._state}", found=self._failure or None, expected="an open one"
            )

    def _fail(self, error: OSError) -> RecordingError:
        self._let_go()
        return self._cannot_write(error)

    def _let_go(self) -> None:
        """End both threads and close the file."""
        self._thread.stop()
        with contextlib.suppress(OSError):
            self._file.close()

    def _cannot_write(self, error: OSError) -> RecordingError:
        self._state = "failed"
        self._failure = str(error)
        if isinstance(error, FileNotFoundError):
            return RecordingError(
                f"recording {self.episode_id} is lost: it was deleted, or moved away, while it was written",
                found=self._failure,
                expected=f"{self.partial_path} until the episode ends",
                fix="record it again, and leave folders alone whose names end in .partial",
            )
        with contextlib.suppress(OSError):
            free = f"; {shutil.disk_usage(self.partial_path).free / 1e6:.0f} MB free"
            self._failure += free
        return RecordingError(
            f"recording {self.episode_id} stopped: its data cannot be written",
            found=self._failure,
            expected="room on the disk",
            fix=f"free some space; all but the last second stays readable in {self.partial_path}",
        )

    def _rosbag2_metadata(self, outcome: str, quarantine: str) -> str:
        custom = self._description() | {"outcome": outcome, "quarantine": quarantine}
        span_ns = self._span_ns or (0, 0)
        return rosbag2_metadata(mcap_name(self.episode_id), self._topics, self._counts, span_ns, custom)


def check_episode_id(episode_id: str) -> None:
    """Raise RecordingError unless a folder can have this name."""
    most = _MAX_NAME - max(len(mcap_name("")), len(PARTIAL_SUFFIX))
    if len(episode_id) > most or not _EPISODE_ID.fullmatch(episode_id) or episode_id.endswith(PARTIAL_SUFFIX):
        raise RecordingError(
            "this episode id cannot be a folder's name",
            found=repr(episode_id),
            expected=f"at most {most} letters, digits and ._- only, not ending in {PARTIAL_SUFFIX}",
        )
