"""What a policy is made of, as data: enough to rebuild its network from a checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from models.errors import TrainingError

__all__ = ["PolicyConfig", "PolicySpecification", "StreamShape"]

HEADS = ("point", "gaussian", "trail")
POINT_LOSSES = ("l1", "mse", "huber")
MEMORIES = ("stack", "gru")


@dataclass(frozen=True, slots=True)
class StreamShape:
    """One input of a policy.

    Attributes:
        key: the stream's key, for example ``observation.images.front``; also the name of the bundle's input.
        shape: of one frame: ``(height, width, channels)`` of a uint8 image, ``(dims,)`` of a float32 vector.
    """

    key: str
    shape: tuple[int, ...]

    @property
    def is_image(self) -> bool:
        """Whether frames are uint8 images rather than float32 vectors."""
        return len(self.shape) == 3

    @property
    def dtype(self) -> str:
        """``uint8`` or ``float32``."""
        return "uint8" if self.is_image else "float32"


@dataclass(frozen=True)
class PolicyConfig:
    """The choices that shape the network. Contradictions are rejected at construction with a ``TrainingError``."""

    # Output layer and its loss: "point" (a regression), "gaussian" (negative log-likelihood, acts with the mean) or
    # "trail" (left, straight or right; steers by the difference of their probabilities).
    head: str = "point"
    # Loss of the point head, on normalised actions: "l1", "mse" or "huber".
    loss: str = "huber"
    # Of the trail head: the steering command, in the action's unit, of a turn to the left that is certain.
    trail_turn: float = 1.0
    # Of the trail head: the action dimension that steers.
    trail_dimension: int = 1
    # Actions proposed per observation; step i is meant for i ticks later.
    chunk: int = 1
    # Share of an image's rows cut off at the top before anything else: on a road that is sky, which only distracts.
    crop_top: float = 0.35
    # Side of the square of pixels averaged into one after the crop; 2 makes the convolutions four times cheaper.
    pool: int = 2
    # Output channels of the three stride-2 convolutions; (16, 32, 32) trains at about 4,500 samples/s on one core.
    image_channels: tuple[int, ...] = (16, 32, 32)
    # Width of the embedding of each image stream, and of the fused features that the heads read.
    features: int = 64
    # Width of the embedding of each vector stream.
    state_features: int = 16
    # Share of training samples whose vector streams are hidden (set to their mean). Expert actions are correlated
    # with the robot's own last motion, and a policy that copies that motion fails when it drives (de Haan et al. 2019).
    state_dropout: float = 0.2
    # Hidden width of the safety classifier.
    safety_features: int = 32
    # What carries the past: "stack" (the contract's stacked frames and nothing else), or those and a state, "gru".
    memory: str = "stack"
    # Width of the recurrent state, which the heads then read in place of the fused features.
    memory_features: int = 64
    # Ticks that a recurrent policy watches after a reset before it may drive; what a state needs to mean something.
    memory_warm_up: int = 5

    def __post_init__(self) -> None:
        _require_choice("head", self.head, HEADS)
        _require_choice("loss", self.loss, POINT_LOSSES)
        _require(self.trail_turn > 0.0, "trail_turn", self.trail_turn, "a positive steering command")
        _require(self.trail_dimension >= 0, "trail_dimension", self.trail_dimension, "the index of an action dimension")
        _require(self.chunk >= 1, "chunk", self.chunk, "at least 1 action")
        _require(0.0 <= self.crop_top < 1.0, "crop_top", self.crop_top, "a share of the rows in [0, 1)")
        _require(self.pool >= 1, "pool", self.pool, "at least 1 pixel")
        channels_fit = bool(self.image_channels) and min(self.image_channels) >= 1
        _require(channels_fit, "image_channels", self.image_channels, "one positive count per convolution")
        _require_choice("memory", self.memory, MEMORIES)
        _require(self.memory_warm_up >= 0, "memory_warm_up", self.memory_warm_up, "a count of ticks")
        for name in ("features", "state_features", "safety_features", "memory_features"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "a positive width")
        _require(0.0 <= self.state_dropout < 1.0, "state_dropout", self.state_dropout, "a probability in [0, 1)")
        if self.head == "gaussian" and self.loss != PolicyConfig.loss:
            raise TrainingError(
                f"the Gaussian head trains on its likelihood: loss={self.loss!r} would have no effect",
                fix='leave `loss` out, or set head="point"',
            )
        for name in ("memory_features", "memory_warm_up"):
            if self.memory == "stack" and getattr(self, name) != getattr(PolicyConfig, name):
                raise TrainingError(
                    f"a policy whose memory is a stack keeps no state: {name} would have no effect",
                    found=getattr(self, name),
                    fix=f'leave `{name}` out, or set memory="gru"',
                )

    @property
    def is_recurrent(self) -> bool:
        """Whether the policy keeps a state from tick to tick."""
        return self.memory != "stack"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PolicyConfig:
        """Rebuild from ``dataclasses.asdict`` after a trip through JSON; unknown names raise ``TrainingError``."""
        known = {field.name for field in dataclasses.fields(cls)}
        for name in values:
            if name not in known:
                near = get_close_matches(name, known, 1)
                raise TrainingError(f"unknown policy option {name!r}", fix=f"did you mean {near[0]!r}?" if near else "")
        fixed = dict(values)
        if "image_channels" in fixed:
            fixed["image_channels"] = tuple(fixed["image_channels"])
        return cls(**fixed)


@dataclass(frozen=True)
class PolicySpecification:
    """Everything but the weights.

    Attributes:
        streams: the inputs, in the order of the contract.
        frames: memory: how many frames of each stream the policy sees, oldest first.
        action_names: the action dimensions, in order.
        config: the network's options.
    """

    streams: tuple[StreamShape, ...]
    frames: int
    action_names: tuple[str, ...]
    config: PolicyConfig

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, read back by ``from_dict``."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PolicySpecification:
        """Rebuild from ``to_dict``; raises ``KeyError`` when an entry is missing."""
        return cls(
            streams=tuple(StreamShape(entry["key"], tuple(entry["shape"])) for entry in values["streams"]),
            frames=int(values["frames"]),
            action_names=tuple(values["action_names"]),
            config=PolicyConfig.from_dict(values["config"]),
        )


def _require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        near = get_close_matches(value, choices, 1)
        raise TrainingError(
            f"unknown {name} {value!r}",
            expected="one of " + ", ".join(choices),
            fix=f"did you mean {near[0]!r}?" if near else "",
        )


def _require(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise TrainingError(f"policy option {name} is out of range", found=value, expected=expected)
