"""Doctor, the packages: whether each can be imported, and whether the inference provider computes."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from understudy.doctor.diagnosis import OK, PROBLEM, WARNING, Check, Patient, Row
from understudy.environment.ros_environment import drop_foreign_ros_libraries

__all__ = ["CHECKS", "run_probe"]

_GROUP = "packages"


@dataclass(frozen=True)
class _Package:
    """``module`` is imported, the version is that of ``distribution``, ``purpose`` says who misses it."""

    module: str
    distribution: str
    purpose: str


_ROBOT = (
    _Package("numpy", "numpy", "robot"),
    _Package("yaml", "pyyaml", "robot"),
    _Package("cv2", "opencv-python-headless", "robot"),
    _Package("onnxruntime", "onnxruntime-gpu", "robot"),
    _Package("rosbags", "rosbags", "robot"),
    _Package("mcap", "mcap", "robot"),
    _Package("rclpy", "ros-jazzy-rclpy", "robot"),
)
_TRAINING = (
    _Package("torch", "torch", "training"),
    _Package("onnx", "onnx", "training"),
    _Package("onnxscript", "onnxscript", "training"),
    _Package("safetensors", "safetensors", "training"),
    _Package("matplotlib", "matplotlib", "training"),
)
_SIMULATION = (_Package("pybullet", "pybullet", "simulation"), _Package("gymnasium", "gymnasium", "simulation"))

_EXTRAS = {"robot": "pip install understudy", "training": "pip install 'understudy[train]'"} | {
    "simulation": "pip install 'understudy[sim]'"
}
_MENDS = {
    "rclpy": "pip install 'understudy[ros]' (x86_64), or source ROS 2 Jazzy's setup.bash before",
    "cv2": "pip uninstall opencv-python, then pip install --force-reinstall opencv-python-headless (it needs no libGL)",
}

# One process for all of them: each import is tried, whatever the others did. Prints one JSON object as its last line.
_IMPORT_PROBE = """
import contextlib, importlib, io, json, sys
found = {}
for module in sys.argv[1:]:
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            found[module] = str(getattr(importlib.import_module(module), "__version__", ""))
    except BaseException as error:
        found[module] = "!" + (type(error).__name__ + ": " + str(error)).strip().splitlines()[0]
    print(json.dumps(found), flush=True)
"""

_PROVIDER_PROBE = """
import json, numpy as np, onnx, onnxruntime as ort
from onnx import TensorProto, helper
ort.set_default_logger_severity(4)
x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [64, 64])
y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [64, 64])
graph = helper.make_graph([helper.make_node("MatMul", ["x", "x"], ["y"])], "g", [x], [y])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
a = np.eye(64, dtype=np.float32) * 2
found = {"available": ort.get_available_providers()}
for provider in ("CUDAExecutionProvider", "CPUExecutionProvider"):
    try:
        session = ort.InferenceSession(model.SerializeToString(), providers=[provider])
        used = session.get_providers()[0]
        right = bool(np.allclose(session.run(None, {"x": a})[0], a @ a))
        found[provider] = "works" if used == provider and right else "fell back to " + used if right else "wrong result"
    except Exception as error:
        found[provider] = str(error).splitlines()[0]
print(json.dumps(found))
"""


def run_probe(
    code: str, arguments: Sequence[str], environment: Mapping[str, str], timeout_s: float
) -> tuple[dict[str, object], str]:
    """Run a snippet in a process of its own.

    Returns:
        The last JSON object that it printed (empty without one), and why it failed (empty when it did not).
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env=drop_foreign_ros_libraries(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        return {}, f"no answer within {timeout_s:.0f} s"
    answer: dict[str, object] = {}
    for line in done.stdout.splitlines():
        try:
            parsed = json.loads(line)
        except ValueError:
            continue
        answer = parsed if isinstance(parsed, dict) else answer
    if done.returncode == 0:
        return answer, ""
    words = [line for line in done.stderr.splitlines() if line.strip()]
    return answer, words[-1] if words else f"exit code {done.returncode}"


def _version(package: _Package, reported: str) -> str:
    for name in (package.distribution, package.distribution.removesuffix("-gpu"), package.module):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return reported or "version unknown"


def check_packages(patient: Patient) -> Sequence[Row]:
    """Import every package; a missing one is a problem on the robot's side, a warning elsewhere."""
    packages = (*_ROBOT, *_TRAINING, *_SIMULATION)
    remaining = [package.module for package in packages]
    found: dict[str, object] = {}
    while remaining:  # an import that kills the process ends one round, not the examination
        answer, failure = run_probe(_IMPORT_PROBE, remaining, patient.environment, patient.timeout_s)
        found |= answer
        left = [module for module in remaining if module not in found]
        if left:
            found[left[0]] = f"!{failure or 'importing it ended the process'}"
        remaining = left[1:]
    return [_package_row(package, str(found[package.module])) for package in packages]


def _package_row(package: _Package, reported: str) -> Row:
    name = f"{package.module} ({package.purpose})"
    if not reported.startswith("!"):
        return Row(_GROUP, name, OK, _version(package, reported))
    level = PROBLEM if package.purpose == "robot" else WARNING
    mend = _MENDS.get(package.module, _EXTRAS[package.purpose])
    return Row(_GROUP, name, level, reported[1:], mend)


def check_provider(patient: Patient) -> Sequence[Row]:
    """Multiply a matrix on each execution provider: a listed provider may still not load."""
    answer, failure = run_probe(_PROVIDER_PROBE, (), patient.environment, patient.timeout_s)
    name = "inference provider"
    if not answer:
        return [Row(_GROUP, name, WARNING, f"not tried: {failure}", "install onnx and onnxruntime to have it tried")]
    rows = []
    cpu, cuda = str(answer["CPUExecutionProvider"]), str(answer["CUDAExecutionProvider"])
    mend = "" if cpu == "works" else "pip install --force-reinstall onnxruntime-gpu"
    rows.append(Row(_GROUP, f"{name}: CPU", OK if cpu == "works" else PROBLEM, cpu, mend))
    if cuda == "works":
        rows.append(Row(_GROUP, f"{name}: CUDA", OK, "works"))
    elif _has_nvidia_device():
        mend = "install CUDA 12 and cuDNN 9 where the loader finds them, or deploy with --provider cpu"
        rows.append(Row(_GROUP, f"{name}: CUDA", WARNING, cuda, mend))
    else:
        rows.append(Row(_GROUP, f"{name}: CUDA", OK, "no NVIDIA device here; the CPU is used"))
    return rows


def _has_nvidia_device() -> bool:
    from pathlib import Path

    return any(Path("/dev").glob("nvidia[0-9]*"))


CHECKS: tuple[Check, ...] = (check_packages, check_provider)
