"""What a policy is made of, as data: enough to rebuild its network from a checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from models.errors import TrainingError
from models.policies.heads import HeadOptions, PointOptions, head_options
from models.policies.requirements import did_you_mean, require, require_choice

__all__ = ["PolicyConfig", "PolicySpecification", "StreamShape"]

ACTS = ("likeliest", "sample")
ENCODERS = ("small", "keypoints", "resnet")
MEMORIES = ("stack", "rnn", "gru", "lstm")


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

    # Output layer and its loss, with the options of that kind: see `models.policies.heads`.
    head: HeadOptions = field(default_factory=PointOptions)
    # What drives: "likeliest", a fixed function of the observation, or "sample", a draw from the head's distribution
    # with noise that the runtime feeds in.
    act: str = "likeliest"
    # Actions proposed per observation; step i is meant for i ticks later.
    chunk: int = 1
    # Share of an image's rows cut off at the top before anything else: of a car's, the sky, which only distracts.
    crop_top: float = 0.0
    # Side of the square of pixels averaged into one after the crop; 2 makes the convolutions four times cheaper.
    pool: int = 2
    # Of images: "small" (strided convolutions, flattened), "keypoints" (the same, and where each channel responds: for
    # hands that reach for things), or "resnet" (that of ResNet-18; wants a GPU for its training).
    encoder: str = "small"
    # Output channels of the convolutions of every other encoder; a small one of (16, 32, 32) trains at about 4,500
    # samples/s on one core.
    image_channels: tuple[int, ...] = (16, 32, 32)
    # Channels of the ResNet's first stage, doubled by each of the three that follow.
    resnet_channels: int = 64
    # Width of the embedding of each image stream, and of the fused features that the heads read.
    features: int = 64
    # Width of the embedding of each vector stream, and of every layer towards it.
    state_features: int = 16
    # Layers towards it.
    state_layers: int = 2
    # Cells that each dimension of a vector stream is cut into; a table with a row of `state_features` numbers for every
    # cell then stands in for the layers. Empty for no table.
    state_cells: tuple[int, ...] = ()
    # Share of training samples whose vector streams are hidden (set to their mean). Expert actions are correlated
    # with the robot's own last motion, and a policy that copies that motion fails when it drives (de Haan et al. 2019).
    state_dropout: float = 0.2
    # Hidden width of the safety classifier.
    safety_features: int = 32
    # What carries the past: "stack" (the contract's stacked frames and nothing else), or those and a state: "rnn",
    # "gru" or "lstm".
    memory: str = "stack"
    # Width of what the heads read of a recurrent memory in place of the fused features.
    memory_features: int = 64
    # Ticks that a recurrent policy watches after a reset before it may drive; what a state needs to mean something.
    memory_warm_up: int = 5
    # Whether a recurrent memory also sees the action that the policy itself gave one tick ago, `f(h, a_prev, o)`.
    previous_action: bool = False

    def __post_init__(self) -> None:
        require_choice("act", self.act, ACTS)
        require_choice("encoder", self.encoder, ENCODERS)
        require_choice("memory", self.memory, MEMORIES)
        require(isinstance(self.head, HeadOptions), "head", self.head, "options of a head, such as MixtureOptions()")
        require(self.chunk >= 1, "chunk", self.chunk, "at least 1 action")
        require(0.0 <= self.crop_top < 1.0, "crop_top", self.crop_top, "a share of the rows in [0, 1)")
        require(self.pool >= 1, "pool", self.pool, "at least 1 pixel")
        channels_fit = bool(self.image_channels) and min(self.image_channels) >= 1
        require(channels_fit, "image_channels", self.image_channels, "one positive count per convolution")
        require(self.memory_warm_up >= 0, "memory_warm_up", self.memory_warm_up, "a count of ticks")
        for name in ("features", "state_features", "safety_features", "memory_features"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "a positive width")
        # Of one channel on a single pixel nothing is left to normalise.
        require(self.resnet_channels >= 2, "resnet_channels", self.resnet_channels, "at least 2")
        cells_fit = all(cells >= 1 for cells in self.state_cells)
        require(cells_fit, "state_cells", self.state_cells, "one positive count per dimension")
        require(self.state_layers >= 1, "state_layers", self.state_layers, "at least 1 layer")
        require(0.0 <= self.state_dropout < 1.0, "state_dropout", self.state_dropout, "a probability in [0, 1)")
        self._require_effect()

    def _require_effect(self) -> None:
        """Every option that was given has to do something."""
        if self.act == "sample" and not self.head.can_sample:
            raise TrainingError(
                f"a {self.head.kind} head has no distribution to draw from",
                found='act="sample"',
                fix='leave `act` out, or choose a head with a distribution, such as "mixture"',
            )
        for name in ("memory_features", "memory_warm_up", "previous_action"):
            self._require_unset(name, self.memory == "stack", "a policy whose memory is a stack", 'memory="gru"')
        self._require_unset("state_layers", bool(self.state_cells), "a table over cells", "state_cells=()")
        self._require_unset("image_channels", self.encoder == "resnet", "a ResNet encoder", 'encoder="small"')
        self._require_unset("resnet_channels", self.encoder != "resnet", "any other encoder", 'encoder="resnet"')

    def _require_unset(self, name: str, idle: bool, where: str, instead: str) -> None:
        if idle and getattr(self, name) != getattr(PolicyConfig, name):
            raise TrainingError(
                f"in {where} {name} would have no effect",
                found=getattr(self, name),
                fix=f"leave `{name}` out, or set {instead}",
            )

    @property
    def is_recurrent(self) -> bool:
        """Whether the policy keeps a state from tick to tick."""
        return self.memory != "stack"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PolicyConfig:
        """Rebuild from ``dataclasses.asdict`` after a trip through JSON; unknown names raise ``TrainingError``."""
        known = {entry.name for entry in dataclasses.fields(cls)}
        for name in values:
            if name not in known:
                raise TrainingError(f"unknown policy option {name!r}", fix=did_you_mean(name, known))
        fixed = dict(values)
        for name in ("image_channels", "state_cells"):
            if name in fixed:
                fixed[name] = tuple(fixed[name])
        if "head" in fixed:
            options = dict(fixed["head"])
            fixed["head"] = head_options(options.pop("kind"), options)
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
