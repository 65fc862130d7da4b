"""From a checkpoint to ``policy.onnx``. Only this file imports onnx, and only this and ``parity`` import torch."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from models.bundle.metadata import BundleMetadata, NoiseSource, Parity, Recurrence
from models.bundle.noise import NOISE_INPUT
from models.bundle.parity import measure_parity
from models.bundle.questions import known_answer
from models.bundle.reading import Bundle
from models.bundle.signature import OUTPUTS, STATE_INPUT, STATE_OUTPUT
from models.bundle.structure import read_structure
from models.bundle.torch_answers import noise_rows, random_observations
from models.bundle.verification import verify_bundle
from models.contract import Contract
from models.errors import BundleError
from models.policies.acting import ActingPolicy
from models.policies.checkpoint import Checkpoint

__all__ = ["BundleReport", "export_bundle"]

# The operator set that torch's exporter writes natively; any other goes through a converter.
OPSET = 18
# Of the noise of a policy that draws, unless whoever runs it chooses another; any number would do.
NOISE_SEED = 0
LIBRARIES = ("torch", "onnx", "onnxscript", "onnxruntime-gpu", "onnxruntime", "numpy")


@dataclass(frozen=True, slots=True)
class BundleReport:
    """What was exported.

    Attributes:
        path: the file.
        size: bytes.
        sha256: of the file, hex.
        opset: version of the ONNX operator set.
        parity: torch against ONNX Runtime.
        operators: operator types in the graph.
    """

    path: Path
    size: int
    sha256: str
    opset: int
    parity: Parity
    operators: tuple[str, ...]


def export_bundle(checkpoint: Checkpoint | Path | str, path: Path | str) -> BundleReport:
    """Write ``policy.onnx``, atomically, after it was compared with torch and read back.

    The same checkpoint gives the same bytes.

    Raises:
        TrainingError: the checkpoint cannot be read.
        BundleError: ONNX Runtime and torch differ by more than ``parity.PARITY_LIMIT``, the file fails its own checks,
            or the policy keeps a state and its contract does not say so (or the other way round).
    """
    if not isinstance(checkpoint, Checkpoint):
        checkpoint = Checkpoint.load(checkpoint)
    path = Path(path)
    if path.exists() and not path.is_file():
        raise BundleError(f"{path} is no file", expected="the name of a file to write, such as policy.onnx")
    checkpoint.contract.require_limits()
    policy = checkpoint.policy.eval()
    _require_same_memory(checkpoint)
    model = _to_onnx(policy)
    metadata = BundleMetadata(
        contract_text=checkpoint.contract.text,
        contract_hash=checkpoint.contract.hash,
        learner=checkpoint.learner,
        dataset_hash=checkpoint.dataset_hash,
        opset=OPSET,
        unsafe_threshold_suggested=checkpoint.unsafe_threshold_suggested,
        parity=measure_parity(checkpoint, model.SerializeToString()),
        known_answer=known_answer(policy),
        libraries=_library_versions(),
        graph_sha256=read_structure(model.SerializeToString()).graph_sha256,
        recurrence=_recurrence(policy),
        noise=NoiseSource(policy.noise_width, NOISE_SEED) if policy.noise_width else None,
    )
    for key, value in metadata.to_properties().items():
        model.metadata_props.add(key=key, value=value)
    bundle = _write_verified(path, model.SerializeToString(), checkpoint.contract)
    return BundleReport(path, bundle.size, bundle.sha256, OPSET, metadata.parity, bundle.operators)


def _require_same_memory(checkpoint: Checkpoint) -> None:
    config, memory = checkpoint.policy.specification.config, checkpoint.contract.memory
    if config.is_recurrent != memory.recurrent:
        raise BundleError(
            "the policy and its contract disagree about memory",
            found=f"a policy with memory={config.memory!r}; a contract with recurrent: {str(memory.recurrent).lower()}",
            expected="a recurrent policy if, and only if, the contract says memory: {recurrent: true}",
            fix="train with the contract that the robot has",
        )


def _recurrence(policy: ActingPolicy) -> Recurrence | None:
    config = policy.specification.config
    return Recurrence(policy.state_limit, config.memory_warm_up) if config.is_recurrent else None


class _Flat(nn.Module):
    """The policy with one positional argument an input: the exporter names positional inputs, not dictionary keys."""

    def __init__(self, policy: ActingPolicy) -> None:
        super().__init__()
        self.policy = policy
        self.keys = [stream.key for stream in policy.specification.streams]

    def forward(self, *arrays: Tensor) -> tuple[Tensor, ...]:
        """Arrays in the order of the streams, behind them the noise and the state of a policy that has them."""
        raw = dict(zip(self.keys, arrays, strict=False))
        noise = arrays[len(self.keys)] if self.policy.noise_width else None
        if not self.policy.is_recurrent:
            action, unsafe = self.policy(raw, noise)
            return action, unsafe
        outputs, state = self.policy.step(raw, arrays[-1], noise)
        return (*outputs, state)


def _to_onnx(policy: ActingPolicy) -> onnx.ModelProto:
    """The graph with a free batch axis, and without the names of files and modules that the exporter leaves in it."""
    rows = random_observations(policy, 2) | noise_rows(policy, 2)
    names = [stream.key for stream in policy.specification.streams] + [NOISE_INPUT] * (policy.noise_width > 0)
    arguments = [torch.from_numpy(rows[key]) for key in names]
    outputs = list(OUTPUTS)
    if policy.is_recurrent:
        names.append(STATE_INPUT)
        arguments.append(policy.initial_state(2))
        outputs.append(STATE_OUTPUT)
    batch = torch.export.Dim("N")
    with _quiet():
        program = torch.onnx.export(
            _Flat(policy),
            tuple(arguments),
            input_names=names,
            output_names=outputs,
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            dynamic_shapes=(tuple({0: batch} for _ in names),),
            verbose=False,
        )
    if program is None:
        raise BundleError("torch exported nothing")
    model: onnx.ModelProto = program.model_proto
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's remarks about itself and about torchvision, which nobody here uses."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _library_versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except ModuleNotFoundError:  # PackageNotFoundError is one: of the two ONNX Runtimes only one is installed.
            continue
    return found


def _write_verified(path: Path, content: bytes, contract: Contract) -> Bundle:
    """Write beside the target, check what reached the disk, then replace: a reader never sees half a bundle."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        bundle = verify_bundle(temporary, contract)
        temporary.replace(path)
        return bundle
    finally:
        temporary.unlink(missing_ok=True)
