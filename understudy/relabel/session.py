"""Labels in the making: what the page sends, kept in a draft every few seconds and saved when the labeller says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.data import FloatArray
from models.errors import DatasetError
from models.label_file import LabelFile, label_path, labels_of, read_labels, write_labels
from understudy.relabel.episode import ShownEpisode

__all__ = ["LabelSession", "Progress"]

#: At most so much work is lost with the machine's power.
DRAFT_EVERY_S = 3.0


@dataclass(frozen=True)
class Progress:
    """How far it is: ticks in all, labelled ones, and those that changed since the last save."""

    ticks: int
    labelled: int
    unsaved: int


class LabelSession:
    """One episode's labels, from any thread.

    An earlier draft is taken up again; without one, labels that were saved before.

    Args:
        episode: what is labelled.
        folder: where its labels lie.
        labeller: who labels.

    Attributes:
        path: of the saved labels.
        draft: of the unsaved ones.
        resumed: what it began with, in words; empty for nothing.

    Raises:
        DatasetError: labels or draft are damaged, or belong to another recording.
    """

    def __init__(self, episode: ShownEpisode, folder: Path, labeller: str = "") -> None:
        self._episode = episode
        self._labeller = labeller
        self._lock = threading.Lock()
        self._labels: FloatArray = np.full((len(episode.stamps_ns), len(episode.dimensions)), np.nan, np.float32)
        self._changed: npt.NDArray[np.bool_] = np.zeros(len(episode.stamps_ns), np.bool_)
        self._drafted_s = 0.0
        self._undrafted = False
        self.speed = 1.0
        self.path = label_path(folder, episode.episode_id)
        self.draft = self.path.with_name(f"{self.path.name}.draft")
        self.resumed = self._resume(folder)

    def _resume(self, folder: Path) -> str:
        names = self._episode.contract.action_names
        saved = labels_of(folder, self._episode.episode_id, self._episode.recording_sha256, names)
        if saved is not None:
            self._put(saved)
            self.speed = saved.speed
        if not self.draft.exists():
            return "" if saved is None else f"{self._count()} labels saved before"
        draft = read_labels(self.draft)
        if (draft.recording_sha256, draft.names) != (self._episode.recording_sha256, names):
            raise DatasetError(f"the draft {self.draft} belongs to another recording", fix="move it away")
        before = self._labels.copy()
        self._labels[:] = np.nan
        self._put(draft)
        self._changed = ~_same(before, self._labels)
        return f"{self._count()} labels of a draft that was never saved"

    def _put(self, labels: LabelFile) -> None:
        positions = np.searchsorted(self._episode.stamps_ns, labels.stamps_ns)
        for position, stamp_ns, action in zip(positions, labels.stamps_ns, labels.actions, strict=True):
            if position < len(self._labels) and self._episode.stamps_ns[position] == stamp_ns:
                self._labels[position] = action

    def _count(self) -> int:
        return int(np.isfinite(self._labels[:, 0]).sum())

    # -- what the page does ---------------------------------------------------------------------------------------

    @property
    def progress(self) -> Progress:
        """How far it is."""
        with self._lock:
            return Progress(len(self._labels), self._count(), int(self._changed.sum()))

    def labels(self) -> FloatArray:
        """``(T, dims)``, NaN where a tick has no label."""
        with self._lock:
            return self._labels.copy()

    def give(self, entries: Mapping[int, Sequence[float] | None], speed: float) -> Progress:
        """Set or (``None``) erase labels, clipped to the limits; a draft is kept every few seconds.

        Args:
            entries: tick to action, ``(dims,)`` SI units.
            speed: of the playback.

        Raises:
            ValueError: no such tick, another number of values, values that are not finite, or no positive speed.
        """
        rows = {tick: self._checked(tick, values) for tick, values in entries.items()}
        if not 0.0 < speed <= 10.0:
            raise ValueError(f"speed {speed} is not in (0, 10]")
        with self._lock:
            for tick, row in rows.items():
                self._changed[tick] |= not _same(self._labels[tick : tick + 1], row[None])[0]
                self._labels[tick] = row
            self._undrafted |= bool(rows)
            self.speed = speed
        self.keep_draft(every_s=DRAFT_EVERY_S)
        return self.progress

    def _checked(self, tick: int, values: Sequence[float] | None) -> FloatArray:
        dimensions = self._episode.dimensions
        if not 0 <= tick < len(self._labels):
            raise ValueError(f"there is no tick {tick}")
        if values is None:
            return np.full(len(dimensions), np.nan, np.float32)
        row = np.array(values, np.float32)
        if row.shape != (len(dimensions),) or not np.isfinite(row).all():
            raise ValueError(f"tick {tick} needs {len(dimensions)} finite numbers")
        low = np.array([one.minimum for one in dimensions], np.float32)
        high = np.array([one.maximum for one in dimensions], np.float32)
        return np.clip(row, low, high)

    # -- what reaches the disk ------------------------------------------------------------------------------------

    def _file(self) -> LabelFile:
        labelled = np.isfinite(self._labels).all(axis=1)
        return LabelFile(
            episode_id=self._episode.episode_id,
            recording_sha256=self._episode.recording_sha256,
            names=self._episode.contract.action_names,
            stamps_ns=self._episode.stamps_ns[labelled],
            actions=self._labels[labelled].copy(),
            labeller=self._labeller,
            speed=self.speed,
            camera=self._episode.camera,
            saved_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def keep_draft(self, every_s: float = 0.0) -> bool:
        """Write what is unsaved into the draft, unless that was done within ``every_s``; whether anything is unsaved.

        Raises:
            DatasetError: the disk is full or failing.
        """
        with self._lock:
            unsaved = bool(self._changed.any())
            if unsaved and self._undrafted and time.monotonic() - self._drafted_s >= every_s:
                write_labels(self.draft, self._file())
                self._drafted_s, self._undrafted = time.monotonic(), False
            return unsaved

    def save(self) -> Progress:
        """Write the labels beside the recordings, and drop the draft.

        Raises:
            DatasetError: the disk is full or failing; the draft then stays.
        """
        with self._lock:
            write_labels(self.path, self._file())
            self._changed[:] = False
            self._undrafted = False
            self.draft.unlink(missing_ok=True)
        return self.progress


def _same(one: FloatArray, other: FloatArray) -> npt.NDArray[np.bool_]:
    """``(T,)`` whether rows are equal, no label being equal to no label."""
    equal: npt.NDArray[np.bool_] = np.all((one == other) | (np.isnan(one) & np.isnan(other)), axis=1)
    return equal
