"""Writes one episode: MCAP through the ``mcap`` package, rosbag2's metadata and our manifest by hand.

Not through rosbags' writer: it leaves the chunks' checksums empty and closes chunks by size only, so that a flipped bit
goes unnoticed and a slow episode sits in memory for minutes. Chunks are closed by the messages' own log time, not by a
wall clock, so that equal messages give equal bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol

from mcap.writer import CompressionType, Writer

from il_nodes.bag_files import (
    MANIFEST,
    METADATA,
    PARTIAL_SUFFIX,
    FileRecord,
    Manifest,
    mcap_name,
    sync_directory,
    write_durably,
)
from il_nodes.codecs import canonical_cdr
from il_nodes.codecs.interface import nearest
from il_nodes.rosbag2_metadata import RecordedTopic, message_definition, qos_profiles_text, rosbag2_metadata
from models.contract import Contract, Qos
from models.errors import RecordingError

__all__ = ["BagWriter", "RecordedTopic"]

#: Log time after which a chunk is closed and handed to the system: what a killed recorder loses at most.
FLUSH_NS = 1_000_000_000
#: Wall time between two calls of fsync: what a power cut loses at most. Only durability depends on it, never a byte.
SYNC_S = 1.0
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


class _AppendedFile:
    """A file that is only ever appended to, unbuffered, with a running SHA-256 of what was meant to be in it."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> int:
        """Append all of ``data``; on an error nothing of it stays, so the file ends with a whole record."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise
        self._digest.update(data)
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """Nothing waits here: every write goes to the system at once."""

    def sync(self) -> None:
        os.fsync(self._descriptor)

    def close(self) -> FileRecord:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        return FileRecord(self._digest.hexdigest(), self._size)


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
    ) -> None:
        _check_episode_id(episode_id)
        self.episode_id = episode_id
        self.path = Path(directory) / episode_id
        self.partial_path = self.path.with_name(episode_id + PARTIAL_SUFFIX)
        self._contract, self._task, self._canonical = contract, task, canonical
        self._topics = {
            t: RecordedTopic(v) if isinstance(v, str) else RecordedTopic(v.type, v.qos) for t, v in topics.items()
        }
        self._counts = dict.fromkeys(self._topics, 0)
        self._span_ns: tuple[int, int] | None = None
        self._chunk_start_ns: int | None = None
        self._state = "open"
        self._failure = ""
        self._synced_s = time.monotonic()
        self._file = self._create()
        try:
            self._mcap = Writer(self._file, chunk_size=CHUNK_BYTES, compression=CompressionType.ZSTD, enable_crcs=True)
            self._mcap.start(profile="ros2", library=_LIBRARY)
            self._mcap.add_metadata("understudy", self._description())
            self._channels = self._register_channels()
        except OSError as error:
            raise self._fail(error) from error

    def _create(self) -> _AppendedFile:
        for existing in (self.path, self.partial_path):
            if existing.exists():
                raise RecordingError(
                    f"the recording {existing} exists already and is never overwritten",
                    fix="record under another episode id, or move the folder away",
                )
        try:
            self.partial_path.mkdir(parents=True)
            return _AppendedFile(self.partial_path / mcap_name(self.episode_id))
        except OSError as error:
            raise RecordingError(
                f"cannot record into {self.path.parent}", found=str(error), expected="a folder that can be written to"
            ) from error

    def _description(self) -> dict[str, str]:
        return {
            "contract": self._contract.text,
            "contract_hash": self._contract.hash,
            "episode_id": self.episode_id,
            "task": self._task,
        }

    def _register_channels(self) -> dict[str, int]:
        schemas: dict[str, int] = {}
        channels: dict[str, int] = {}
        for topic, recorded in self._topics.items():
            definition, digest = message_definition(recorded.type)
            if recorded.type not in schemas:
                encoding = "ros2msg" if definition else ""
                schemas[recorded.type] = self._mcap.register_schema(recorded.type, encoding, definition.encode())
            metadata = {
                "offered_qos_profiles": qos_profiles_text(recorded.qos),
                "topic_type_hash": digest,
            }
            channels[topic] = self._mcap.register_channel(topic, "cdr", schemas[recorded.type], metadata)
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
        try:
            if self._chunk_start_ns is not None and abs(log_time_ns - self._chunk_start_ns) >= FLUSH_NS:
                self._flush()
            if self._chunk_start_ns is None:
                self._chunk_start_ns = log_time_ns
            self._mcap.add_message(channel, log_time_ns, cdr, log_time_ns, self._counts[topic])
        except OSError as error:
            raise self._fail(error) from error
        self._counts[topic] += 1
        first, last = self._span_ns or (log_time_ns, log_time_ns)
        self._span_ns = (min(first, log_time_ns), max(last, log_time_ns))

    def flush(self) -> None:
        """Hand everything written so far to the disk. Raises RecordingError.

        Happens by itself with every second of log time; calling it moves chunk boundaries, so not in lock-step.
        """
        self._require_open()
        try:
            self._flush()
        except OSError as error:
            raise self._fail(error) from error

    def _flush(self) -> None:
        self._mcap.flush()
        self._chunk_start_ns = None
        now_s = time.monotonic()
        if now_s - self._synced_s >= SYNC_S:
            self._file.sync()
            self._synced_s = time.monotonic()

    def close(self, outcome: str, quarantine: str = "") -> Path:
        """Make the episode durable under its final name.

        Args:
            outcome: how it ended, in a word or two.
            quarantine: why it must not be trained on; empty if it may.

        Returns:
            The finished recording's folder.

        Raises:
            RecordingError: the disk is full or failing, or failed before; the ``.partial`` folder stays.
        """
        self._require_open()
        try:
            self._mcap.flush()
            self._mcap.add_metadata("understudy_outcome", {"outcome": outcome, "quarantine": quarantine})
            metadata = self._rosbag2_metadata(outcome, quarantine)
            self._mcap.add_metadata("rosbag2", {"serialized_metadata": metadata})
            self._mcap.finish()
            self._file.sync()
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
            )
            write_durably(self.partial_path / MANIFEST, manifest.to_json().encode())
            sync_directory(self.partial_path)
            self.partial_path.rename(self.path)
            sync_directory(self.path.parent)
        except OSError as error:
            raise self._fail(error) from error
        self._state = "closed"
        return self.path

    def abort(self) -> None:
        """Stop without an outcome: what can be saved is, in the ``.partial`` folder, which never counts as complete."""
        if self._state == "open":
            with contextlib.suppress(OSError):
                self._mcap.flush()
                self._file.sync()
        if self._state in ("open", "failed"):
            self._file.close()
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
        self._state = "failed"
        self._failure = str(error)
        with contextlib.suppress(OSError):
            self._file.close()
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


def _check_episode_id(episode_id: str) -> None:
    most = _MAX_NAME - max(len(mcap_name("")), len(PARTIAL_SUFFIX))
    if len(episode_id) > most or not _EPISODE_ID.fullmatch(episode_id) or episode_id.endswith(PARTIAL_SUFFIX):
        raise RecordingError(
            "this episode id cannot be a folder's name",
            found=repr(episode_id),
            expected=f"at most {most} letters, digits and ._- only, not ending in {PARTIAL_SUFFIX}",
        )
