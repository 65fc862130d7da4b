"""What a learner is shown, piece by piece: frames in any order, or sequences through which a state goes on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.augment import vary_light
from models.learners.lanes import lay_lanes
from models.learners.samples import TrainingSamples, in_batches
from models.policies import Policy

__all__ = ["Lesson", "Lessons"]


@dataclass(frozen=True, slots=True)
class Lesson:
    """N frames of which the policy made features.

    Attributes:
        features: ``(N, width)``, with the graph of their gradients.
        ticks: ``(N,)`` which of the dataset's frames they are of.
        targets: ``(N, chunk, A)`` what is to be done there, in normalised units.
    """

    features: Tensor
    ticks: Tensor
    targets: Tensor


@dataclass(frozen=True)
class Lessons:
    """Some of a dataset's frames, as often as a learner asks for them.

    A policy with a stack sees frames one by one; a recurrent one sees whole stretches between two starts of memory,
    many side by side, in pieces of ``sequence`` ticks: gradients end at a piece's beginning, the state goes on
    (truncated backpropagation through time).

    Attributes:
        policy: whose features.
        samples: the dataset.
        ticks: ``(M,)`` the frames, in order; whole stretches where the policy is recurrent.
        size: frames a lesson.
        sequence: ticks that gradients reach back.
    """

    policy: Policy
    samples: TrainingSamples
    ticks: Tensor
    size: int
    sequence: int

    @property
    def lanes(self) -> int:
        """Stretches side by side."""
        return max(1, self.size // self.sequence)

    @property
    def count(self) -> int:
        """Lessons in one pass."""
        if not self.policy.is_recurrent:
            return math.ceil(len(self.ticks) / self.size)
        laid = lay_lanes(self.ticks.numpy(), self.samples.begins, self.lanes)
        return math.ceil(int(laid.shape[1]) / self.sequence)

    def in_order(self) -> Iterator[Lesson]:
        """Every frame once, as the robot would see it: nothing disturbed, and its own previous actions."""
        if self.policy.is_recurrent:
            return self._stretches(None, 0.0, 0.0)
        return (self._lesson(part, self.samples.inputs(part)) for part in in_batches(self.ticks, self.size))

    def augmented(self) -> Iterator[Lesson]:
        """Every frame once and in order, augmented as in training but in the same way each time."""
        if self.policy.is_recurrent:
            return self.in_order()
        batches = in_batches(self.ticks, self.size)
        return (self._lesson(part, *self.samples.draw(part, training=False)) for part in batches)

    def shuffled(self, light: float, alpha: float) -> Iterator[Lesson]:
        """Every frame once, for training.

        Args:
            light: strength of the change of brightness and contrast, equal through a sequence.
            alpha: probability with which a policy that sees its previous action is shown the expert's instead of its
                own (scheduled sampling, Bengio et al. 2015, arXiv:1506.03099). The labels never change.
        """
        if self.policy.is_recurrent:
            return self._stretches(torch.randperm(int(self.samples.begins[self.ticks.numpy()].sum())), light, alpha)
        return self._frames(self.shuffled_ticks(), light)

    def shuffled_ticks(self) -> Tensor:
        """``(M,)`` the frames in random order."""
        return self.ticks[torch.randperm(len(self.ticks))]

    def _frames(self, ticks: Tensor, light: float) -> Iterator[Lesson]:
        for part in in_batches(ticks, self.size):
            inputs, targets = self.samples.draw(part)
            yield self._lesson(part, self._vary(inputs, light), targets)

    def _lesson(self, ticks: Tensor, inputs: dict[str, Tensor], targets: Tensor | None = None) -> Lesson:
        features = self.policy.features(inputs)
        return Lesson(features, ticks, self.samples.targets[ticks] if targets is None else targets)

    def _stretches(self, order: Tensor | None, light: float, alpha: float) -> Iterator[Lesson]:
        laid = lay_lanes(self.ticks.numpy(), self.samples.begins, self.lanes, None if order is None else order.numpy())
        lanes = torch.from_numpy(laid)
        begins = torch.from_numpy(self.samples.begins)
        state = self.policy.initial_state(len(lanes))
        for start in range(0, lanes.shape[1], self.sequence):
            piece = lanes[:, start : start + self.sequence]
            ticks = piece.clamp_min(0)
            flat = self.samples.inputs(ticks.flatten())
            inputs = {key: rows.reshape(*ticks.shape, *rows.shape[1:]) for key, rows in flat.items()}
            features, state = self.policy.unroll(
                self._vary(inputs, light),
                state,
                begins[ticks],
                taught=self.samples.previous[ticks],
                # Drawn in [0, 1): at alpha = 1 the expert's action is shown always, at 0 never.
                is_taught=torch.rand(ticks.shape) < alpha,
            )
            state = state.detach()
            ticks = piece[piece >= 0]
            yield Lesson(features[piece >= 0], ticks, self.samples.targets[ticks])

    def _vary(self, inputs: dict[str, Tensor], light: float) -> dict[str, Tensor]:
        """Images ``(N, ..., C, h, w)`` in another light, equal through a row: a flicker would look like motion."""
        if light == 0.0:
            return inputs
        images = {stream.key for stream in self.policy.specification.streams if stream.is_image}
        return {
            key: vary_light(rows.flatten(1, -4), light).reshape(rows.shape) if key in images else rows
            for key, rows in inputs.items()
        }

    def features(self) -> Tensor:
        """``(M, width)`` of all frames in their order, without gradients; the policy must be in evaluation mode."""
        with torch.inference_mode():
            found = list(self.in_order())
            ticks = torch.cat([lesson.ticks for lesson in found])
            rows = torch.cat([lesson.features for lesson in found])
            position = torch.from_numpy(np.searchsorted(self.ticks.numpy(), ticks.numpy()))
            ordered = torch.empty_like(rows)
            ordered[position] = rows
        return ordered.clone()
