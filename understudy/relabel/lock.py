"""One session an episode: two that label the same one would overwrite each other's labels."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from models.errors import DatasetError
from models.label_file import label_path

__all__ = ["labelling_alone"]


@contextmanager
def labelling_alone(folder: Path, episode_id: str) -> Iterator[None]:
    """Hold ``<folder>/<episode>.lock`` meanwhile; the file goes at the end, and so does a folder that stayed empty.

    The kernel gives the lock back when the process dies, whatever it dies of; a file that is left does no harm.

    Args:
        folder: where the labels lie; made if need be.
        episode_id: what is labelled.

    Raises:
        DatasetError: another session labels this episode, or the folder cannot be written.
    """
    path = label_path(folder, episode_id).with_suffix(".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = _locked(path)
    except BlockingIOError:
        raise DatasetError(
            f"episode {episode_id} is being labelled in another session",
            found=f"{path} is locked",
            fix="go on there, or end it with Ctrl-C first; each would overwrite the labels of the other",
        ) from None
    except OSError as error:
        raise DatasetError(f"labels cannot be written to {folder}", found=error.strerror) from error
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(descriptor)
        with suppress(OSError):
            folder.rmdir()


def _locked(path: Path) -> int:
    """Descriptor of the lock file. Raises BlockingIOError when another process has it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # One that ended between these two lines has removed the file, and the next session makes another.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)
