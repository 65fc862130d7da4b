"""From a checkpoint to ``policy.onnx``. The only file of this package that imports torch and onnx."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor, nn

from models.bundle.known_answer import KnownAnswer, noise_image, noise_vector
from models.bundle.metadata import BundleMetadata, Parity
from models.bundle.reading import OUTPUTS, Bundle
from models.bundle.session import CPU, Session
from models.bundle.structure import read_structure
from models.bundle.verification import verify_bundle
from models.contract import Contract
from models.data import FloatArray
from models.errors import BundleError
from models.policies import Policy
from models.policies.checkpoint import Checkpoint

__all__ = ["BundleReport", "export_bundle"]

# The operator set that torch's exporter writes natively; any other goes through a converter.
OPSET = 18
# Largest accepted difference between torch and ONNX Runtime: of actions as a share of their range, and of the
# probability. float32 sums in another order differ by about 1e-6.
PARITY_LIMIT = 1e-5
# At least this many observations are compared, half of them from the dataset where it has as many.
PARITY_OBSERVATIONS = 320
# Rows of the known answer: enough that a unit which is dead on one is alive on another.
KNOWN_ANSWERS = 4
LIBRARIES = ("torch", "onnx", "onnxscript", "onnxruntime-gpu", "onnxruntime", "numpy")

Arrays = Mapping[str, npt.NDArray[np.generic]]


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
        BundleError: ONNX Runtime and torch differ by more than ``PARITY_LIMIT``, or the file fails its own checks.
    """
    if not isinstance(checkpoint, Checkpoint):
        checkpoint = Checkpoint.load(checkpoint)
    path = Path(path)
    if path.exists() and not path.is_file():
        raise BundleError(f"{path} is no file", expected="the name of a file to write, such as policy.onnx")
    checkpoint.contract.require_limits()
    policy = checkpoint.policy.eval()
    model = _to_onnx(policy)
    metadata = BundleMetadata(
        contract_text=checkpoint.contract.text,
        contract_hash=checkpoint.contract.hash,
        learner=checkpoint.learner,
        dataset_hash=checkpoint.dataset_hash,
        opset=OPSET,
        unsafe_threshold_suggested=checkpoint.unsafe_threshold_suggested,
        parity=_measure_parity(checkpoint, model.SerializeToString()),
        known_answer=_known_answer(policy),
        libraries=_library_versions(),
        graph_sha256=read_structure(model.SerializeToString()).graph_sha256,
    )
    for key, value in metadata.to_properties().items():
        model.metadata_props.add(key=key, value=value)
    bundle = _write_verified(path, model.SerializeToString(), checkpoint.contract)
    return BundleReport(path, bundle.size, bundle.sha256, OPSET, metadata.parity, bundle.operators)


class _Flat(nn.Module):
    """The policy with one positional argument a stream: the exporter names positional inputs, not dictionary keys."""

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.policy = policy
        self.keys = [stream.key for stream in policy.specification.streams]

    def forward(self, *arrays: Tensor) -> tuple[Tensor, Tensor]:
        """Arrays in the order of the streams."""
        action, unsafe = self.policy(dict(zip(self.keys, arrays, strict=True)))
        return action, unsafe


def _to_onnx(policy: Policy) -> onnx.ModelProto:
    """The graph with a free batch axis, and without the names of files and modules that the exporter leaves in it."""
    rows = _random_observations(policy, 2)
    keys = [stream.key for stream in policy.specification.streams]
    batch = torch.export.Dim("N")
    with _quiet():
        program = torch.onnx.export(
            _Flat(policy),
            tuple(torch.from_numpy(rows[key]) for key in keys),
            input_names=keys,
            output_names=list(OUTPUTS),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            dynamic_shapes=(tuple({0: batch} for _ in keys),),
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


def _measure_parity(checkpoint: Checkpoint, content: bytes) -> Parity:
    """Compare on observations from the dataset and on random ones, or raise ``BundleError``."""
    policy = checkpoint.policy
    real = next((len(rows) for rows in checkpoint.probe.values()), 0)
    noise = _random_observations(policy, PARITY_OBSERVATIONS - min(real, PARITY_OBSERVATIONS // 2))
    rows = {key: np.concatenate([checkpoint.probe[key], noise[key]]) if real else noise[key] for key in noise}
    expected_action, expected_unsafe = _torch_answer(policy, rows)
    action, unsafe = Session(content, CPU, threads=1).run(rows)
    span = checkpoint.contract.action_maximum - checkpoint.contract.action_minimum
    parity = Parity(
        observations=len(action),
        action=float(np.max(np.abs(action - expected_action) / span)),
        unsafe_probability=float(np.max(np.abs(unsafe - expected_unsafe))),
    )
    # Written so that NaN fails as well.
    if not (parity.action <= PARITY_LIMIT and parity.unsafe_probability <= PARITY_LIMIT):
        raise BundleError(
            "the exported graph does not compute what torch computes",
            found=f"{parity}",
            expected=f"errors of at most {PARITY_LIMIT:g}",
            fix="this is a defect of the export or of a library version: report it with the versions",
        )
    return parity


def _known_answer(policy: Policy) -> KnownAnswer:
    frames = policy.specification.frames
    images: dict[str, tuple[int, ...]] = {}
    vectors: dict[str, FloatArray] = {}
    rows: dict[str, npt.NDArray[np.generic]] = {}
    for stream, encoder in policy.inputs():
        shape = (frames, *stream.shape)
        if stream.is_image:
            images[stream.key] = shape
            rows[stream.key] = np.stack([noise_image(stream.key, index, shape) for index in range(KNOWN_ANSWERS)])
        else:
            mean, scale = encoder.normalizer.mean.numpy(), encoder.normalizer.scale.numpy()
            noise = [noise_vector(stream.key, index, mean, scale, frames) for index in range(KNOWN_ANSWERS)]
            vectors[stream.key] = np.stack(noise)
            rows[stream.key] = vectors[stream.key]
    action, unsafe = _torch_answer(policy, rows)
    return KnownAnswer(images, vectors, action, unsafe)


def _random_observations(policy: Policy, count: int) -> dict[str, npt.NDArray[np.generic]]:
    """Uniform pixels, and vectors three times as wide as the dataset's; the same numbers every time."""
    random = np.random.default_rng(0)
    rows: dict[str, npt.NDArray[np.generic]] = {}
    for stream, encoder in policy.inputs():
        shape = (count, policy.specification.frames, *stream.shape)
        if stream.is_image:
            rows[stream.key] = random.integers(0, 256, shape, dtype=np.uint8)
        else:
            normal = encoder.normalizer.inverse(torch.from_numpy(3.0 * random.standard_normal(shape, np.float32)))
            rows[stream.key] = normal.numpy()
    return rows


def _torch_answer(policy: Policy, rows: Arrays) -> tuple[FloatArray, FloatArray]:
    with torch.inference_mode():
        action, unsafe = policy({key: torch.from_numpy(np.ascontiguousarray(values)) for key, values in rows.items()})
    return action.numpy(), unsafe.numpy()


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
