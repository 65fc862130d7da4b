"""Recordings become a dataset: which ones may be trained on, and why the others may not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from il_nodes.bags.files import MANIFEST, Manifest, mcap_name
from il_nodes.bags.reader import BagReader
from il_nodes.dataset.lost_frames import find_holes, lost_frames
from il_nodes.dataset.recorded_episode import RecordedEpisode, read_episode
from models.contract import Contract
from models.episodes import DRIVERS, Episode, write_dataset
from models.errors import ContractError, DatasetError, RecordingError
from models.label_file import LabelFile, labels_of

__all__ = ["DatasetReport", "QuarantinedRecording", "UsedRecording", "build_dataset"]

Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class UsedRecording:
    """What one recording gave.

    Attributes:
        name: the recording's folder.
        frames: ticks with labels.
        drivers: driver to ticks.
        unlabelled: ticks left out because the expert had said nothing recent.
        late: samples that came after their tick; each may be a difference to what was driven with.
        gaps: ticks left out because a stream's newest sample was too old.
        refused: ticks left out because their values were not finite or could not be decoded.
        relabelled: ticks whose label a person gave afterwards.
        lost_frames: camera frames that the recording lacks, and is used all the same.
        without_frame: ticks left out because one of those frames was theirs; of the trigger's none, which never came.
    """

    name: str
    frames: int
    drivers: dict[str, int]
    unlabelled: int
    late: int
    gaps: int
    refused: int
    relabelled: int = 0
    lost_frames: int = 0
    without_frame: int = 0


@dataclass(frozen=True)
class QuarantinedRecording:
    """A recording that was left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class DatasetReport:
    """What became of each recording.

    Attributes:
        path: the dataset.
        dataset_hash: its hash.
        contract_hash: of the contract that all used recordings share.
        frames: ticks in the dataset.
        used: in order.
        quarantined: in order.
    """

    path: str
    dataset_hash: str
    contract_hash: str
    frames: int
    used: list[UsedRecording] = field(default_factory=list)
    quarantined: list[QuarantinedRecording] = field(default_factory=list)

    @property
    def late(self) -> int:
        """Late samples over all used recordings."""
        return sum(recording.late for recording in self.used)

    @property
    def gaps(self) -> int:
        """Gaps over all used recordings."""
        return sum(recording.gaps for recording in self.used)

    @property
    def lost_frames(self) -> int:
        """Camera frames that used recordings lack."""
        return sum(recording.lost_frames for recording in self.used)


def build_dataset(
    bags: Sequence[Path | str],
    out: Path | str,
    progress: Progress | None = None,
    *,
    contract: Contract | None = None,
    overwrite: bool = False,
    settle_s: float = 0.005,
    labels: Path | None = None,
    failures: bool = False,
    max_lost_frames: int = 0,
) -> DatasetReport:
    """Make a dataset of recordings. One that cannot be used is named in the report, and the others go on.

    Args:
        bags: folders of recordings; their order is the dataset's.
        out: the dataset's folder.
        progress: told (recordings done, recordings in all).
        contract: only recordings of this one are used; when not given, the one that most of them share.
        overwrite: replace a dataset that is there.
        settle_s: as in the live nodes.
        labels: folder of labels that a person gave afterwards (``understudy relabel``).
        failures: also use episodes that a person marked as failures.
        max_lost_frames: also use recordings that lack up to so many camera frames, and nothing else; see
            :mod:`il_nodes.dataset.lost_frames`.

    Raises:
        DatasetError: no recording can be used, or the dataset cannot be written.
    """
    builder = _Builder(
        [Path(bag) for bag in bags], progress, settle_s, labels, failures=failures, max_lost_frames=max_lost_frames
    )
    chosen = contract or builder.common_contract()
    dataset = write_dataset(out, builder.episodes(chosen), chosen, overwrite=overwrite)
    return DatasetReport(str(out), dataset.hash, chosen.hash, len(dataset), builder.used, builder.quarantined)


