"""Where TensorRT keeps the engines that it has built."""

from __future__ import annotations

import os
import stat
from pathlib import Path

__all__ = ["engine_cache"]


def engine_cache(graph_sha256: str) -> Path | None:
    """A folder for one graph's engines below the user's cache; ``None`` where there is none that is safe.

    An engine is code that TensorRT runs unchecked, so nobody but this user may be able to put one there. TensorRT's
    provider tells engines of other cards and versions apart, by their names.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        root = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
        top = root / "understudy" / "tensorrt"
        folder = top / graph_sha256
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in (top.parent, top, folder):
            found = part.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
                return None
    except (OSError, RuntimeError):  # Path.home() raises RuntimeError where a user has none.
        return None
    return folder if os.access(folder, os.W_OK) else None
