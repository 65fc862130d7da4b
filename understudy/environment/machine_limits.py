"""Errors of the operating system that a person can mend: a full disk, a missing right, a file where a folder belongs.

Whatever is not in the table here is a defect of ours and treated as one.
"""

from __future__ import annotations

import errno
import os

from models.errors import RecordingError, UnderstudyError

__all__ = ["explain_memory_error", "explain_system_error"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FIXES = {
    errno.EACCES: "choose a place that you may write to, or change its permissions",
    errno.EPERM: "choose a place that you may write to, or change its permissions",
    errno.EROFS: "choose a place that can be written to",
    errno.EISDIR: "move the folder away",
    errno.ENOTDIR: "move the file away: a folder belongs there",
    errno.EEXIST: "move it away",
    errno.ENOTEMPTY: "move it away",
    errno.ELOOP: "mend the symbolic link",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close other programs: the system has no more open files to give",
    errno.EIO: "the disk fails: look at the kernel's log (dmesg), and copy what can still be read",
    errno.ESTALE: "the network disk is gone: mount it again",
}


# In torch's words.
_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "Storage size calculation overflowed")


def explain_system_error(error: OSError) -> UnderstudyError | None:
    """What a person can do about an error of the operating system; None when nothing is known to help."""
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else ""
    if error.errno in _FULL:
        return RecordingError(
            f"the disk is full{f': {where}' if where else ''}",
            found=error.strerror,
            fix="free some space, and run again",
        )
    fix = _FIXES.get(error.errno or 0)
    if fix is None:
        return None
    return UnderstudyError(f"{where or 'a file'} cannot be used", found=error.strerror, fix=fix)


def explain_memory_error(error: Exception) -> UnderstudyError | None:
    """What to do about a request for more memory than there is; None when it is something else.

    NumPy raises ``MemoryError``; torch a ``RuntimeError`` of many lines, by its allocator or by the sizes themselves.
    """
    words = str(error).splitlines()[0] if str(error) else type(error).__name__
    if not isinstance(error, MemoryError) and not any(sign in str(error) for sign in _OUT_OF_MEMORY):
        return None
    return UnderstudyError(
        "that takes more memory than this machine has",
        found=words,
        fix="ask for less: a smaller network or chunk, smaller pictures, or fewer recordings at once",
    )
