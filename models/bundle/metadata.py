"""What ``policy.onnx`` says about itself, in the ``metadata_props`` of the ONNX file."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from models.bundle.known_answer import KnownAnswer
from models.errors import BundleError

__all__ = [
    "FORMAT_VERSION",
    "KEYS",
    "NOISE_KEY",
    "RECURRENCE_KEY",
    "BundleMetadata",
    "NoiseSource",
    "Parity",
    "Recurrence",
]

FORMAT_VERSION = 1
PREFIX = "understudy."
KEYS = tuple(
    PREFIX + name
    for name in (
        "format_version",
        "contract",
        "contract_hash",
        "learner",
        "dataset_hash",
        "opset",
        "graph_sha256",
        "unsafe_threshold_suggested",
        "parity",
        "known_answer",
        "libraries",
    )
)
"""Every key a bundle must have. Values are text; all but the contract (YAML) and the hashes (hex) are JSON."""

RECURRENCE_KEY = PREFIX + "recurrence"
"""The key that a bundle has if, and only if, its policy keeps a state."""

NOISE_KEY = PREFIX + "noise"
"""The key that a bundle has if, and only if, its policy acts by drawing."""

NORMAL = "standard normal"
"""The only distribution of noise; spelled out for readers in other languages."""

MOST_WARM_UP_TICKS = 100_000
"""More than half an hour at 50 Hz is no warm-up but a slip."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How far ONNX Runtime on a CPU was from torch when the bundle was exported: the largest absolute errors.

    Attributes:
        observations: how many were compared.
        action: of any action dimension, as a share of that dimension's allowed range (maximum - minimum).
        unsafe_probability: of the probability.
        state: of the state, as a share of its limit, at any step of several that follow one another; 0 without one.
        steps: how many steps follow one another; 1 for a policy without a state.
        undecided: of the observations, those left out because torch itself answers otherwise when its weights change
            by rounding: the policy stood between two alternatives. 0 for a policy that chooses between none.
    """

    observations: int
    action: float
    unsafe_probability: float
    state: float = 0.0
    steps: int = 1
    undecided: int = 0


@dataclass(frozen=True, slots=True)
class NoiseSource:
    """What a policy that acts by drawing is to be fed.

    Attributes:
        width: independent standard normal numbers a tick.
        seed: of the generator, unless whoever runs the policy chooses another.
    """

    width: int
    seed: int

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"the noise is {self.width} wide")


@dataclass(frozen=True, slots=True)
class Recurrence:
    """How the state of a recurrent policy is to be treated.

    Attributes:
        state_limit: magnitude that no element of a healthy state exceeds; what does is poisoned.
        warm_up_ticks: ticks after a reset before the policy may drive.
    """

    state_limit: float
    warm_up_ticks: int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.state_limit) and self.state_limit > 0.0):
            raise ValueError(f"state_limit is {self.state_limit}")
        if not 0 <= self.warm_up_ticks <= MOST_WARM_UP_TICKS:
            raise ValueError(f"warm_up_ticks is {self.warm_up_ticks}")


@dataclass(frozen=True)
class BundleMetadata:
    """The metadata of one bundle.

    Attributes:
        contract_text: the robot contract's YAML.
        contract_hash: the contract's hash, hex.
        learner: name and options of what trained it.
        dataset_hash: of the dataset it was trained on.
        opset: version of the ONNX operator set.
        unsafe_threshold_suggested: above this unsafe probability the expert should drive; what it was calibrated to.
            1.0 when no safety classifier was trained: then nothing is ever above it.
        parity: measured at export.
        known_answer: inputs and outputs to replay at load.
        libraries: versions of what exported it.
        graph_sha256: of the graph's bytes; empty until it is sealed.
        recurrence: of a policy that keeps a state; ``None`` for one that does not.
        noise: of a policy that acts by drawing; ``None`` for one that does not.
        format_version: of this layout.
    """

    contract_text: str
    contract_hash: str
    learner: Mapping[str, Any]
    dataset_hash: str
    opset: int
    unsafe_threshold_suggested: float
    parity: Parity
    known_answer: KnownAnswer
    libraries: Mapping[str, str] = field(default_factory=dict)
    graph_sha256: str = ""
    recurrence: Recurrence | None = None
    noise: NoiseSource | None = None
    format_version: int = FORMAT_VERSION

    def to_properties(self) -> dict[str, str]:
        """As ``metadata_props``: text by key."""
        parity = dataclasses.asdict(self.parity)
        if self.recurrence is None:
            del parity["state"], parity["steps"]
        if self.parity.undecided == 0:
            del parity["undecided"]
        values = {
            "format_version": _json(self.format_version),
            "contract": self.contract_text,
            "contract_hash": self.contract_hash,
            "learner": _json(dict(self.learner)),
            "dataset_hash": self.dataset_hash,
            "opset": _json(self.opset),
            "graph_sha256": self.graph_sha256,
            "unsafe_threshold_suggested": _json(self.unsafe_threshold_suggested),
            "parity": _json(parity),
            "known_answer": _json(self.known_answer.to_dict()),
            "libraries": _json(dict(self.libraries)),
        }
        properties = {PREFIX + name: value for name, value in values.items()}
        if self.recurrence is not None:
            properties[RECURRENCE_KEY] = _json(dataclasses.asdict(self.recurrence))
        if self.noise is not None:
            properties[NOISE_KEY] = _json({"distribution": NORMAL, **dataclasses.asdict(self.noise)})
        return properties

    @classmethod
    def from_properties(cls, properties: Mapping[str, str], name: str) -> BundleMetadata:
        """Read ``metadata_props``; ``name`` is the file's, for the message of a ``BundleError``."""
        missing = [key for key in KEYS if key not in properties]
        if missing:
            raise BundleError(
                f"{name} is an ONNX file but no policy bundle: metadata is missing",
                found="without " + ", ".join(missing),
                fix="export it again with `understudy export`",
            )
        plain = {key.removeprefix(PREFIX): properties[key] for key in KEYS}
        try:
            version = json.loads(plain["format_version"])
            if version != FORMAT_VERSION:
                raise BundleError(
                    f"{name} has another bundle format",
                    found=f"version {version}",
                    expected=f"version {FORMAT_VERSION}",
                    fix="export it again, or update Understudy",
                )
            parity = json.loads(plain["parity"])
            threshold = float(json.loads(plain["unsafe_threshold_suggested"]))
            if not math.isfinite(threshold):
                raise ValueError(f"unsafe_threshold_suggested is {threshold}")
            return cls(
                contract_text=plain["contract"],
                contract_hash=plain["contract_hash"],
                learner=dict(json.loads(plain["learner"])),
                dataset_hash=plain["dataset_hash"],
                opset=int(json.loads(plain["opset"])),
                unsafe_threshold_suggested=threshold,
                parity=Parity(
                    int(parity["observations"]),
                    float(parity["action"]),
                    float(parity["unsafe_probability"]),
                    float(parity.get("state", 0.0)),
                    int(parity.get("steps", 1)),
                    int(parity.get("undecided", 0)),
                ),
                known_answer=KnownAnswer.from_dict(json.loads(plain["known_answer"])),
                libraries=dict(json.loads(plain["libraries"])),
                graph_sha256=plain["graph_sha256"],
                recurrence=_recurrence(properties.get(RECURRENCE_KEY)),
                noise=_noise(properties.get(NOISE_KEY)),
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BundleError(
                f"{name} has metadata that cannot be read",
                found=f"{type(error).__name__}: {error}",
                fix="export it again with `understudy export`",
            ) from error


def _recurrence(text: str | None) -> Recurrence | None:
    if text is None:
        return None
    values = json.loads(text)
    return Recurrence(float(values["state_limit"]), int(values["warm_up_ticks"]))


def _noise(text: str | None) -> NoiseSource | None:
    if text is None:
        return None
    values = json.loads(text)
    if values["distribution"] != NORMAL:
        raise ValueError(f"noise of the distribution {values['distribution']!r}, not {NORMAL!r}")
    return NoiseSource(int(values["width"]), int(values["seed"]))


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False)
