"""Datasets on disk: a folder of ``.npy`` arrays and a ``dataset.json``, written in one step, mapped when opened."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.contract import Contract, parse_contract
from models.episodes.dataset import EpisodeDataset
from models.episodes.episode import Episode
from models.episodes.rows import RowFile, digest_of_rows, map_rows
from models.episodes.statistics import Histogram, Statistics, vector_statistics
from models.errors import DatasetError

__all__ = ["open_dataset", "write_dataset"]

INDEX = "dataset.json"
FORMAT = "understudy-dataset-1"
_KEY = re.compile(r"[A-Za-z0-9][\w.-]*")
#: Arrays besides the observations, by file name.
_ARRAYS = ("stamps_ns", "action", "executed", "driver", "starts_memory", "weights")


def write_dataset(
    path: Path | str, episodes: Iterable[Episode], contract: Contract, *, overwrite: bool = False
) -> EpisodeDataset:
    """Write episodes as they come, so that only one needs to fit into memory, and open the result.

    The folder appears under its name when it is complete; an interrupted call leaves nothing that looks like a dataset.

    Args:
        path: the dataset's folder.
        episodes: all with the contract's streams and action dimensions, and with ids of their own.
        contract: theirs.
        overwrite: replace a dataset that is there. Nothing else is ever replaced.

    Raises:
        DatasetError: no episodes, episodes that do not fit, a path that is taken, or a full disk.
    """
    path = Path(path)
    _require_free(path, overwrite)
    writing = path.with_name(f".{path.name}.writing-{os.getpid()}")
    try:
        writing.mkdir(parents=True)
        _Writer(writing, contract).write(episodes)
        replaced = path.with_name(f".{path.name}.replaced-{os.getpid()}")
        if path.exists():
            path.rename(replaced)
        writing.rename(path)
        shutil.rmtree(replaced, ignore_errors=True)
    except OSError as error:
        raise DatasetError(
            f"the dataset {path} cannot be written", found=str(error), expected="room on the disk"
        ) from error
    finally:
        shutil.rmtree(writing, ignore_errors=True)
    return open_dataset(path, verify=False)


def _require_free(path: Path, overwrite: bool) -> None:
    if not path.exists():
        return
    is_dataset = (path / INDEX).is_file()
    if overwrite and is_dataset:
        return
    raise DatasetError(
        f"{path} exists already",
        found="a dataset" if is_dataset else "something that is not a dataset",
        fix="choose another path" + (", or ask for it to be overwritten" if is_dataset else ""),
    )


class _Writer:
    """Appends episodes to the files of one new folder."""

    def __init__(self, folder: Path, contract: Contract) -> None:
        self._folder = folder
        self._contract = contract
        self._keys = tuple(stream.key for stream in contract.observations)
        self._files: dict[str, RowFile] = {}
        self._histograms: dict[str, Histogram] = {}
        self._episodes: list[dict[str, Any]] = []
        self._weighted = False

    def write(self, episodes: Iterable[Episode]) -> None:
        try:
            for episode in episodes:
                self._check(episode)
                self._append(episode)
            if not self._episodes:
                raise DatasetError("there is nothing to write", found="no episodes", expected="at least one episode")
        finally:
            arrays = {name: file.close() for name, file in self._files.items()}
        content = {
            "format": FORMAT,
            "contract": self._contract.text,
            "contract_hash": self._contract.hash,
            "episodes": self._episodes,
            "arrays": arrays,
            "statistics": {name: statistics.to_lists() for name, statistics in self._statistics().items()},
        }
        content["hash"] = _content_hash(content)
        content["checksum"] = _checksum(content)
        text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False)
        with (self._folder / INDEX).open("w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _check(self, episode: Episode) -> None:
        expected = (set(self._keys), len(self._contract.action_names))
        found = (set(episode.observations), episode.actions.shape[1])
        if found != expected:
            raise DatasetError(
                f"episode {episode.episode_id!r} is not of this contract",
                found=f"streams {', '.join(sorted(found[0]))}; {found[1]} action dimensions",
                expected=f"streams {', '.join(sorted(expected[0]))}; {expected[1]} action dimensions",
            )
        if any(entry["id"] == episode.episode_id for entry in self._episodes):
            raise DatasetError(f"two episodes are called {episode.episode_id!r}", fix="leave one of them out")
        weighted = episode.weights is not None
        if self._episodes and weighted != self._weighted:
            raise DatasetError(
                f"episode {episode.episode_id!r}: either all episodes of a dataset have weights, or none",
                found="weights" if weighted else "no weights",
            )
        self._weighted = weighted

    def _append(self, episode: Episode) -> None:
        arrays: dict[str, npt.NDArray[np.generic]] = {
            **episode.observations,
            "stamps_ns": episode.stamps_ns,
            "action": episode.actions,
            "executed": episode.executed,
            "driver": episode.driver,
            "starts_memory": episode.starts_memory,
        }
        if episode.weights is not None:
            arrays["weights"] = episode.weights
        for name, rows in arrays.items():
            if name not in self._files:
                self._files[name] = RowFile(self._folder / _file_name(name), rows.dtype, rows.shape[1:])
            expected = self._files[name].row_shape
            if rows.shape[1:] != expected:
                raise DatasetError(
                    f"episode {episode.episode_id!r}: {name} has another shape than before",
                    found=str(rows.shape[1:]),
                    expected=str(expected),
                )
            self._files[name].append(rows)
            if rows.ndim == 4:
                self._histograms.setdefault(name, Histogram(rows.shape[3])).add(rows.astype(np.uint8, copy=False))
        self._episodes.append({"id": episode.episode_id, "rows": len(episode), "meta": dict(episode.meta)})

    def _statistics(self) -> dict[str, Statistics]:
        found = {key: histogram.statistics() for key, histogram in self._histograms.items()}
        for name in (*self._keys, "action"):
            if name not in found:
                rows = np.load(self._folder / _file_name(name), mmap_mode="r")
                found[name] = vector_statistics(self._labelled(rows) if name == "action" else rows)
        return found

    def _labelled(self, actions: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Those that somebody gave, as far as there are any; in place of others stands what was executed."""
        if not self._weighted:
            return actions
        given = np.load(self._folder / _file_name("weights"), mmap_mode="r") > 0.0
        return actions[given] if given.any() else actions


