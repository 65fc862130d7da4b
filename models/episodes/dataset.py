"""A dataset of episodes, ready for learners: arrays over all ticks, and stacks gathered from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.contract import Contract, Memory
from models.data import FloatArray
from models.episodes.episode import Episode
from models.episodes.robots import require_robot
from models.episodes.statistics import Statistics
from models.errors import DatasetError

__all__ = ["Batch", "EpisodeDataset"]

IndexArray = npt.NDArray[np.int64]

#: Periods between two ticks; with more, one is missing in between: a chunk's steps are one period each.
_MAX_STEP = 1.5
#: With at least this share of its ticks labelled, an episode was not labelled only where somebody chose to. Where an
#: expert drove throughout, single labels can be missing: that of the first tick, or those of a reaction time.
_THROUGHOUT = 0.9


@dataclass(frozen=True)
class Batch:
    """N ticks, contiguous in memory.

    Attributes:
        observations: stream key to ``(N, frames, …)``, oldest frame first.
        actions: ``(N, dims)`` float32, the expert's.
        executed: ``(N, dims)`` float32, NaN where nothing was commanded.
        driver: ``(N,)`` uint8.
    """

    observations: Mapping[str, npt.NDArray[np.generic]]
    actions: FloatArray
    executed: FloatArray
    driver: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class EpisodeDataset:
    """Arrays over the T ticks of all episodes, one after the other; read-only, mapped from disk.

    Attributes:
        path: its folder.
        contract: the contract of every episode in it.
        hash: hex SHA-256 of the contract's hash and of every array; equal iff these are equal.
        episode_ids: by number.
        lengths: ticks of each episode.
        metas: free words about each episode.
        stamps_ns: ``(T,)`` int64.
        observations: stream key to ``(T, height, width, channels)`` uint8 or ``(T, dims)`` float32, newest frames only.
        actions: ``(T, dims)`` float32 labels in SI units.
        executed: ``(T, dims)`` float32 commands; NaN where there was none.
        driver: ``(T,)`` uint8: 0 expert, 1 policy, 2 halt.
        starts_memory: ``(T,)`` bool.
        statistics: stream key and ``action`` to mean, std, minimum and maximum.
        weights: ``(T,)`` float32, how much each label counts, as in :class:`Episode`; ``None`` for all the same.
    """

    path: Path
    contract: Contract
    hash: str
    episode_ids: tuple[str, ...]
    lengths: tuple[int, ...]
    metas: tuple[Mapping[str, str], ...]
    stamps_ns: IndexArray
    observations: Mapping[str, npt.NDArray[np.generic]]
    actions: FloatArray
    executed: FloatArray
    driver: npt.NDArray[np.uint8]
    starts_memory: npt.NDArray[np.bool_]
    statistics: Mapping[str, Statistics] = field(default_factory=dict)
    weights: FloatArray | None = None

    def __len__(self) -> int:
        """T."""
        return len(self.stamps_ns)

    @cached_property
    def episode_index(self) -> IndexArray:
        """``(T,)`` number of each tick's episode."""
        return np.repeat(np.arange(len(self.lengths), dtype=np.int64), self.lengths)

    @cached_property
    def labelled(self) -> npt.NDArray[np.bool_]:
        """``(T,)`` whether somebody said what was to be done there."""
        if self.weights is None:
            return np.ones(len(self), np.bool_)
        given: npt.NDArray[np.bool_] = self.weights > 0.0
        return given

    @cached_property
    def labelled_throughout(self) -> npt.NDArray[np.bool_]:
        """``(E,)`` episodes whose labels are on (nearly) every tick, not on some that somebody, or a rule, picked."""
        counts = np.bincount(self.episode_index[self.labelled], minlength=len(self.lengths))
        throughout: npt.NDArray[np.bool_] = counts >= _THROUGHOUT * np.array(self.lengths)
        return throughout

    @cached_property
    def segment_start(self) -> IndexArray:
        """``(T,)`` the tick at which the memory of each tick began."""
        positions = np.arange(len(self), dtype=np.int64)
        return np.maximum.accumulate(np.where(self.starts_memory, positions, 0))

    @cached_property
    def begins_stretch(self) -> npt.NDArray[np.bool_]:
        """``(T,)`` ticks that do not follow the one before them: memory starts anew, or a tick is missing between."""
        begins = self.starts_memory.copy()
        begins[1:] |= np.diff(self.stamps_ns) > _MAX_STEP * self.contract.period_s * 1e9
        return begins

    @cached_property
    def stretch_end(self) -> IndexArray:
        """``(T,)`` the last tick of each tick's stretch without a reset of memory and without a tick left out."""
        starts = np.append(np.flatnonzero(self.begins_stretch), len(self))
        return np.repeat(starts[1:] - 1, np.diff(starts)).astype(np.int64)

    @property
    def streams(self) -> tuple[str, ...]:
        """The contract's streams, in its order: what a policy sees. More may have been recorded."""
        return tuple(stream.key for stream in self.contract.observations)

    def for_robot(self, contract: Contract) -> EpisodeDataset:
        """The same episodes for a robot that has fewer streams than were recorded, other limits, or another memory.

        Args:
            contract: the robot's. Its streams and actions must be among the recorded ones, and mean the same.

        Raises:
            DatasetError: what was recorded is not what this robot sees and does.
        """
        require_robot(self.contract, contract, tuple(self.observations), f"the dataset {self.path.name} was")
        return replace(self, contract=contract)

    def stack_index(self, memory: Memory | None = None) -> IndexArray:
        """``(T, frames)`` ticks whose frames make each tick's stack, oldest first.

        Args:
            memory: the contract's when not given.
        """
        return self._stack_rows(np.arange(len(self), dtype=np.int64), memory)

    def stack(
        self,
        indices: Sequence[int] | IndexArray,
        memory: Memory | None = None,
        keys: Sequence[str] | None = None,
    ) -> dict[str, npt.NDArray[np.generic]]:
        """Stream key to new contiguous ``(N, frames, …)``: byte for byte what the live assembler gave.

        Args:
            indices: ``(N,)`` ticks.
            memory: the contract's when not given.
            keys: the contract's streams when not given.
        """
        rows = self._stack_rows(np.asarray(indices, np.int64), memory)
        return {key: self.observations[key][rows] for key in (self.streams if keys is None else keys)}

    def _stack_rows(self, indices: IndexArray, memory: Memory | None) -> IndexArray:
        memory = memory or self.contract.memory
        back = np.arange(memory.frames - 1, -1, -1, dtype=np.int64) * memory.stride
        rows: IndexArray = np.maximum(indices[:, None] - back, self.segment_start[indices][:, None])
        return rows

    def later_index(self, length: int) -> tuple[IndexArray, npt.NDArray[np.bool_]]:
        """Ticks that follow each tick, for learning chunks of actions.

        Args:
            length: ticks, the tick itself included.

        Returns:
            ``(T, length)`` ticks, and whether each still belongs to the same stretch without a reset of memory and
            without a tick left out, however few; where it does not, the stretch's last tick stands.
        """
        last = self.stretch_end
        later = np.arange(len(self), dtype=np.int64)[:, None] + np.arange(length, dtype=np.int64)
        return np.minimum(later, last[:, None]), later <= last[:, None]

    def gather(self, indices: Sequence[int] | IndexArray, memory: Memory | None = None) -> Batch:
        """The ticks ``indices``, as one batch."""
        rows = np.asarray(indices, np.int64)
        return Batch(self.stack(rows, memory), self.actions[rows], self.executed[rows], self.driver[rows])

    def batches(self, indices: Sequence[int] | IndexArray, size: int, seed: int | None = None) -> Iterator[Batch]:
        """The ticks ``indices`` once, in batches of ``size`` (the last one may be smaller).

        Args:
            indices: for example one half of :meth:`split`.
            size: N.
            seed: shuffles; None keeps the order.
        """
        order = np.asarray(indices, np.int64)
        if seed is not None:
            order = np.random.default_rng(seed).permutation(order)
        for start in range(0, len(order), size):
            yield self.gather(order[start : start + size])

    def split(self, fraction: float, seed: int) -> tuple[IndexArray, IndexArray]:
        """Ticks to train on and ticks held out, never both of one episode: neighbours in time are near-copies.

        Episodes without a single label are never held out, since nothing could be compared there. Of episodes that were
        labelled throughout and of those that were not, equal shares are held out where there are two of each: what
        somebody picked does not tell what a robot sees. As more of the latter are added, those held out of the former
        stay the same.

        Args:
            fraction: share of the labelled episodes to hold out; at least one stays on either side.
            seed: which.

        Raises:
            DatasetError: fewer than two labelled episodes, or a fraction that is none.
        """
        candidates = np.unique(self.episode_index[self.labelled])
        count = len(candidates)
        if count < 2 or not 0 < fraction < 1:
            raise DatasetError(
                "this dataset cannot be split by episode",
                found=f"{count} episode{'' if count == 1 else 's'}, fraction {fraction}",
                expected="at least two episodes, and a fraction between 0 and 1",
                fix="record at least two episodes: one is held out, to see what was learned" if count < 2 else "",
            )
        throughout = self.labelled_throughout[candidates]
        kinds = [candidates[throughout], candidates[~throughout]]
        if min(len(kind) for kind in kinds) < 2:
            kinds = [candidates]
        random = np.random.default_rng(seed)
        chosen = [random.permutation(kind)[: min(max(1, round(len(kind) * fraction)), len(kind) - 1)] for kind in kinds]
        mask = np.isin(self.episode_index, np.concatenate(chosen))
        return np.flatnonzero(~mask).astype(np.int64), np.flatnonzero(mask).astype(np.int64)

    def episode(self, number: int) -> Episode:
        """One episode, as views of the dataset's arrays."""
        end = int(np.sum(self.lengths[: number + 1]))
        rows = slice(end - self.lengths[number], end)
        return Episode(
            episode_id=self.episode_ids[number],
            stamps_ns=self.stamps_ns[rows],
            observations={key: array[rows] for key, array in self.observations.items()},
            actions=self.actions[rows],
            executed=self.executed[rows],
            driver=self.driver[rows],
            starts_memory=self.starts_memory[rows],
            meta=self.metas[number],
            weights=None if self.weights is None else self.weights[rows],
        )
