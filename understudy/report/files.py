"""Pages reach the disk whole, or not at all."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from models.errors import UnderstudyError

__all__ = ["write_page"]


def write_page(path: Path, page: str) -> Path:
    """Write a page, replacing one that is there, and return its path.

    Raises:
        UnderstudyError: the file cannot be written.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Text from the command line may hold bytes that are no UTF-8.
        partial.write_text(page, encoding="utf-8", errors="backslashreplace")
        os.replace(partial, path)
    except OSError as error:
        with suppress(OSError):  # half a page is of no use to anybody, least of all on a full disk
            partial.unlink()
        if error.errno == errno.ENOSPC:
            raise
        raise UnderstudyError(f"the report cannot be written to {path}", found=error.strerror) from error
    return path
