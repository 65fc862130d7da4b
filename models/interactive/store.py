"""What a learning leaves on disk, round by round, so that it can be ended at any moment and go on.

::

    state.json            what was asked for, and a record of every finished round; replaced last
    rounds/000/data/      the round's episodes, a dataset
    rounds/000/drives.json   what happened in them
    rounds/000/policy/    what was learned
    rounds/000/noise.yaml    of DART: what disturbs the next round

Every part appears under its name when it is complete. A round counts when ``state.json`` names it; data whose
``drives.json`` is there are used again by a learning that was ended before its policy was done.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.contract import Contract
from models.episodes import Episode, EpisodeDataset, open_dataset, write_dataset
from models.errors import TrainingError
from models.interactive.records import Drive, RoundRecord, Tally

__all__ = ["RoundStore"]

FORMAT = 1
STATE, DRIVES, DATA, POLICY, NOISE = "state.json", "drives.json", "data", "policy", "noise.yaml"


class RoundStore:
    """The folder of one learning.

    Args:
        folder: made when it is missing.
        settings: what decides about its results, JSON-able; a learning only goes on with equal ones.

    Attributes:
        folder: as given.
        records: of the finished rounds.

    Raises:
        TrainingError: the folder holds a learning with other settings, or one that cannot be read.
    """

    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        self.folder = folder
        self._settings = json.loads(json.dumps(settings))
        self.records = self._read()

    @property
    def finished(self) -> int:
        """Rounds that are done."""
        return len(self.records)

    def data(self, number: int) -> EpisodeDataset:
        """The episodes of a round whose drives are over; mapped from disk, and read once to see that they are whole."""
        return open_dataset(self._round(number) / DATA)

    def drives(self, number: int) -> Tally | None:
        """What happened in a round's drives; ``None`` where they are not all there."""
        try:
            return Tally.from_dict(json.loads((self._round(number) / DRIVES).read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged(self._round(number) / DRIVES, error) from error

    def keep_drives(self, number: int, drives: Iterable[Drive], contract: Contract) -> Tally:
        """Write a round's episodes as they come; the dataset first, then what happened."""
        tallies: list[Tally] = []

        def episodes() -> Iterator[Episode]:
            for drive in drives:
                tallies.append(drive.tally)
                yield drive.episode

        folder = self._round(number)
        _clear(folder)
        folder.mkdir(parents=True)
        write_dataset(folder / DATA, episodes(), contract)
        total = sum(tallies[1:], tallies[0])
        _replace_text(folder / DRIVES, json.dumps(asdict(total)))
        return total

    def policy(self, number: int) -> Path:
        """The folder of a round's policy."""
        return self._round(number) / POLICY

    def keep_policy(self, number: int, save: Callable[[Path], None]) -> None:
        """Let ``save`` write a policy into a new folder, which then takes its place."""
        new = self.policy(number).with_name(POLICY + ".new")
        _clear(new)
        save(new)
        _make_durable(new)
        _clear(self.policy(number))
        os.replace(new, self.policy(number))

    def noise(self, number: int) -> Path:
        """The file that disturbs the round after ``number``."""
        return self._round(number) / NOISE

    def finish(self, record: RoundRecord) -> None:
        """From now on the round counts."""
        self.records = (*self.records, record)
        content = {
            "format": FORMAT,
            "settings": self._settings,
            "rounds": [record.to_dict() for record in self.records],
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        _replace_text(self.folder / STATE, json.dumps(content, indent=1))

    def _round(self, number: int) -> Path:
        return self.folder / "rounds" / f"{number:03d}"

    def _read(self) -> tuple[RoundRecord, ...]:
        path = self.folder / STATE
        if not path.exists():
            return ()
        try:
            content = json.loads(path.read_text("utf-8"))
            if content["format"] != FORMAT:
                raise ValueError(f"format {content['format']}, not {FORMAT}")
            settings, rounds = dict(content["settings"]), content["rounds"]
            records = tuple(RoundRecord.from_dict(values) for values in rounds)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged(path, error) from error
        self._require_same(settings)
        return records

    def _require_same(self, settings: Mapping[str, Any]) -> None:
        names = sorted(
            name for name in settings.keys() | self._settings if settings.get(name) != self._settings.get(name)
        )
        if names:
            raise TrainingError(
                f"{self.folder} holds {len(self._read_rounds())} rounds that were learned with other settings",
                found="; ".join(f"{name} {settings.get(name)!r}, now {self._settings.get(name)!r}" for name in names),
                fix="go on with the same settings, begin anew, or choose another folder",
            )

    def _read_rounds(self) -> list[object]:
        return list(json.loads((self.folder / STATE).read_text("utf-8"))["rounds"])

    def _damaged(self, path: Path, error: Exception) -> TrainingError:
        return TrainingError(
            f"the learning in {self.folder} cannot go on",
            found=f"{path.name}: {type(error).__name__}: {error}",
            fix="begin anew, or choose another folder",
        )


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _replace_text(path: Path, text: str) -> None:
    """Write a file in one step that outlasts a loss of power."""
    new = path.with_name(path.name + ".new")
    with new.open("w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)


def _make_durable(folder: Path) -> None:
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
