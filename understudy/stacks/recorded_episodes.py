"""The episodes that a run records, followed on the disk: which one runs, how each ended, which are not for training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from models.errors import UnderstudyError
from understudy.console import counted
from understudy.stacks.drives import finished_episodes
from understudy.stacks.unfinished import unfinished_recordings

__all__ = ["RecordedEpisodes"]


class RecordedEpisodes:
    """What has come into a folder of recordings since this was made.

    Args:
        folder: of the bags; it need not be there yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._before = set(finished_episodes(folder))
        self._running = self._unfinished()
        self._older = set(self._running)
        self._said: set[Path] = set()

    @property
    def present(self) -> int:
        """How many there were before."""
        return len(self._before)

    @property
    def made(self) -> list[Path]:
        """The finished ones of this run, by name."""
        return [path for path in finished_episodes(self._folder) if path not in self._before]

    @property
    def left_unfinished(self) -> list[Path]:
        """What a recorder of this run that was stopped hard has left."""
        return sorted(self._folder / name for name in self._unfinished() - self._older)

    @property
    def running(self) -> str:
        """The episode that is being recorded; empty for none."""
        return next(iter(sorted(self._running - self._older)), "").removesuffix(_partial())

    def news(self) -> list[str]:
        """What began and ended since the last call, a line each."""
        running = self._unfinished()
        lines = [f"{name.removesuffix(_partial())} is being recorded" for name in sorted(running - self._running)]
        ended = [path for path in self.made if path not in self._said]
        lines += [f"{path.name}: {_how(path)}" for path in ended]
        kept = {path.name for path in ended} | {path.name for path in self._said}
        gone = {name.removesuffix(_partial()) for name in self._running - running} - kept
        lines += [f"{name}: discarded" for name in sorted(gone)]
        self._said.update(ended)
        self._running = running
        return lines

    def summary(self) -> str:
        """``2 episodes, 1 not for training (1 tick missing on /camera/image_raw)``."""
        made = self.made
        left_out = [why for path in made if (why := _not_for_training(path))]
        words = counted(len(made), "episode")
        if left_out:
            words += f", {len(left_out)} not for training ({_distinct(left_out)})"
        return words

    def _unfinished(self) -> set[str]:
        return {path.name for path in unfinished_recordings(self._folder)}


def _partial() -> str:
    from il_nodes.bags.files import PARTIAL_SUFFIX

    return PARTIAL_SUFFIX


def _how(path: Path) -> str:
    from il_nodes.bags.files import MANIFEST, Manifest

    try:
        manifest = Manifest.read(path / MANIFEST)
    except UnderstudyError as error:
        return error.problem
    seconds = (manifest.end_ns - manifest.start_ns) / 1e9
    words = f"{manifest.outcome}, {seconds:.1f} s, {counted(sum(manifest.counts.values()), 'message')}"
    return f"{words}; not for training: {manifest.quarantine}" if manifest.quarantine else words


def _not_for_training(path: Path) -> str:
    """Why a dataset leaves it out; empty when it does not."""
    from il_nodes.bags.files import MANIFEST, Manifest

    try:
        manifest = Manifest.read(path / MANIFEST)
    except UnderstudyError as error:
        return error.problem
    return manifest.quarantine or ("marked a failure" if manifest.outcome == "failure" else "")


def _distinct(reasons: Sequence[str], most: int = 3) -> str:
    """Each reason once, and no more than fit on a line."""
    found = list(dict.fromkeys(reasons))
    return "; ".join(found[:most]) + ("; …" if len(found) > most else "")
