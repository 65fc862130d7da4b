"""A file that only grows, with a SHA-256 of what was meant to be in it, and a thread that puts chunks into it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import queue
import threading
import time
from pathlib import Path

from il_nodes.bags.files import FileRecord
from il_nodes.bags.mcap_writer import Chunk, McapWriter

__all__ = ["AppendedFile", "ChunkThread"]

#: Wall time between two calls of fsync: with a chunk's half second, a power cut loses at most a second. Only durability
#: depends on it, never a byte.
SYNC_S = 0.5
#: Blocks of up to about 1 MiB that may wait for their checksum; with more, whoever writes waits.
_WAITING = 16


class AppendedFile:
    """Unbuffered: every write goes to the system at once.

    The checksum is computed in a thread of its own, since SHA-256 takes as long as everything else together: 2.6 ms for
    1 MiB on a processor without instructions for it.

    Args:
        path: must not exist.

    Raises:
        OSError: here and in every method.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with contextlib.suppress(OSError):  # not every network file system has locks
            # Held until the file is closed, or the process is gone: whoever recovers recordings leaves this one alone.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._digest = hashlib.sha256()
        self._size = 0
        self._blocks: queue.Queue[bytes | None] = queue.Queue(_WAITING)
        self._hashing = threading.Thread(target=self._hash, name="checksum", daemon=True)
        self._hashing.start()

    def _hash(self) -> None:
        while (block := self._blocks.get()) is not None:
            self._digest.update(block)

    def write(self, *blocks: bytes) -> None:
        """Append all of the blocks; on an error nothing of them stays, so the file ends with a whole record."""
        length = sum(map(len, blocks))
        try:
            written = os.writev(self._descriptor, blocks)
            while written < length:  # a signal, or a disk that is about to be full
                written += os.write(self._descriptor, b"".join(blocks)[written:])
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise
        self._size += length
        for block in blocks:
            self._blocks.put(block)

    def tell(self) -> int:
        """Bytes in the file."""
        return self._size

    def sync(self) -> None:
        """Return once all of it would survive a power cut."""
        self.require_name()
        os.fsync(self._descriptor)

    def require_name(self) -> None:
        """Raise FileNotFoundError when somebody has deleted the file: what is written then reaches nobody."""
        if os.fstat(self._descriptor).st_nlink == 0:
            raise FileNotFoundError(errno.ENOENT, "deleted while it was written")

    def close(self) -> FileRecord:
        """Checksum and size of what was written. Twice does nothing more."""
        if self._descriptor >= 0:
            self._blocks.put(None)
            self._hashing.join()
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)
        return FileRecord(self._digest.hexdigest(), self._size)


class ChunkThread:
    """Compresses and writes chunks beside the thread that fills them, and calls fsync now and then.

    Args:
        mcap: where the chunks go; nobody else may use it until :meth:`drain` has returned.
        file: the file beneath.
        sync: call fsync every :data:`SYNC_S`; off only to measure what it costs.
    """

    def __init__(self, mcap: McapWriter, file: AppendedFile, *, sync: bool) -> None:
        self._mcap, self._file, self._sync = mcap, file, sync
        self._synced_s = time.monotonic()
        #: The first error; whatever is put afterwards is dropped.
        self.failure: Exception | None = None
        self._chunks: queue.Queue[Chunk | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="chunks", daemon=True)
        self._thread.start()

    def put(self, chunk: Chunk) -> None:
        """Write a chunk, once the one before it has gone to the system. Raises what failed before.

        So at most two chunks of half a second are in memory, the one that is written and the one that is filled,
        however much faster than the disk the messages come.
        """
        self.drain()
        self._chunks.put(chunk)

    def drain(self) -> None:
        """Return once every chunk has gone to the system. Raises what failed."""
        self._chunks.join()
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        """End the thread once every chunk has gone to the system, or failed to. Twice does nothing more."""
        if self._thread.is_alive():
            self._chunks.put(None)
            self._thread.join()

    def _run(self) -> None:
        while True:
            chunk = self._chunks.get()
            try:
                if chunk is None:
                    return
                if self.failure is None:
                    self._write(chunk)
            except Exception as error:  # raised in the thread that writes, by its next call
                self.failure = error
            finally:
                self._chunks.task_done()

    def _write(self, chunk: Chunk) -> None:
        self._mcap.write_chunk(chunk)
        if self._sync and time.monotonic() - self._synced_s >= SYNC_S:
            self._file.sync()
            self._synced_s = time.monotonic()
