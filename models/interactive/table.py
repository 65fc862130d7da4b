"""A learner for a handful of distinct observations: what the expert did there most often."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.data import FloatArray, Observation
from models.episodes import EpisodeDataset
from models.errors import TrainingError
from models.interactive.ports import Answer, Notice, Tolerance

__all__ = ["LearnedTable", "Table", "TableLearner"]

_FILE = "table.json"


@dataclass(frozen=True)
class Table:
    """A policy that looks observations up.

    Attributes:
        rows: observation, written out, to the action and how often somebody did otherwise there, in [0, 1].
        default: the action where nothing was seen.
    """

    rows: Mapping[str, tuple[tuple[float, ...], float]]
    default: tuple[float, ...]

    noise_width = 0

    def answer(self, observation: Observation, noise: FloatArray) -> Answer:
        """The entry; unsafe as often as labels disagreed, and certainly where nothing was seen."""
        key = _key({name: rows[-1] for name, rows in observation.arrays.items()})
        action, unsafe = self.rows.get(key, (self.default, 1.0))
        return Answer(np.array(action, np.float32), unsafe)


@dataclass(frozen=True)
class LearnedTable:
    """See :class:`models.interactive.ports.Learned`."""

    actor: Table
    held_out: tuple[str, ...]
    report: Mapping[str, object]

    def save(self, folder: Path) -> None:
        """Write ``table.json``."""
        folder.mkdir(parents=True)
        content = {"rows": dict(self.actor.rows), "default": self.actor.default}
        (folder / _FILE).write_text(json.dumps(content), encoding="utf-8")


@dataclass(frozen=True)
class TableLearner:
    """Counts labels by observation; the action with most weight wins, the smallest one where two tie.

    Attributes:
        held_out: of the labelled episodes, how many of the last ones are left out.
    """

    held_out: int = 0

    def fit(
        self, dataset: EpisodeDataset, tolerance: Tolerance | None = None, notice: Notice | None = None
    ) -> LearnedTable:
        """Count. Raises ``TrainingError`` without a label."""
        labelled = np.unique(dataset.episode_index[dataset.labelled]).tolist()
        left_out = labelled[len(labelled) - min(self.held_out, len(labelled) - 1) :]
        ticks = np.flatnonzero(dataset.labelled & ~np.isin(dataset.episode_index, left_out))
        if not len(ticks):
            raise TrainingError("there is nothing to learn from", found="no labelled ticks")
        weights = np.ones(len(dataset), np.float32) if dataset.weights is None else dataset.weights
        votes: dict[str, dict[tuple[float, ...], float]] = defaultdict(lambda: defaultdict(float))
        everywhere: dict[tuple[float, ...], float] = defaultdict(float)
        for tick in ticks.tolist():
            label, weight = tuple(dataset.actions[tick].tolist()), float(weights[tick])
            votes[_key({key: rows[tick] for key, rows in dataset.observations.items()})][label] += weight
            everywhere[label] += weight
        rows = {key: _winner(found) for key, found in votes.items()}
        if notice is not None:
            notice(1, 1)
        table = Table(rows, _winner(everywhere)[0])
        return LearnedTable(table, tuple(dataset.episode_ids[number] for number in left_out), {"rows": len(rows)})

    def load(self, folder: Path) -> Table:
        """Read ``table.json``; raises ``TrainingError`` when it is missing or damaged."""
        try:
            content = json.loads((folder / _FILE).read_text("utf-8"))
            rows = {str(key): (tuple(action), float(unsafe)) for key, (action, unsafe) in content["rows"].items()}
            return Table(rows, tuple(content["default"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"no usable table in {folder}", found=f"{type(error).__name__}: {error}") from error


def _key(observation: Mapping[str, object]) -> str:
    return json.dumps({key: np.asarray(value).tolist() for key, value in sorted(observation.items())})


def _winner(votes: Mapping[tuple[float, ...], float]) -> tuple[tuple[float, ...], float]:
    """The action with most weight, and the share of the others."""
    best = min(votes, key=lambda action: (-votes[action], action))
    return best, 1.0 - votes[best] / sum(votes.values())