class _Builder:
    def __init__(
        self,
        bags: Sequence[Path],
        progress: Progress | None,
        settle_s: float,
        labels: Path | None = None,
        *,
        failures: bool = False,
        max_lost_frames: int = 0,
    ) -> None:
        self._progress = progress
        self._failures = failures
        self._max_lost_frames = max_lost_frames
        #: Recording to the camera topics that lack frames, and how many.
        self._lost: dict[Path, dict[str, int]] = {}
        self._labels = labels
        self._settle_s = settle_s
        self._total = len(bags)
        self._readers: list[BagReader] = []
        self.used: list[UsedRecording] = []
        self.quarantined: list[QuarantinedRecording] = []
        self._ids: set[str] = set()
        self._shapes: dict[str, tuple[str, tuple[int, ...]]] = {}
        for bag in bags:
            self._open(bag)

    def _open(self, bag: Path) -> None:
        try:
            reader = BagReader(bag)
            reader.contract  # noqa: B018  (read now, so that a bag whose contract is unreadable is named)
        except (RecordingError, ContractError) as error:
            self._quarantine(bag.name, str(error))
            return
        if reader.quarantine and not self._tolerates(reader):
            self._quarantine(bag.name, f"marked when it was recorded: {reader.quarantine}")
        elif reader.outcome == "failure" and not self._failures:
            self._quarantine(bag.name, "a person marked it as a failure")
        else:
            self._readers.append(reader)

    def _tolerates(self, reader: BagReader) -> bool:
        """Whether all that a recording lacks are a few frames."""
        lost = lost_frames(reader, reader.contract)
        if lost is None or sum(lost.values()) > self._max_lost_frames:
            return False
        self._lost[reader.path] = lost
        return True

    def _quarantine(self, name: str, reason: str) -> None:
        self.quarantined.append(QuarantinedRecording(name, reason))

    def common_contract(self) -> Contract:
        """The contract that most recordings share; of equally many, the first one's."""
        if not self._readers:
            raise self.nothing_usable()
        most, _ = Counter(reader.contract.hash for reader in self._readers).most_common(1)[0]
        return next(reader.contract for reader in self._readers if reader.contract.hash == most)

    def episodes(self, contract: Contract) -> Iterator[Episode]:
        """Episodes of the usable recordings, one at a time. Raises DatasetError when there was none."""
        for done, reader in enumerate(self._readers, start=self._total - len(self._readers)):
            if self._progress:
                self._progress(done, self._total)
            try:
                self._require_contract(reader, contract)
                lost = self._lost.get(reader.path, {})
                holes = find_holes(reader, contract, sorted(lost))
                recorded = read_episode(reader, contract, self._settle_s, self._relabelled(reader, contract), holes)
                self._require_fit(recorded.episode)
            except (RecordingError, DatasetError) as error:
                self._quarantine(reader.path.name, str(error))
                continue
            self.used.append(_summary(reader.path.name, recorded, sum(lost.values())))
            yield recorded.episode
        if not self.used:
            raise self.nothing_usable()
        if self._progress:
            self._progress(self._total, self._total)

    def _relabelled(self, reader: BagReader, contract: Contract) -> LabelFile | None:
        """What a person said afterwards about this very recording. Raises DatasetError for another one's labels."""
        if self._labels is None:
            return None
        manifest = Manifest.read(reader.path / MANIFEST)
        sha256 = manifest.files[mcap_name(manifest.episode_id)].sha256
        return labels_of(self._labels, reader.episode_id, sha256, contract.action_names)

    def _require_contract(self, reader: BagReader, contract: Contract) -> None:
        if reader.contract.hash != contract.hash:
            raise RecordingError(
                f"recording {reader.path.name} was made under another contract",
                found=f"hash {reader.contract.hash[:12]}",
                expected=f"hash {contract.hash[:12]}",
                fix="build a dataset of its own from it, or record it again",
            )

    def _require_fit(self, episode: Episode) -> None:
        """One camera that was turned to another resolution must not cost the whole dataset."""
        if episode.episode_id in self._ids:
            raise RecordingError(f"another recording of episode {episode.episode_id} is used already")
        for key, rows in episode.observations.items():
            owner, shape = self._shapes.get(key, (episode.episode_id, rows.shape[1:]))
            if rows.shape[1:] != shape:
                raise RecordingError(
                    f"{key} has another shape than in {owner}", found=str(rows.shape[1:]), expected=str(shape)
                )
        self._ids.add(episode.episode_id)
        for key, rows in episode.observations.items():
            self._shapes.setdefault(key, (episode.episode_id, rows.shape[1:]))

    def nothing_usable(self) -> DatasetError:
        """The error for a dataset without episodes."""
        reasons = [f"{recording.name}: {recording.reason.splitlines()[0]}" for recording in self.quarantined]
        shown = reasons[:5] + ([f"and {len(reasons) - 5} more"] if len(reasons) > 5 else [])
        return DatasetError(
            "none of the recordings can be used" if reasons else "there are no recordings to build a dataset from",
            found="; ".join(shown) or None,
            expected="at least one finished recording with observations and the expert's commands",
            fix="record one while all sensors and the expert publish; understudy episodes list says what each one lacks"
            if reasons
            else 'make one with "understudy record"',
        )


def _summary(name: str, recorded: RecordedEpisode, lost: int) -> UsedRecording:
    numbers, ticks = np.unique(recorded.episode.driver, return_counts=True)
    return UsedRecording(
        name=name,
        frames=len(recorded.episode),
        drivers={DRIVERS[number]: int(count) for number, count in zip(numbers, ticks, strict=True)},
        unlabelled=recorded.unlabelled,
        late=sum(recorded.counts.late.values()),
        gaps=sum(recorded.counts.gaps.values()),
        refused=recorded.counts.refused,
        relabelled=recorded.relabelled,
        lost_frames=lost,
        without_frame=recorded.without_frame,
    )
