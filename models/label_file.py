"""Labels that a person gave to a recorded episode afterwards: JSON beside the recordings, which are never touched.

``<workspace>/labels/<episode id>.json`` belongs to one recording, by the SHA-256 of its MCAP file, and holds an action
for each tick that was labelled. Building a dataset takes these instead of what was recorded, on those ticks alone.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.data import FloatArray
from models.errors import DatasetError

__all__ = ["LabelFile", "label_path", "labels_of", "merge_labels", "read_labels", "write_labels"]

FORMAT = "understudy-labels-1"
#: A day of driving at 20 Hz with seven joints takes 160 MB; nobody labels a day.
MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class LabelFile:
    """Labels of one episode.

    Attributes:
        episode_id: the episode.
        recording_sha256: hex, of its MCAP file.
        names: the contract's action dimensions, in its order.
        stamps_ns: ``(T,)`` int64, ascending: ticks that are labelled, by the stamp of the trigger's sample.
        actions: ``(T, dims)`` float32, SI units, finite.
        labeller: who labelled.
        speed: of the playback while labelling; 0.25 is four times slower than it was.
        camera: what was looked at.
        saved_at: ISO 8601, UTC.
    """

    episode_id: str
    recording_sha256: str
    names: tuple[str, ...]
    stamps_ns: npt.NDArray[np.int64]
    actions: FloatArray
    labeller: str = ""
    speed: float = 1.0
    camera: str = ""
    saved_at: str = ""


def label_path(folder: Path, episode_id: str) -> Path:
    """Where the labels of an episode lie. Raises DatasetError for an id that is no file name."""
    if not episode_id or Path(episode_id).name != episode_id:
        raise DatasetError("this episode's id cannot name a file", found=repr(episode_id))
    return folder / f"{episode_id}.json"


def write_labels(path: Path, labels: LabelFile) -> None:
    """Write in one step: after a power cut there are the old labels or the new ones, never half of either.

    Raises:
        DatasetError: the file cannot be written.
    """
    content: dict[str, Any] = {"format": FORMAT, **asdict(labels)}
    content |= {"names": list(labels.names), "stamps_ns": labels.stamps_ns.tolist()}
    # float32 in its shortest form: 0.1 and not 0.10000000149011612; reading gives the same float32.
    content["actions"] = [[float(str(value)) for value in row] for row in labels.actions.astype(np.float32)]
    content["checksum"] = _checksum(content)
    new = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new.open("w", encoding="utf-8") as file:
            json.dump(content, file)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError as error:
        raise DatasetError(f"the labels {path} cannot be written", found=error.strerror or str(error)) from error


def read_labels(path: Path) -> LabelFile:
    """Labels of a file.

    Raises:
        DatasetError: it cannot be read, is damaged, or is no such file.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES} bytes")
        return _parse(json.loads(data))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DatasetError(
            f"the labels {path} cannot be read",
            found=f"{type(error).__name__}: {str(error)[:200]}",
            expected=f"an intact file of format {FORMAT}",
            fix="restore it from a copy, or move it away to go on with the labels of the recording",
        ) from error


def labels_of(folder: Path, episode_id: str, recording_sha256: str, names: tuple[str, ...]) -> LabelFile | None:
    """Labels that were given to this very recording; ``None`` when there are none.

    Raises:
        DatasetError: the file is damaged, or belongs to another recording or another action vector.
    """
    path = label_path(folder, episode_id)
    if not path.exists():
        return None
    labels = read_labels(path)
    for what, found, expected in (
        ("another episode", labels.episode_id, episode_id),
        ("another recording", labels.recording_sha256, recording_sha256),
        ("another action vector", ", ".join(labels.names), ", ".join(names)),
    ):
        if found != expected:
            fix = "move the file away, or restore the recording that it was made for"
            raise DatasetError(f"the labels {path} belong to {what}", found=found, expected=expected, fix=fix)
    return labels


def merge_labels(recorded: FloatArray, ticks_ns: npt.NDArray[np.int64], labels: LabelFile) -> tuple[FloatArray, int]:
    """The recorded labels with those of a person in their place, and how many ticks got one.

    Args:
        recorded: ``(T, dims)``, NaN where the recording has none.
        ticks_ns: ``(T,)`` stamps of the ticks.
        labels: of this episode.
    """
    merged = recorded.copy()
    positions = np.searchsorted(labels.stamps_ns, ticks_ns)
    inside = positions < len(labels.stamps_ns)
    hit = np.flatnonzero(inside)[labels.stamps_ns[positions[inside]] == ticks_ns[inside]]
    merged[hit] = labels.actions[positions[hit]]
    return merged, len(hit)


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _parse(content: dict[str, Any]) -> LabelFile:
    checksum = content.pop("checksum")
    if checksum != _checksum(content) or content.pop("format") != FORMAT:
        raise ValueError("its checksum or format does not match")
    stamps, names = content["stamps_ns"], content["names"]
    if not all(isinstance(stamp, int) and abs(stamp) < 2**63 for stamp in stamps):
        raise ValueError("a stamp is no whole number of nanoseconds")
    content["stamps_ns"] = np.array(stamps, np.int64)
    content["actions"] = np.array(content["actions"], np.float32).reshape(len(stamps), len(names))
    content["names"] = tuple(names)
    labels = LabelFile(**content)
    if (np.diff(labels.stamps_ns) <= 0).any() or not np.isfinite(labels.actions).all():
        raise ValueError("stamps do not ascend, or an action is not finite")
    texts = (labels.episode_id, labels.recording_sha256, labels.labeller, labels.camera, labels.saved_at, *names)
    if not all(isinstance(text, str) for text in texts) or not math.isfinite(labels.speed):
        raise ValueError("a text is no text, or the speed no number")
    return labels
