"""What ``policy.onnx`` says about itself, in the ``metadata_props`` of the ONNX file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from models.bundle.known_answer import KnownAnswer
from models.errors import BundleError

__all__ = ["FORMAT_VERSION", "KEYS", "BundleMetadata", "Parity"]

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


@dataclass(frozen=True, slots=True)
class Parity:
    """How far ONNX Runtime on a CPU was from torch when the bundle was exported: the largest absolute errors.

    Attributes:
        observations: how many were compared.
        action: of any action dimension, as a share of that dimension's allowed range (maximum - minimum).
        unsafe_probability: of the probability.
    """

    observations: int
    action: float
    unsafe_probability: float


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
    format_version: int = FORMAT_VERSION

    def to_properties(self) -> dict[str, str]:
        """As ``metadata_props``: text by key."""
        parity = {
            "observations": self.parity.observations,
            "action": self.parity.action,
            "unsafe_probability": self.parity.unsafe_probability,
        }
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
        return {PREFIX + name: value for name, value in values.items()}

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
                    int(parity["observations"]), float(parity["action"]), float(parity["unsafe_probability"])
                ),
                known_answer=KnownAnswer.from_dict(json.loads(plain["known_answer"])),
                libraries=dict(json.loads(plain["libraries"])),
                graph_sha256=plain["graph_sha256"],
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BundleError(
                f"{name} has metadata that cannot be read",
                found=f"{type(error).__name__}: {error}",
                fix="export it again with `understudy export`",
            ) from error


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False)
