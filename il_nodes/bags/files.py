"""The files of a recording: names, manifest, checksums."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from models.errors import RecordingError

__all__ = [
    "MANIFEST",
    "METADATA",
    "ORIGINALS",
    "PARTIAL_SUFFIX",
    "FileRecord",
    "Losses",
    "Manifest",
    "file_record",
    "find_bags",
    "mark_recording",
    "mcap_name",
    "sync_directory",
    "write_durably",
]

MANIFEST = "manifest.json"
METADATA = "metadata.yaml"
PARTIAL_SUFFIX = ".partial"
#: Folder beside the recordings where a recovery keeps the unfinished ones that it has read.
ORIGINALS = "originals"
FORMAT = "understudy-recording-1"

#: A manifest has a few lines a topic. What is larger is none, and would only fill the memory.
MAX_MANIFEST_BYTES = 1 << 22

_READ_SIZE = 1 << 20

#: Kind of loss, such as ``lost`` or ``dropped``, to topic to number of messages.
Losses = Mapping[str, Mapping[str, int]]


def mcap_name(episode_id: str) -> str:
    """Name of the MCAP file, as rosbag2 numbers them."""
    return f"{episode_id}_0.mcap"


@dataclass(frozen=True)
class FileRecord:
    """What a file must be: its SHA-256 in hex and its size in bytes."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """What a finished recording says of itself.

    Attributes:
        episode_id: the episode, also the folder's name.
        task: what was to be done, in words.
        outcome: how it ended.
        quarantine: why it must not be trained on; empty if it may.
        contract_hash: of the contract it was recorded under.
        start_ns: log time of the earliest message, 0 without messages.
        end_ns: log time of the latest.
        counts: topic to number of messages.
        types: topic to ROS type.
        files: file name to checksum.
        losses: kind of loss, such as ``lost`` or ``dropped``, to topic to number of messages; without losses empty.
        origin: where the messages came from, unless they were recorded.
    """

    episode_id: str
    task: str
    outcome: str
    quarantine: str
    contract_hash: str
    start_ns: int
    end_ns: int
    counts: Mapping[str, int] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, FileRecord] = field(default_factory=dict)
    losses: Losses = field(default_factory=dict)
    origin: str = ""

    def to_json(self) -> str:
        """Text with a checksum over itself, since nothing else would notice a flipped bit in it."""
        content = {"format": FORMAT, **asdict(self)}
        return json.dumps(content | {"checksum": _checksum(content)}, indent=2, sort_keys=True) + "\n"

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Manifest of a file. Raises RecordingError when it is damaged or of another format."""
        try:
            size = path.stat().st_size
            if size > MAX_MANIFEST_BYTES:
                raise ValueError(f"it has {size} bytes, more than {MAX_MANIFEST_BYTES}")
            content = json.loads(path.read_bytes())
            checksum = content.pop("checksum")
            if checksum != _checksum(content) or content.pop("format") != FORMAT:
                raise ValueError("its checksum or format does not match")
            content["files"] = {name: FileRecord(**record) for name, record in content["files"].items()}
            # Without a checksum to hold it against, any file would pass for the one that was written.
            missing = [name for name in (METADATA, mcap_name(content["episode_id"])) if name not in content["files"]]
            if missing:
                raise ValueError(f"it has no checksum of {' and '.join(missing)}")
            return cls(**content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RecordingError(
                f"the manifest of recording {path.parent} is damaged",
                found=f"{type(error).__name__}: {error}",
                expected=f"an intact {path.name} of format {FORMAT}",
                fix="restore the folder from a copy; this one stays out of training",
            ) from error


def mark_recording(path: Path, outcome: str) -> str:
    """Change how a finished recording ended, in its manifest and in one step; the outcome that it had.

    The outcome that stands inside the MCAP file and in ``metadata.yaml`` is the one with which it was closed: rewriting
    three files is no single step, and a crash in between would leave a recording that does not match its checksums.

    Raises:
        RecordingError: the manifest is damaged, or the disk is full or failing.
    """
    manifest = Manifest.read(path / MANIFEST)
    new = path / f"{MANIFEST}.new"
    try:
        new.unlink(missing_ok=True)
        write_durably(new, replace(manifest, outcome=outcome).to_json().encode())
        new.replace(path / MANIFEST)
        sync_directory(path)
    except OSError as error:
        raise RecordingError(f"the recording {path} cannot be marked", found=error.strerror) from error
    return manifest.outcome


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def file_record(path: Path) -> FileRecord:
    """Checksum and size of a file as it lies on the disk."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while block := file.read(_READ_SIZE):
            digest.update(block)
            size += len(block)
    return FileRecord(digest.hexdigest(), size)


def write_durably(path: Path, content: bytes) -> FileRecord:
    """Write a small file that survives a power cut once this returns; its checksum."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return FileRecord(hashlib.sha256(content).hexdigest(), len(content))


def sync_directory(path: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def find_bags(directory: Path | str, *, include_partial: bool = False) -> list[Path]:
    """Folders of recordings directly in ``directory``, by name; a missing directory has none.

    Args:
        directory: where recordings lie.
        include_partial: also the unfinished ones.
    """
    root = Path(directory)
    if not root.is_dir():
        return []
    found = [
        path
        for path in root.iterdir()
        if path.is_dir()
        and (
            include_partial
            if path.name.endswith(PARTIAL_SUFFIX)
            else (path / MANIFEST).exists() or any(path.glob("*.mcap"))
        )
    ]
    return sorted(found)
