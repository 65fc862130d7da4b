"""Reading a file that somebody else names: a pipe or a device must neither hang the reader nor fill its memory."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

__all__ = ["read_regular_file"]

_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def read_regular_file(path: Path, limit: int) -> bytes:
    """Content of a regular file, of at most ``limit`` bytes; one byte more says that it is larger.

    Opening a pipe waits for somebody who writes, and ignores SIGTERM meanwhile; hence without waiting, and the kind is
    that of what was opened.

    Raises:
        IsADirectoryError: it is a directory.
        OSError: it is no regular file, or cannot be read; ``strerror`` says why.
        ValueError: no name of a file, such as one with a zero in it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "something else")
            raise OSError(errno.EINVAL, f"{kind}, and no regular file", str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(limit + 1)
    finally:
        os.close(descriptor)
