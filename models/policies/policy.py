"""The network of a policy: encoders, memory, fusion, a head for the action and one for safety."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.errors import TrainingError
from models.policies.encoder import Encoder
from models.policies.heads import GaussianHead, Head, PointHead, TrailHead
from models.policies.image_encoder import ImageEncoder
from models.policies.memory import ConcatenationMemory, Memory
from models.policies.normalization import Normalizer
from models.policies.recurrent_memory import GruMemory, RecurrentMemory
from models.policies.safety import SafetyHead
from models.policies.specification import PolicyConfig, PolicySpecification, StreamShape
from models.policies.vector_encoder import VectorEncoder

__all__ = ["Policy", "Scaling"]

# An action dimension that hardly moved in the dataset is scaled by this share of its allowed range instead of by its
# deviation: jitter of the expert at constant speed is not worth as much of the loss as the steering.
ACTION_SCALE_FLOOR = 0.02
# The smallest deviation of a pixel value (0..255) and of a state (SI units) that counts as a signal.
PIXEL_SCALE_FLOOR = 1.0
STATE_SCALE_FLOOR = 1e-3


@dataclass(frozen=True)
class Scaling:
    """The numbers that a policy takes from its dataset and contract rather than from training.

    Attributes:
        mean: stream key (and ``action``) to ``(D,)`` means, ``(C,)`` for images; SI units, pixel values 0..255.
        deviation: the same, standard deviations.
        minimum: ``(A,)`` limits of the action in SI units.
        maximum: ``(A,)``.
    """

    mean: Mapping[str, npt.NDArray[np.floating]]
    deviation: Mapping[str, npt.NDArray[np.floating]]
    minimum: npt.NDArray[np.float32]
    maximum: npt.NDArray[np.float32]

    @classmethod
    def identity(cls, specification: PolicySpecification) -> Scaling:
        """Placeholder numbers of the right shapes, for a policy whose buffers are about to be loaded."""
        sizes = {stream.key: stream.shape[-1] for stream in specification.streams}
        sizes["action"] = len(specification.action_names)
        zeros = {key: np.zeros(size, np.float32) for key, size in sizes.items()}
        ones = {key: np.ones(size, np.float32) for key, size in sizes.items()}
        return cls(zeros, ones, zeros["action"], ones["action"])


class Policy(nn.Module):
    """Raw observations in; actions in SI units within limits, and the probability of being unsafe, out.

    The steps are separate methods because a learner enters half-way: it runs ``prepare`` once per frame of the dataset
    and trains the rest. A policy whose memory is a stack is asked by calling it; a recurrent one by :meth:`step`, tick
    by tick, and trained by :meth:`unroll`.

    Args:
        specification: inputs, memory, action dimensions and options.
        scaling: normalisation and limits.

    Attributes:
        recurrence: what keeps the state of a recurrent policy; ``None`` for a policy without one.
    """

    minimum: Tensor
    maximum: Tensor

    def __init__(self, specification: PolicySpecification, scaling: Scaling) -> None:
        super().__init__()
        self.specification = specification
        config = specification.config
        self.memory: Memory = ConcatenationMemory(specification.frames)
        # Module names must not contain dots, stream keys do: encoders are numbered in the order of the streams.
        encoders = [_encoder(stream, config, self.memory, scaling) for stream in specification.streams]
        self.encoders = nn.ModuleList(encoders)
        self.fusion = nn.Linear(sum(encoder.width for encoder in encoders), config.features)
        self.recurrence = _recurrence(config)
        width = self.recurrence.width if self.recurrence is not None else config.features
        floor = ACTION_SCALE_FLOOR * (scaling.maximum - scaling.minimum)
        self.action_normalizer = Normalizer(scaling.mean["action"], scaling.deviation["action"], floor)
        self.head = _head(config, width, len(specification.action_names), self.action_normalizer)
        self.safety = SafetyHead(width, config.safety_features)
        self.register_buffer("minimum", torch.from_numpy(np.array(scaling.minimum, np.float32)))
        self.register_buffer("maximum", torch.from_numpy(np.array(scaling.maximum, np.float32)))

    def prepare(self, raw: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Raw ``(N, frames, ...)`` by stream key to normalised ``(N, frames, C, ...)``; no weights involved."""
        return {stream.key: encoder.prepare(raw[stream.key]) for stream, encoder in self.inputs()}

    def prepare_stream(self, key: str, raw: Tensor) -> Tensor:
        """``prepare`` of one stream."""
        return next(encoder for stream, encoder in self.inputs() if stream.key == key).prepare(raw)

    def perceive(self, prepared: Mapping[str, Tensor]) -> Tensor:
        """Prepared ``(N, frames, C, ...)`` to the fused features of one tick, ``(N, features)``."""
        encoded = []
        for stream, encoder in self.inputs():
            frames = prepared[stream.key]
            if self.training and not stream.is_image:
                frames = _hide_samples(frames, self.specification.config.state_dropout)
            encoded.append(self.memory.recall(encoder(self.memory.fold(frames)), frames.shape[0]))
        return functional.relu(self.fusion(torch.cat(encoded, dim=1)))

    def features(self, prepared: Mapping[str, Tensor]) -> Tensor:
        """Prepared ``(N, frames, C, ...)`` to the features that both heads read, ``(N, width)``.

        Raises:
            TrainingError: the policy is recurrent, so that the features depend on the ticks before.
        """
        if self.recurrence is not None:
            raise TrainingError(
                "a recurrent policy was asked about a tick without the ticks before it",
                found=f"memory={self.specification.config.memory!r}",
                fix="learn from sequences (`Policy.unroll`), act by `Policy.step`; or train a policy with a stack",
            )
        return self.perceive(prepared)

    def initial_state(self, batch: int) -> Tensor:
        """``(batch, *S)`` zeros: a recurrent policy that remembers nothing."""
        return self._recurrent().initial_state(batch)

    def step(self, raw: Mapping[str, Tensor], state: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """One tick of a recurrent policy.

        Args:
            raw: observations ``(N, frames, ...)`` by stream key.
            state: ``(N, *S)``, of the tick before or :meth:`initial_state`.

        Returns:
            ``(action (N, chunk, A) in SI units, unsafe_probability (N,))``, and the state ``(N, *S)`` after this tick.
        """
        features, state = self._recurrent().step(self.perceive(self.prepare(raw)), state)
        return (self.limit(self.head(features)), self.safety(features)), state

    def unroll(
        self, prepared: Mapping[str, Tensor], state: Tensor, starts: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Sequences of a recurrent policy, for a learner; see :meth:`RecurrentMemory.unroll`.

        Args:
            prepared: ``(N, T, frames, C, ...)`` by stream key: :meth:`prepare` of every tick.
            state: ``(N, *S)`` before the first tick.
            starts: ``(N, T)`` bool, ticks at which memory starts anew.

        Returns:
            The features that both heads read, ``(N, T, width)``, and the state after the last tick.
        """
        first = next(iter(prepared.values()))
        perceived = self.perceive({key: ticks.flatten(0, 1) for key, ticks in prepared.items()})
        return self._recurrent().unroll(perceived.reshape(*first.shape[:2], -1), state, starts)

    def _recurrent(self) -> RecurrentMemory:
        if self.recurrence is None:
            raise TrainingError("this policy keeps no state", found="memory='stack'", expected="a recurrent memory")
        return self.recurrence

    def limit(self, normalised: Tensor) -> Tensor:
        """Normalised actions ``(..., A)`` to SI units within limits; what is not finite becomes NaN, never a limit."""
        actions = self.action_normalizer.inverse(normalised)
        broken = torch.isnan(actions) | torch.isinf(actions)
        limited = torch.minimum(torch.maximum(actions, self.minimum), self.maximum)
        return torch.where(broken, torch.full_like(actions, float("nan")), limited)

    def forward(self, raw: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Raw observations to ``action (N, chunk, A)`` in SI units and ``unsafe_probability (N,)``; no recurrence."""
        features = self.features(self.prepare(raw))
        return self.limit(self.head(features)), self.safety(features)

    def act(self, raw: Mapping[str, npt.NDArray[np.generic]]) -> tuple[npt.NDArray[np.float32], float]:
        """One observation of numpy arrays ``(frames, ...)`` to ``(chunk, A)`` actions and an unsafe probability.

        For evaluation during training, where no bundle exists yet; a robot runs the bundle.
        """
        batch = {key: torch.from_numpy(np.ascontiguousarray(array)[None]) for key, array in raw.items()}
        was_training = self.training
        self.eval()
        with torch.inference_mode():
            action, unsafe = self(batch)
        self.train(was_training)
        return action[0].numpy(), float(unsafe[0])

    def inputs(self) -> list[tuple[StreamShape, Encoder]]:
        """Every stream with its encoder, in the order of the contract."""
        pairs = zip(self.specification.streams, self.encoders, strict=True)
        return [(stream, encoder) for stream, encoder in pairs if isinstance(encoder, Encoder)]


def _encoder(stream: StreamShape, config: PolicyConfig, memory: Memory, scaling: Scaling) -> Encoder:
    floor = PIXEL_SCALE_FLOOR if stream.is_image else STATE_SCALE_FLOOR
    normalizer = Normalizer(scaling.mean[stream.key], scaling.deviation[stream.key], floor)
    channels = memory.channels(stream.shape[-1])
    if not stream.is_image:
        return VectorEncoder(normalizer, channels, config.state_features)
    return ImageEncoder(
        stream.shape, normalizer, channels, config.image_channels, config.features, config.crop_top, config.pool
    )


def _recurrence(config: PolicyConfig) -> RecurrentMemory | None:
    return GruMemory(config.features, config.memory_features) if config.memory == "gru" else None


def _head(config: PolicyConfig, width: int, dims: int, normalizer: Normalizer) -> Head:
    if config.head == "gaussian":
        return GaussianHead(width, config.chunk, dims)
    if config.head == "trail":
        return TrailHead(width, config.chunk, dims, _trail_levels(config, dims, normalizer), config.trail_dimension)
    return PointHead(width, config.chunk, dims, config.loss)


def _trail_levels(config: PolicyConfig, dims: int, normalizer: Normalizer) -> Tensor:
    """``(3,)`` normalised steering of right, straight and left."""
    if config.trail_dimension >= dims:
        raise TrainingError("no such action dimension to steer", found=config.trail_dimension, expected=f"below {dims}")
    commands = torch.zeros(3, dims)
    commands[:, config.trail_dimension] = torch.tensor([-config.trail_turn, 0.0, config.trail_turn])
    levels: Tensor = normalizer(commands)[:, config.trail_dimension]
    return levels


def _hide_samples(frames: Tensor, probability: float) -> Tensor:
    """Set whole samples of normalised vectors to zero, their mean; not rescaled, since it is no average."""
    if probability == 0.0:
        return frames
    keep = torch.rand(frames.shape[0], 1, 1, device=frames.device) >= probability
    return frames * keep
