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
from models.policies.acting import ActingPolicy
from models.policies.encoder import Encoder
from models.policies.normalization import Normalizer
from models.policies.parts import build_encoder, build_memory
from models.policies.safety import SafetyHead
from models.policies.specification import PolicySpecification, StreamShape

__all__ = ["Policy", "Scaling"]

# An action dimension that hardly moved in the dataset is scaled by this share of its allowed range instead of by its
# deviation: jitter of the expert at constant speed is not worth as much of the loss as the steering.
ACTION_SCALE_FLOOR = 0.02
# A state's limits are computed in float32, and a healthy state may stand right on one.
STATE_ROUNDING = 1.001


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


class Policy(ActingPolicy):
    """Raw observations in; actions in SI units within limits, and the probability of being unsafe, out.

    The steps are separate methods because a learner enters half-way: it runs ``prepare`` once per frame of the dataset
    and trains the rest. A policy whose memory is a stack is asked by calling it; a recurrent one by :meth:`step`, tick
    by tick, and trained by :meth:`unroll`. One that acts by drawing takes ``noise (N, noise_width)``, independent
    standard normal numbers; without them torch's own generator draws.

    Args:
        specification: inputs, memory, action dimensions and options.
        scaling: normalisation and limits.
    """

    def __init__(self, specification: PolicySpecification, scaling: Scaling) -> None:
        super().__init__()
        self._specification = specification
        config, dims = specification.config, len(specification.action_names)
        self.memory = build_memory(config, specification.frames, dims)
        # Module names must not contain dots, stream keys do: encoders are numbered in the order of the streams.
        encoders = [
            build_encoder(stream, config, self.memory, scaling.mean[stream.key], scaling.deviation[stream.key])
            for stream in specification.streams
        ]
        self.encoders = nn.ModuleList(encoders)
        self.fusion = nn.Linear(sum(encoder.width for encoder in encoders), config.features)
        self.head = config.head.build(self.memory.width, config.chunk, dims)
        self.safety = SafetyHead(self.memory.width, config.safety_features)
        floor = ACTION_SCALE_FLOOR * (scaling.maximum - scaling.minimum)
        self.action_normalizer = Normalizer(scaling.mean["action"], scaling.deviation["action"], floor)
        self.head.know_units(self.action_normalizer)
        self.register_buffer("minimum", torch.from_numpy(np.array(scaling.minimum, np.float32)))
        self.register_buffer("maximum", torch.from_numpy(np.array(scaling.maximum, np.float32)))

    @property
    def specification(self) -> PolicySpecification:
        """Inputs, memory, action dimensions and options."""
        return self._specification

    @property
    def jumps(self) -> bool:
        """Whether the head chooses between alternatives."""
        return self.head.jumps

    @property
    def state_shape(self) -> tuple[int, ...]:
        """S, of one observation's state: the memory's, and behind it the previous action where that is shown."""
        return (self.memory.state_shape[0] + self._previous_width,)

    @property
    def state_limit(self) -> float:
        """Magnitude that no element of a healthy state exceeds."""
        if not self._previous_width:
            return self.memory.state_limit
        limits = self.action_normalizer(torch.stack([self.minimum, self.maximum]))
        return max(self.memory.state_limit, STATE_ROUNDING * float(limits.abs().max()))

    @property
    def noise_width(self) -> int:
        """Standard normal numbers that one answer takes; 0 for a policy that does not draw."""
        return self.head.noise_width if self.specification.config.act == "sample" else 0

    @property
    def _previous_width(self) -> int:
        config = self.specification.config
        return len(self.specification.action_names) if config.previous_action else 0

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
            encoded.append(encoder(self.memory.fold(frames)))
        return functional.relu(self.fusion(torch.cat(encoded, dim=1) if len(encoded) > 1 else encoded[0]))

    def features(self, prepared: Mapping[str, Tensor]) -> Tensor:
        """Prepared ``(N, frames, C, ...)`` to the features that both heads read, ``(N, width)``.

        Raises:
            TrainingError: the policy is recurrent, so that the features depend on the ticks before.
        """
        if self.is_recurrent:
            raise TrainingError(
                "a recurrent policy was asked about a tick without the ticks before it",
                found=f"memory={self.specification.config.memory!r}",
                fix="learn from sequences (`Policy.unroll`), act by a `TorchRuntime`; or train a policy with a stack",
            )
        return self.perceive(prepared)

    def initial_state(self, batch: int) -> Tensor:
        """``(batch, *S)`` zeros: a recurrent policy that remembers nothing."""
        if not self.is_recurrent:
            raise TrainingError("this policy keeps no state", found="memory='stack'", expected="a recurrent memory")
        return self.minimum.new_zeros((batch, *self.state_shape))

    def choose(self, features: Tensor, noise: Tensor | None = None) -> Tensor:
        """The normalised actions to execute, ``(N, width)`` to ``(N, chunk, A)``: committed to, or drawn."""
        if self.specification.config.act != "sample":
            committed: Tensor = self.head(features)
            return committed
        if noise is None:
            noise = torch.randn(len(features), self.noise_width, device=features.device)
        return self.head.sample(features, noise)

    def step(
        self, raw: Mapping[str, Tensor], state: Tensor, noise: Tensor | None = None
    ) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """One tick of a recurrent policy.

        Args:
            raw: observations ``(N, frames, ...)`` by stream key.
            state: ``(N, *S)``, of the tick before or :meth:`initial_state`.
            noise: ``(N, noise_width)`` of a policy that draws.

        Returns:
            ``(action (N, chunk, A) in SI units, unsafe_probability (N,))``, and the state ``(N, *S)`` after this tick.
        """
        seen = self.perceive(self.prepare(raw))
        if not self._previous_width:
            features, state = self.memory.step(seen, state)
            return (self.limit(self.choose(features, noise)), self.safety(features)), state
        kept, previous = self._split(state)
        features, kept = self.memory.step(torch.cat([seen, previous], dim=1), kept)
        action = self.limit(self.choose(features, noise))
        return (action, self.safety(features)), self._join(kept, action)

    def unroll(
        self,
        prepared: Mapping[str, Tensor],
        state: Tensor,
        starts: Tensor | None = None,
        taught: Tensor | None = None,
        is_taught: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Sequences of a recurrent policy, for a learner; see :meth:`Memory.unroll`.

        Args:
            prepared: ``(N, T, frames, C, ...)`` by stream key: :meth:`prepare` of every tick.
            state: ``(N, *S)`` before the first tick.
            starts: ``(N, T)`` bool, ticks at which memory starts anew.
            taught: ``(N, T, A)`` the expert's normalised action *before* each tick, which a policy that sees its
                previous action is shown in place of its own; ignored where memory starts, and by other policies.
            is_taught: ``(N, T)`` bool, the ticks at which that happens; ``None`` for all, if ``taught`` is given.

        Returns:
            The features that both heads read, ``(N, T, width)``, and the state after the last tick.
        """
        first = next(iter(prepared.values()))
        perceived = self.perceive({key: ticks.flatten(0, 1) for key, ticks in prepared.items()})
        perceived = perceived.reshape(*first.shape[:2], -1)
        if not self._previous_width:
            return self.memory.unroll(perceived, state, starts)
        remembered = []
        for tick in range(first.shape[1]):
            kept, previous = self._split(state)
            if taught is not None:
                shown = torch.ones_like(taught[:, tick, 0]) > 0 if is_taught is None else is_taught[:, tick]
                previous = torch.where(shown.unsqueeze(1), taught[:, tick], previous)
            if starts is not None:
                kept, previous = (self.memory.restart(part, starts[:, tick]) for part in (kept, previous))
            features, kept = self.memory.step(torch.cat([perceived[:, tick], previous], dim=1), kept)
            with torch.no_grad():
                action = self.limit(self.choose(features))
            state = self._join(kept, action)
            remembered.append(features)
        return torch.stack(remembered, dim=1), state

    def _split(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """The memory's part of a state, and the normalised previous action ``(N, A)`` behind it."""
        width = self.memory.state_shape[0]
        return state[:, :width], state[:, width:]

    def _join(self, kept: Tensor, action: Tensor) -> Tensor:
        """A state of the memory's part and the first step of ``action (N, chunk, A)`` in SI units."""
        return torch.cat([kept, self.action_normalizer(action[:, 0])], dim=1)

    def limit(self, normalised: Tensor) -> Tensor:
        """Normalised actions ``(..., A)`` to SI units within limits; what is not finite becomes NaN, never a limit."""
        actions = self.action_normalizer.inverse(normalised)
        broken = torch.isnan(actions) | torch.isinf(actions)
        limited = torch.minimum(torch.maximum(actions, self.minimum), self.maximum)
        return torch.where(broken, torch.full_like(actions, float("nan")), limited)

    def forward(self, raw: Mapping[str, Tensor], noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Raw observations to ``action (N, chunk, A)`` in SI units and ``unsafe_probability (N,)``; no recurrence."""
        features = self.features(self.prepare(raw))
        return self.limit(self.choose(features, noise)), self.safety(features)

    def act(self, raw: Mapping[str, npt.NDArray[np.generic]]) -> tuple[npt.NDArray[np.float32], float]:
        """One observation of numpy arrays ``(frames, ...)`` to ``(chunk, A)`` actions and an unsafe probability.

        For evaluation during training, where no bundle exists yet; ``models.torch_runtime`` also drives a policy with a
        state. A robot runs the bundle.
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


def _hide_samples(frames: Tensor, probability: float) -> Tensor:
    """Set whole samples of normalised vectors to zero, their mean; not rescaled, since it is no average."""
    if probability == 0.0:
        return frames
    keep = torch.rand(frames.shape[0], 1, 1, device=frames.device) >= probability
    return frames * keep
