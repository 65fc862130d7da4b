"""What Fast DDS leaves in ``/dev/shm`` when its process is killed, and how to take away exactly that.

A participant owns ``fastrtps_<id>`` and its lock file ``fastrtps_<id>_el``; a port of a domain is
``fastrtps_port<n>`` with lock files ``_el`` or ``_sl`` and a semaphore ``sem.fastrtps_port<n>_mutex``. A file is left
over when no process maps or opens it and nobody (another container that shares this memory, say) holds the lock file
beside it.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from understudy.environment.domains import FIRST_PORT, PORTS_PER_DOMAIN

__all__ = ["Leftovers", "find_leftovers", "remove_leftovers"]

SHARED_MEMORY = Path("/dev/shm")
_ASIDE = re.compile(r"^\.understudy-\d+-")
_NAME = re.compile(r"^(?:\.understudy-\d+-)?(?:sem\.)?(fast(?:rtps|dds)_(?:port(\d+)|[0-9a-f]+))(?:_el|_sl|_mutex)?$")


@dataclass(frozen=True)
class Leftovers:
    """Files of dead processes. ``size_bytes`` is the memory they hold."""

    files: tuple[Path, ...]
    size_bytes: int


def find_leftovers(folder: Path = SHARED_MEMORY, domain: int | None = None) -> Leftovers:
    """Fast DDS files of this user that belong to no live process.

    Args:
        folder: the shared memory's mount point.
        domain: leave alone the ports of every other domain. (Ports below 7400 belong to none.)
    """
    groups: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*fast*")):
        match = _NAME.match(path.name)
        if match is None or not _is_own(path):
            continue
        port = int(match.group(2) or 0)
        if domain is not None and port >= FIRST_PORT and (port - FIRST_PORT) // PORTS_PER_DOMAIN != domain:
            continue
        groups.setdefault(match.group(1), []).append(path)
    # Files first, processes second: a file's maker has it open from before it is listed.
    used = _files_in_use(folder) if groups else set()
    dead = [
        path
        for group in groups.values()
        if not any(str(path) in used for path in group) and not any(_is_locked(path) for path in group)
        for path in group
    ]
    return Leftovers(tuple(dead), sum(_size(path) for path in dead))


def remove_leftovers(leftovers: Leftovers) -> int:
    """Delete what was found; the number of files that went. One that is gone already is no error.

    A port may be opened again between a look and a deletion, and whoever opened it would then wait at a port that
    nobody else can find. So files are renamed first and looked at once more; one that is in use gets its name back.
    """
    moved: dict[Path, Path] = {}
    for path in leftovers.files:
        aside = path.with_name(f".understudy-{os.getpid()}-{_ASIDE.sub('', path.name)}")
        with suppress(OSError):
            path.rename(aside)
            moved[aside] = path
    used = _files_in_use(leftovers.files[0].parent) if moved else set()
    removed = 0
    for aside, path in moved.items():
        is_used = str(aside) in used or _is_locked(aside)
        with suppress(OSError):
            if is_used:
                os.link(aside, path)  # refuses to replace one that was made meanwhile
            aside.unlink()
            removed += not is_used
    return removed


def _is_own(path: Path) -> bool:
    try:
        return path.stat().st_uid == os.getuid()
    except OSError:
        return False


def _size(path: Path) -> int:
    try:
        return path.stat().st_blocks * 512
    except OSError:
        return 0


def _is_locked(path: Path) -> bool:
    """Whether somebody, perhaps in a container whose processes are invisible here, holds the lock file."""
    if not path.name.endswith(("_el", "_sl")):
        return False
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _files_in_use(folder: Path) -> set[str]:
    """Every file of the folder that a process of this user has open or mapped, as the kernel lists them."""
    used: set[str] = set()
    prefix = f"{folder.resolve()}/"
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        try:
            # Open files before mappings: a descriptor is closed once its mapping stands, never before.
            for descriptor in os.scandir(process / "fd"):
                try:
                    target = os.readlink(descriptor.path)
                except OSError:
                    continue
                if target.startswith(prefix):
                    used.add(target)
            maps = (process / "maps").read_text(errors="replace")
        except OSError:  # ended meanwhile, or of another user, whose files are not ours to judge
            continue
        used |= {line[line.index(prefix) :] for line in maps.splitlines() if prefix in line}
    return used
