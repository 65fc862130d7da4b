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
from models.interactive.ports import Answer, Notice

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
class RidgeLearner:
    """Weighted least squares with a penalty on ``W``.

    Attributes:
        penalty: of a squared weight, for each labelled frame.
    """

    penalty: float = 1e-3

    def fit(self, dataset: EpisodeDataset, tau: float | None = None, notice: Notice | None = None) -> LearnedLine:
        """Solve the normal equations."""
        ticks = np.flatnonzero(dataset.labelled)
        rows = _features({key: np.asarray(values[ticks]) for key, values in dataset.observations.items()})
        targets = np.asarray(dataset.actions[ticks], np.float64)
        weights = np.ones(len(ticks)) if dataset.weights is None else np.asarray(dataset.weights[ticks], np.float64)
        weighed = rows * (weights / weights.mean())[:, None]
        gram = weighed.T @ rows
        diagonal = np.full(len(gram), self.penalty * len(ticks))
        diagonal[-1] = 0.0  # the offset costs nothing
        solved: Array = np.linalg.solve(gram + np.diag(diagonal), weighed.T @ targets)
        if notice is not None:
            notice(1, 1)
        errors = rows @ solved - targets
        return LearnedLine(LinearPolicy(solved), report={"rms_error": np.sqrt(np.mean(errors**2, axis=0)).tolist()})

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
