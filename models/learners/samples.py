"""A dataset as tensors, the way a learner reads it again and again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.augment import Augmentation, Examples, recorded_examples
from models.contract import Memory
from models.episodes import EpisodeDataset
from models.policies import Policy

__all__ = ["TrainingSamples", "in_batches"]

# Frames prepared at once: bounds the memory of the intermediate float images.
PREPARE_BATCH = 512


class TrainingSamples:
    """Every frame of a dataset, as inputs and targets of one policy.

    What ``Policy.prepare`` does to a frame never changes during training, so it is done once and kept in memory when
    that fits; otherwise it is repeated for every batch from the memory-mapped files. Both give the same numbers.

    Args:
        dataset: the episodes.
        policy: its normalisation and its chunk length are used, never its weights.
        memory: the contract's.
        preload_bytes: the most that prepared frames may take in memory.
        augmentation: what training examples are changed by, anew each time they are drawn; torch's generator seeds it.

    Attributes:
        episodes: ``(T,)`` the number of the episode of each frame.
        reach: ticks that a stack goes back behind its newest frame.
        targets: ``(T, chunk, A)`` expert actions in normalised units; step ``i`` is that of ``i`` ticks later.
        valid: ``(T, chunk)`` 1 where that tick still belongs to the same stretch of the same episode and has a label,
            else 0.
        labelled: ``(T,)`` whether somebody said what was to be done there.
        throughout: ``(T,)`` whether (nearly) its whole episode was labelled, and not what somebody picked of it.
        weights: ``(T,)`` how much a tick counts; 0 for one without a label.
        begins: ``(T,)`` ticks that do not follow the one before them.
        previous: ``(T, A)`` the expert's action one tick earlier in normalised units; 0 where nothing came before.
        preloaded: whether prepared frames are kept in memory.
    """

    def __init__(
        self,
        dataset: EpisodeDataset,
        policy: Policy,
        memory: Memory,
        preload_bytes: int,
        augmentation: Augmentation | None = None,
    ) -> None:
        self._dataset, self._policy, self._memory = dataset, policy, memory
        self.reach = (memory.frames - 1) * memory.stride
        self.episodes: npt.NDArray[np.int64] = dataset.episode_index
        self.targets, self.valid = _chunks(dataset, policy)
        self.labelled: npt.NDArray[np.bool_] = dataset.labelled
        self.throughout: npt.NDArray[np.bool_] = dataset.labelled_throughout[dataset.episode_index]
        self.weights = torch.from_numpy(
            np.ones(len(dataset), np.float32) if dataset.weights is None else np.array(dataset.weights)
        )
        self.begins: npt.NDArray[np.bool_] = dataset.begins_stretch
        self.previous = _previous(self.targets[:, 0], self.begins)
        self._augmentation = augmentation
        if augmentation is not None:
            self._random = np.random.default_rng(int(torch.randint(2**31, ())))
        self._prepared: dict[str, Tensor] | None = None
        if _prepared_bytes(dataset, policy) <= preload_bytes:
            self._prepared = _prepare_all(dataset, policy)
            self._stack_index = torch.from_numpy(dataset.stack_index(memory))

    def __len__(self) -> int:
        """T."""
        return len(self.episodes)

    @property
    def preloaded(self) -> bool:
        """Whether prepared frames are kept in memory."""
        return self._prepared is not None

    @property
    def is_augmented(self) -> bool:
        """Whether examples are drawn anew each time."""
        return self._augmentation is not None

    @property
    def is_weighted(self) -> bool:
        """Whether some labels count more than others; one that is missing counts as none."""
        given = self.weights[torch.from_numpy(self.labelled)]
        return bool((given != given[:1]).any())

    def inputs(self, indices: Tensor) -> dict[str, Tensor]:
        """Prepared stacks of the frames ``indices (N,)``: stream key to ``(N, frames, C, ...)``."""
        if self._prepared is not None:
            stacks = self._stack_index[indices]
            return {key: frames[stacks] for key, frames in self._prepared.items()}
        raw = self._dataset.stack(indices.numpy(), self._memory)
        return self._policy.prepare({key: torch.from_numpy(rows) for key, rows in raw.items()})

    def draw(self, indices: Tensor, training: bool = True) -> tuple[dict[str, Tensor], Tensor]:
        """Inputs and targets of the frames ``indices (N,)``, augmented if that was asked for.

        In training every call draws anew. Otherwise equal frames give equal examples, so that epochs can be compared.
        """
        if self._augmentation is None:
            return self.inputs(indices), self.targets[indices]
        random = self._random if training else np.random.default_rng(int(indices[0]))
        examples = self._augmented(self._augmentation, indices, random)
        inputs = self._policy.prepare({key: torch.from_numpy(rows) for key, rows in examples.observations.items()})
        return inputs, self._normalised(examples)

    def drawn_targets(self, indices: Tensor, seed: int) -> Tensor:
        """Targets of the frames ``indices (N,)`` as training may draw them, such as for the range that bins cover."""
        if self._augmentation is None:
            return self.targets[indices]
        random = np.random.default_rng(seed)
        parts = in_batches(indices, PREPARE_BATCH)
        return torch.cat([self._normalised(self._augmented(self._augmentation, part, random)) for part in parts])

    def _augmented(self, augmentation: Augmentation, indices: Tensor, random: np.random.Generator) -> Examples:
        recorded = recorded_examples(
            self._dataset,
            indices.numpy(),
            memory=self._memory,
            chunk=self.targets.shape[1],
            reads=augmentation.reads,
        )
        return augmentation(recorded, random)

    def _normalised(self, examples: Examples) -> Tensor:
        targets: Tensor = self._policy.action_normalizer(torch.from_numpy(examples.actions))
        return targets


def in_batches(indices: Tensor, size: int) -> Iterator[Tensor]:
    """``indices (N,)`` in pieces of ``size``; the last one may be smaller."""
    for start in range(0, len(indices), size):
        yield indices[start : start + size]


def _chunks(dataset: EpisodeDataset, policy: Policy) -> tuple[Tensor, Tensor]:
    later, valid = dataset.later_index(policy.specification.config.chunk)
    targets: Tensor = policy.action_normalizer(torch.from_numpy(np.array(dataset.actions)[later]))
    return targets, torch.from_numpy((valid & dataset.labelled[later]).astype(np.float32))


def _previous(actions: Tensor, begins: npt.NDArray[np.bool_]) -> Tensor:
    previous = actions.roll(1, dims=0)
    previous[torch.from_numpy(begins)] = 0.0
    return previous


def _prepared_bytes(dataset: EpisodeDataset, policy: Policy) -> int:
    total = 0
    for stream, _ in policy.inputs():
        one = policy.prepare_stream(
            stream.key, torch.from_numpy(np.array(dataset.observations[stream.key][:1])[:, None])
        )
        total += one.numel() * one.element_size() * len(dataset)
    return total


def _prepare_all(dataset: EpisodeDataset, policy: Policy) -> dict[str, Tensor]:
    """Each stream's frames, prepared one by one: ``(T, C, ...)``."""
    found: dict[str, Tensor] = {}
    for stream, _ in policy.inputs():
        rows = dataset.observations[stream.key]
        parts = [
            policy.prepare_stream(stream.key, torch.from_numpy(np.array(rows[start : start + PREPARE_BATCH])[:, None]))
            for start in range(0, len(rows), PREPARE_BATCH)
        ]
        found[stream.key] = torch.cat(parts)[:, 0]
    return found
