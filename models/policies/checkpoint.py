"""A trained policy on disk: weights as safetensors, everything else as JSON. No pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_tensors
from safetensors.torch import save_file as save_tensors

from models.contract import Contract, parse_contract
from models.errors import TrainingError
from models.policies.acting import ActingPolicy
from models.policies.mixture import MixturePolicy
from models.policies.policy import Policy, Scaling
from models.policies.specification import PolicySpecification

__all__ = ["Checkpoint"]

WEIGHTS, PROBE, DESCRIPTION = "policy.safetensors", "probe.safetensors", "checkpoint.json"
HASHED = (WEIGHTS, PROBE)
"""Files whose SHA-256 the description holds: a flipped bit in a weight is otherwise a valid weight."""

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Checkpoint:
    """All that an export needs, so that it needs no dataset.

    Attributes:
        policy: the network with its weights, or a mixture of such.
        contract: the robot contract it was trained for.
        learner: name and options of what trained it, JSON-able.
        dataset_hash: of the dataset.
        unsafe_threshold_suggested: see ``models.learners.safety``; 1.0 when no safety classifier was trained.
        probe: stream key to ``(N, frames, ...)`` observations from the dataset, on which an export is compared.
    """

    policy: ActingPolicy
    contract: Contract
    learner: Mapping[str, Any]
    dataset_hash: str
    unsafe_threshold_suggested: float
    probe: Mapping[str, npt.NDArray[np.generic]]

    def save(self, directory: Path | str) -> None:
        """Write the three files; the directory is made when it does not exist."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        weights = {name: tensor.detach().contiguous() for name, tensor in self.policy.state_dict().items()}
        save_tensors(weights, directory / WEIGHTS)
        save_file({key: np.ascontiguousarray(rows) for key, rows in self.probe.items()}, directory / PROBE)
        description = {
            "format_version": FORMAT_VERSION,
            "sha256": {name: _sha256(directory / name) for name in HASHED},
            "policy": _describe(self.policy),
            "contract": self.contract.text,
            "learner": dict(self.learner),
            "dataset_hash": self.dataset_hash,
            "unsafe_threshold_suggested": self.unsafe_threshold_suggested,
        }
        (directory / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: Path | str) -> Checkpoint:
        """Read what ``save`` wrote; raises ``TrainingError`` when it is missing, damaged or of another version."""
        directory = Path(directory)
        try:
            description = json.loads((directory / DESCRIPTION).read_text(encoding="utf-8"))
            if description["format_version"] != FORMAT_VERSION:
                raise ValueError(f"format version {description['format_version']}, not {FORMAT_VERSION}")
            _check_files(directory, description)
            policy = _rebuild(description["policy"])
            policy.load_state_dict(load_tensors(directory / WEIGHTS))
            policy.eval()
            return cls(
                policy=policy,
                contract=parse_contract(description["contract"], name=f"{directory}:contract"),
                learner=description["learner"],
                dataset_hash=description["dataset_hash"],
                unsafe_threshold_suggested=float(description["unsafe_threshold_suggested"]),
                probe=load_file(directory / PROBE),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
            raise TrainingError(
                f"no usable checkpoint in {directory}",
                found=f"{type(error).__name__}: {error}",
                expected=f"{DESCRIPTION}, {WEIGHTS} and {PROBE} as a learner writes them",
                fix="train again with `understudy train`",
            ) from error


def _describe(policy: ActingPolicy) -> dict[str, Any]:
    if isinstance(policy, MixturePolicy):
        members = [member.specification.to_dict() for member in policy.policies]
        return {"mixture": {"weights": list(policy.weights), "members": members}}
    return policy.specification.to_dict()


def _rebuild(description: Mapping[str, Any]) -> ActingPolicy:
    """The networks, with numbers that are about to be loaded."""
    if "mixture" in description:
        mixture = description["mixture"]
        return MixturePolicy([_rebuild_one(member) for member in mixture["members"]], mixture["weights"])
    return _rebuild_one(description)


def _rebuild_one(description: Mapping[str, Any]) -> Policy:
    specification = PolicySpecification.from_dict(description)
    return Policy(specification, Scaling.identity(specification))


def _check_files(directory: Path, description: Mapping[str, Any]) -> None:
    """Raise ``TrainingError`` unless weights and probe are the very bytes that were saved."""
    hashes = description.get("sha256")
    if not isinstance(hashes, Mapping) or any(not isinstance(hashes.get(name), str) for name in HASHED):
        raise TrainingError(
            f"the checkpoint in {directory} does not say what its files have to be",
            found=f"no SHA-256 of {' and '.join(HASHED)} in {DESCRIPTION}",
            expected="a checkpoint by this version of Understudy; older ones cannot be told from damaged ones",
            fix="train again with `understudy train`",
        )
    for name in HASHED:
        found = _sha256(directory / name)
        if found != hashes[name]:
            raise TrainingError(
                f"{directory / name} is not the file that was saved",
                found=f"SHA-256 {found[:16]}…",
                expected=f"SHA-256 {hashes[name][:16]}…, as {DESCRIPTION} says",
                fix="copy the checkpoint again from where it was trained, or train again with `understudy train`",
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
