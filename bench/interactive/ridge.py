"""The learner of Ross et al. 2011: actions as a linear function of a small picture, by ridge regression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save_file

from models.data import FloatArray, Observation
from models.episodes import EpisodeDataset
from models.interactive.ports import Answer, Notice, Tolerance

__all__ = ["LinearPolicy", "RidgeLearner"]

Array = npt.NDArray[np.float64]
_FILE = "linear.safetensors"


@dataclass(frozen=True)
class LinearPolicy:
    """``a = W o + b`` with pixels in [0, 1].

    Attributes:
        weights: ``(D + 1, A)``, the last row is ``b``.
    """

    weights: Array

    noise_width = 0

    def answer(self, observation: Observation, noise: FloatArray) -> Answer:
        """One product; the newest frame of every stream counts."""
        return Answer(
            (_features({key: rows[-1:] for key, rows in observation.arrays.items()}) @ self.weights)[0].astype(
                np.float32
            )
        )


@dataclass(frozen=True)
class LearnedLine:
    """See :class:`models.interactive.ports.Learned`."""

    actor: LinearPolicy
    held_out: tuple[str, ...] = ()
    report: Mapping[str, object] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write the weights."""
        folder.mkdir(parents=True)
        save_file({"weights": self.actor.weights}, folder / _FILE)


@dataclass(frozen=True)
class Sums:
    """The normal equations of some episodes: they add up, so that a frame is multiplied once and not every round.

    Attributes:
        episodes: ids, in the order in which they were added.
        gram: ``(D + 1, D + 1)`` weighted sum of the features' products.
        moment: ``(D + 1, A)`` of features and labels.
        square: ``(A,)`` of squared labels.
        weight: of all labels.
    """

    episodes: tuple[str, ...] = ()
    gram: Array | float = 0.0
    moment: Array | float = 0.0
    square: Array | float = 0.0
    weight: float = 0.0

    def plus(self, name: str, rows: Array, labels: Array, weights: Array) -> Sums:
        """With one more episode; single precision within it, double between them."""
        scaled = (rows * np.sqrt(weights)[:, None]).astype(np.float32)
        return Sums(
            (*self.episodes, name),
            self.gram + (scaled.T @ scaled).astype(np.float64),
            self.moment + rows.T @ (labels * weights[:, None]),
            self.square + weights @ labels**2,
            self.weight + float(weights.sum()),
        )


class RidgeLearner:
    """Weighted least squares with a penalty on ``W``.

    It remembers the sums of the dataset that it saw last, and goes on from them where the next one begins with the same
    episodes: so an instance is for one learning. Sums are made episode by episode either way, and equal datasets give
    equal policies.

    Args:
        penalty: of a squared weight, for each labelled frame.
    """

    def __init__(self, penalty: float = 1e-3) -> None:
        self._penalty, self._seen = penalty, Sums()

    def fit(
        self, dataset: EpisodeDataset, tolerance: Tolerance | None = None, notice: Notice | None = None
    ) -> LearnedLine:
        """Solve the normal equations."""
        sums = self._seen = self._summed(dataset)
        gram, moment = np.asarray(sums.gram), np.asarray(sums.moment)
        # The penalty is per frame, whatever frames weigh.
        diagonal = np.full(len(gram), self._penalty * sums.weight)
        diagonal[-1] = 0.0  # the offset costs nothing
        solved: Array = np.linalg.solve(gram + np.diag(diagonal), moment)
        if notice is not None:
            notice(1, 1)
        squares = sums.square - 2.0 * (solved * moment).sum(axis=0) + (solved * (gram @ solved)).sum(axis=0)
        errors = np.sqrt(np.maximum(squares, 0.0) / sums.weight)
        return LearnedLine(LinearPolicy(solved), report={"rms_error": errors.tolist()})

    def _summed(self, dataset: EpisodeDataset) -> Sums:
        ids, known = dataset.episode_ids, len(self._seen.episodes)
        sums = self._seen if ids[:known] == self._seen.episodes else Sums()
        for number in range(len(sums.episodes), len(ids)):
            ticks = np.flatnonzero((dataset.episode_index == number) & dataset.labelled)
            rows = _features({key: np.asarray(values[ticks]) for key, values in dataset.observations.items()})
            weights = np.ones(len(ticks)) if dataset.weights is None else np.asarray(dataset.weights[ticks], np.float64)
            sums = sums.plus(ids[number], rows, np.asarray(dataset.actions[ticks], np.float64), weights)
        return sums

    def load(self, folder: Path) -> LinearPolicy:
        """Read the weights."""
        return LinearPolicy(load_file(folder / _FILE)["weights"])


def _features(arrays: Mapping[str, npt.NDArray[np.generic]]) -> Array:
    """``(N, D + 1)``: pixels in [0, 1], vectors as they are, and a one."""
    parts = [
        np.asarray(rows, np.float64).reshape(len(rows), -1) / (255.0 if rows.dtype == np.uint8 else 1.0)
        for rows in arrays.values()
    ]
    return np.concatenate([*parts, np.ones((len(parts[0]), 1))], axis=1)
