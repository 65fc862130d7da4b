"""The stage between recording and training: one dataset of a workspace's recordings, built anew when they change."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import RecordingError, UnderstudyError
from understudy.console import Console, counted
from understudy.files import read_json, remove, replace, sha256
from understudy.workspace import Workspace

if TYPE_CHECKING:
    from models.contract import Contract

__all__ = ["DatasetStage"]

# Beside a dataset: which recordings it was built of.
_SOURCES = "sources.json"
_OWN_RECORDINGS = "recordings"
# With fewer demonstrated tracks a policy usually misses the goals on others.
_USUAL_RECORDINGS = 10


class DatasetStage:
    """The dataset of one workspace.

    Args:
        workspace: where it lies.
        console: told about progress.
        contract: reads the contract to build under; None takes the recordings' own.
    """

    def __init__(self, workspace: Workspace, console: Console, contract: Callable[[], Contract] | None = None) -> None:
        self.workspace = workspace
        self._console = console
        self._contract = contract

    def build(self, recordings: Path | None = None, max_lost_frames: int = 0) -> dict[str, object]:
        """Make the dataset of the recordings; an earlier one is replaced once the new one is complete.

        Args:
            recordings: folder of the bags; the workspace's own unless given.
            max_lost_frames: also use recordings that lack up to so many camera frames.
        """
        folder = recordings or self.workspace.recordings
        contract = self._contract() if self._contract else None
        return self._build(folder, self.require_bags(folder), contract, max_lost_frames)

    def require_recordings(self, folder: Path | None = None) -> Path:
        """The folder of the recordings, the workspace's own unless given; refused when there is none."""
        folder = folder or self.workspace.recordings
        if not folder.is_dir():
            raise self._no_recordings(folder)
        return folder

    def require_bags(self, folder: Path | None = None) -> list[Path]:
        """What a dataset can be built of; unfinished ones too: the builder leaves them out, and says so."""
        from il_nodes.bags import find_bags

        folder = self.require_recordings(folder)
        bags = find_bags(folder, include_partial=True)
        if not bags:
            raise self._no_recordings(folder)
        return bags

    def _no_recordings(self, folder: Path) -> RecordingError:
        return RecordingError(
            f"there are no recordings in {folder}",
            found=None if folder.is_dir() else "no such folder",
            fix=f'make some with "understudy record"{self.workspace.or_another("recordings")}',
        )

    def refresh(self) -> None:
        """Build the dataset when there is none, or when the recordings that it was built of have changed.

        One that was built of recordings elsewhere, or whose recordings are all gone, stays as it is.
        """
        from il_nodes.bags import find_bags

        if not self.workspace.dataset.is_dir():
            self.build()
            return
        built_of = read_json(self.workspace.dataset / _SOURCES)
        bags = find_bags(self.workspace.recordings, include_partial=True)
        if not bags or built_of.get("folder") != _OWN_RECORDINGS:
            return
        before, now = built_of.get("recordings"), _digests(bags, self.workspace.labels)
        if before == now or not isinstance(before, dict):
            return
        new, gone = len(now.keys() - before.keys()), len(before.keys() - now.keys())
        changed = sum(now[name] != before[name] for name in now.keys() & before.keys())
        words = [f"{number} {word}" for number, word in ((new, "new"), (changed, "changed"), (gone, "gone")) if number]
        self._console.say(f"  the recordings are others than the dataset's ({', '.join(words)}): building it anew")
        contract = None
        if built_of.get("contract_was_given"):
            from models.episodes import open_dataset

            contract = open_dataset(self.workspace.dataset, verify=False).contract
        # Of a workspace of an earlier version nobody knows, and then nothing was tolerated.
        tolerated = built_of.get("max_lost_frames")
        self._build(self.workspace.recordings, bags, contract, tolerated if isinstance(tolerated, int) else 0)

    def _build(
        self, folder: Path, bags: Sequence[Path], contract: Contract | None, max_lost_frames: int
    ) -> dict[str, object]:
        from il_nodes.dataset.builder import build_dataset

        sources = {
            "folder": _OWN_RECORDINGS if _same(folder, self.workspace.recordings) else str(folder),
            "recordings": _digests(bags, self.workspace.labels),
            "contract_was_given": contract is not None,
            "max_lost_frames": max_lost_frames,
        }
        self.workspace.claim("build", [self.workspace.dataset])
        new = self.workspace.path / "dataset.new"
        remove(new)
        with self._console.progress("building the dataset", len(bags)) as progress:

            def show(done: int, total: int) -> None:
                progress.update(done, total, f"{done} of {counted(total, 'recording')}")

            report = build_dataset(
                bags,
                new,
                show,
                contract=contract,
                labels=self.workspace.labels,
                max_lost_frames=max_lost_frames,
            )
        (new / _SOURCES).write_text(json.dumps(sources, indent=1) + "\n")
        replace(self.workspace.dataset, new)
        for recording in report.quarantined:
            self._console.say(f"  left out: {recording.name}: {recording.reason}")
        for used in report.used:
            if used.lost_frames:
                left_out = f", {counted(used.without_frame, 'tick')} left out" if used.without_frame else ""
                self._console.say(
                    f"  used: {used.name}, which lacks {counted(used.lost_frames, 'camera frame')}; "
                    f"memory starts anew behind each hole{left_out}"
                )
        return {**asdict(report), "lost_frames": report.lost_frames, "path": self.workspace.dataset}

    def recorded_contract(self, *, anew: bool = False) -> Contract:
        """The contract of the dataset; of the first recording that can be read, where there is none or it will go."""
        from il_nodes.bags import BagReader
        from models.episodes import open_dataset

        if self.workspace.dataset.is_dir() and not anew:
            return open_dataset(self.workspace.dataset, verify=False).contract
        error: UnderstudyError | None = None
        for bag in self.require_bags():
            try:
                return BagReader(bag).contract
            except UnderstudyError as found:
                error = error or found
        assert error is not None, "there are bags"
        raise error

    def few_demonstrations(self) -> str:
        """What to say of a policy that learned from fewer recordings than usually do; empty otherwise, or not known."""
        recordings = read_json(self.workspace.dataset / _SOURCES).get("recordings")
        number = len(recordings) if isinstance(recordings, dict) else 0
        if not 0 < number < _USUAL_RECORDINGS:
            return ""
        verb = "is" if number == 1 else "are"
        usual = f"{_USUAL_RECORDINGS} are usual (record --append, with other --tracks or --scenes)"
        return f"{counted(number, 'demonstration')} {verb} few: {usual}"


def _digests(bags: Sequence[Path], labels: Path) -> dict[str, str]:
    """Name of each recording to the SHA-256 of its manifest, which holds those of its files; empty without one.

    With the SHA-256 of the labels that a person gave it afterwards behind it, where there are any.
    """
    files = {bag.name: (bag / "manifest.json", labels / f"{bag.name}.json") for bag in bags}
    return {name: "+".join(sha256(file) for file in pair if file.is_file()) for name, pair in files.items()}


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
