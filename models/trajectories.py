"""What an expert showed where states are vectors: observations, with the actions between them or without.

Arrays only, so that learners of ``models`` and worlds of ``sim`` can hand them to each other.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from models.data import FloatArray
from models.errors import DatasetError

__all__ = ["Trajectories"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Episodes of any lengths, one after the other.

    Attributes:
        observations: ``(Σ (T_i + 1), O)`` float32; an episode's last one is where it ended.
        lengths: ``(N,)`` steps T_i of each episode.
        terminated: ``(N,)``, whether the episode came to its end, and was not cut off.
        actions: ``(Σ T_i,)`` integers or ``(Σ T_i, A)`` floats; None where nobody recorded them.
        returns: ``(N,)``, the true return of each, to judge learners by and not for them to see.
    """

    observations: FloatArray
    lengths: npt.NDArray[np.int64]
    terminated: npt.NDArray[np.bool_]
    actions: Array | None
    returns: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        """Reject shapes that do not fit.

        Raises:
            DatasetError: not at least one episode of at least one step, or arrays of different numbers of them.
        """
        episodes = len(self.lengths)
        steps = int(self.lengths.sum())
        fits = episodes >= 1 and bool((self.lengths >= 1).all()) and self.observations.ndim == 2
        fits = fits and len(self.observations) == steps + episodes
        fits = fits and self.terminated.shape == self.returns.shape == (episodes,)
        if not fits or (self.actions is not None and len(self.actions) != steps):
            actions = "no actions" if self.actions is None else f"actions {self.actions.shape}"
            raise DatasetError(
                "episodes that do not fit together",
                found=f"{episodes} episodes of {steps} steps, observations {self.observations.shape}, {actions}",
                expected="one observation more than steps in each episode, one action a step, or none at all",
            )

    @property
    def count(self) -> int:
        """Episodes, N."""
        return len(self.lengths)

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """``(N,)``, the row of each episode's first observation."""
        return np.concatenate([[0], np.cumsum(self.lengths + 1)[:-1]])

    @property
    def pairs(self) -> tuple[FloatArray, FloatArray]:
        """Every observation and the next one of the same episode, ``(Σ T_i, O)`` each."""
        last = np.zeros(len(self.observations), np.bool_)
        last[self.starts + self.lengths] = True
        first = np.zeros(len(self.observations), np.bool_)
        first[self.starts] = True
        return self.observations[~last], self.observations[~first]

    @property
    def episodes(self) -> list[FloatArray]:
        """Observations of each episode, ``(T_i + 1, O)``."""
        return np.split(self.observations, self.starts[1:])

    def only(self, chosen: Sequence[int]) -> Trajectories:
        """Some of the episodes, in that order."""
        steps = np.concatenate([[0], np.cumsum(self.lengths)])
        kept = list(chosen)
        actions = None
        if self.actions is not None:
            actions = np.concatenate([self.actions[steps[index] : steps[index + 1]] for index in kept])
        rows = self.episodes
        observations = np.concatenate([rows[index] for index in kept])
        return Trajectories(observations, self.lengths[kept], self.terminated[kept], actions, self.returns[kept])

    def without_actions(self) -> Trajectories:
        """What a bystander saw."""
        return Trajectories(self.observations, self.lengths, self.terminated, None, self.returns)

    def at_horizon(self, horizon: int) -> FloatArray:
        """``(N, horizon + 1, O)``: whoever ended sooner stays where it ended, as absorbing worlds do."""
        padded = np.empty((self.count, horizon + 1, self.observations.shape[1]), np.float32)
        for row, episode in zip(padded, self.episodes, strict=True):
            kept = episode[: horizon + 1]
            row[: len(kept)], row[len(kept) :] = kept, kept[-1]
        return padded

    def save(self, path: Path) -> None:
        """Write a ``.npz`` file that :meth:`load` reads; equal trajectories give equal bytes of every array."""
        arrays: dict[str, Array] = {
            "observations": self.observations,
            "lengths": self.lengths,
            "terminated": self.terminated,
            "returns": self.returns,
        }
        if self.actions is not None:
            arrays["actions"] = self.actions
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)  # type: ignore[arg-type]  # its stubs want a flag among the arrays
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.part")
        beside.write_bytes(content.getvalue())
        os.replace(beside, path)

    @classmethod
    def load(cls, path: Path) -> Trajectories:
        """Read what :meth:`save` wrote.

        Raises:
            DatasetError: there is no such file, or something else is in it.
        """
        try:
            with np.load(path, allow_pickle=False) as found:
                arrays = {name: found[name] for name in found.files}
            actions = arrays.get("actions")
            return cls(
                np.asarray(arrays["observations"], np.float32),
                np.asarray(arrays["lengths"], np.int64),
                np.asarray(arrays["terminated"], np.bool_),
                actions,
                np.asarray(arrays["returns"], np.float64),
            )
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as problem:
            raise DatasetError(
                f"{path} holds no trajectories",
                found=f"{type(problem).__name__}: {problem}",
                expected="an .npz with observations, lengths, terminated, returns, and actions where they are known",
            ) from problem

    @classmethod
    def joined(cls, parts: Iterable[Trajectories]) -> Trajectories:
        """All episodes of several."""
        listed = list(parts)
        known = [part.actions for part in listed if part.actions is not None]
        return cls(
            np.concatenate([part.observations for part in listed]),
            np.concatenate([part.lengths for part in listed]),
            np.concatenate([part.terminated for part in listed]),
            np.concatenate(known) if len(known) == len(listed) else None,
            np.concatenate([part.returns for part in listed]),
        )
