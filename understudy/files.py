"""Folders and files of a workspace: read, compared, removed and put in each other's place."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from models.errors import UnderstudyError

__all__ = ["read_json", "remove", "replace", "sha256"]


def read_json(path: Path) -> dict[str, object]:
    """The object in a file; empty where there is none."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def remove(path: Path) -> None:
    """Delete a folder; or a file or link in its place, but never what a link leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def replace(old: Path, new: Path) -> None:
    """Put a folder in the place of another, which is only deleted then."""
    aside = old.with_name(f"{old.name}.old")
    try:
        remove(aside)
        if old.exists():
            old.rename(aside)
        new.rename(old)
        remove(aside)
    except OSError as error:
        if aside.exists() and not old.exists():
            aside.rename(old)
        raise UnderstudyError(f"{new} could not be moved to {old}", found=error.strerror) from error