def _file_name(name: str) -> str:
    if not _KEY.fullmatch(name):
        raise DatasetError("a stream's key cannot be a file name", found=repr(name), expected="letters, digits and ._-")
    return f"{name}.npy"


def _content_hash(content: Mapping[str, Any]) -> str:
    """Of what a learner sees: the contract, the arrays, and which ticks belong to which episode."""
    seen = {
        "format": content["format"],
        "contract_hash": content["contract_hash"],
        "episodes": [[entry["id"], entry["rows"]] for entry in content["episodes"]],
        "arrays": content["arrays"],
    }
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()


def _checksum(content: Mapping[str, Any]) -> str:
    """Of everything in the index, so that no flipped bit in it goes unnoticed."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def open_dataset(path: Path | str, *, verify: bool = True) -> EpisodeDataset:
    """Map a dataset into memory.

    Args:
        path: its folder.
        verify: read every array once and compare it with its checksum (about a second for each gigabyte).

    Raises:
        DatasetError: no dataset, one of another format, or arrays that are not what was written.
    """
    path = Path(path)
    content = _read_index(path)
    try:
        arrays = {
            name: map_rows(path / _file_name(name), record["dtype"], record["shape"])
            for name, record in content["arrays"].items()
        }
        for name, record in content["arrays"].items():
            if verify and digest_of_rows(arrays[name]) != record["sha256"]:
                raise _damaged(path, f"{_file_name(name)} does not match its checksum")
        lengths = tuple(int(entry["rows"]) for entry in content["episodes"])
        if any(len(rows) != sum(lengths) for rows in arrays.values()):
            raise _damaged(path, f"arrays do not have {sum(lengths)} rows, which its episodes have together")
        return EpisodeDataset(
            path=path,
            contract=parse_contract(content["contract"], f"contract of dataset {path.name}"),
            hash=content["hash"],
            episode_ids=tuple(entry["id"] for entry in content["episodes"]),
            lengths=lengths,
            metas=tuple(entry["meta"] for entry in content["episodes"]),
            stamps_ns=arrays["stamps_ns"],
            observations={name: rows for name, rows in arrays.items() if name not in _ARRAYS},
            actions=arrays["action"],
            executed=arrays["executed"],
            driver=arrays["driver"],
            starts_memory=arrays["starts_memory"],
            statistics={key: Statistics.from_lists(lists) for key, lists in content["statistics"].items()},
            weights=arrays.get("weights"),
        )
    except (OSError, EOFError, KeyError, TypeError, ValueError) as error:  # NumPy calls an empty file an EOFError
        raise _damaged(path, f"{type(error).__name__}: {error}") from error


def _read_index(path: Path) -> Any:
    if not (path / INDEX).is_file():
        raise DatasetError(
            f"there is no dataset {path}",
            found="a folder without " + INDEX if path.is_dir() else "no folder",
            fix="build it from recordings first",
        )
    try:
        content = json.loads((path / INDEX).read_text("utf-8"))
        if content["format"] != FORMAT:
            raise DatasetError(f"dataset {path} is of another format", found=content["format"], expected=FORMAT)
        if content.pop("checksum") != _checksum(content):
            raise ValueError(f"{INDEX} does not match its checksum")
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error
    return content


def _damaged(path: Path, found: str) -> DatasetError:
    return DatasetError(f"dataset {path} is damaged", found=found, fix="build it again from its recordings")
