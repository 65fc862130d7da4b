"""The runtime on the robot's side: what it answers, what it refuses, and what it never imports."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from policy_samples import CAMERA, CONTRACT, SMALL_BUNDLE, STATE, small_checkpoint, small_contract, small_observation

from models.data import Observation
from models.errors import BundleError, ObservationError
from models.runtime import PolicyRuntime

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def runtime() -> PolicyRuntime:
    return PolicyRuntime.load(SMALL_BUNDLE, small_contract(), provider="cpu")


def _with(key: str, array: Any) -> Observation:
    whole = small_observation()
    return Observation(whole.stamp_ns, dict(whole.arrays) | {key: array}, whole.source_stamps_ns)


def test_predicts_what_torch_predicts(runtime: PolicyRuntime) -> None:
    """Catches a stream fed to another's input, a lost stamp, or a batch axis that leaks."""
    policy = small_checkpoint(chunk=2).policy
    for seed in range(5):
        observation = small_observation(seed, stamp_ns=10**18 + seed)
        proposal = runtime.predict(observation)
        expected, unsafe = policy.act(observation.arrays)
        assert proposal.stamp_ns == 10**18 + seed
        assert proposal.names == ("twist.linear.x", "twist.angular.z")
        assert proposal.actions.shape == (2, 2)
        assert proposal.actions.dtype == np.float32
        np.testing.assert_allclose(proposal.actions, expected, atol=1e-5)
        assert proposal.unsafe_probability == pytest.approx(unsafe, abs=1e-5)


def test_answers_do_not_depend_on_what_came_before(runtime: PolicyRuntime) -> None:
    """Catches state that survives between ticks or a reset: these bytes must repeat."""
    first = runtime.predict(small_observation(1)).actions.tobytes()
    runtime.predict(small_observation(2))
    runtime.warm_up()
    runtime.reset()
    assert runtime.predict(small_observation(1)).actions.tobytes() == first


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_do_not_change_the_answer(runtime: PolicyRuntime, threads: int) -> None:
    other = PolicyRuntime.load(SMALL_BUNDLE, provider="cpu", threads=threads)
    expected = runtime.predict(small_observation()).actions
    np.testing.assert_allclose(other.predict(small_observation()).actions, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("key", "array", "message"),
    [
        (STATE, np.full((2, 2), math.nan, np.float32), f"{STATE}' is not finite"),
        (STATE, np.array([[0, 0], [0, math.inf]], np.float32), f"{STATE}' is not finite"),
        (STATE, np.zeros((2, 2)), f"{STATE}' is not what"),
        (STATE, np.zeros((1, 2), np.float32), f"{STATE}' is not what"),
        (STATE, np.zeros((2, 3), np.float32), f"{STATE}' is not what"),
        (CAMERA, np.zeros((2, 16, 24, 3), np.float32), f"{CAMERA}' is not what"),
        (CAMERA, np.zeros((2, 24, 16, 3), np.uint8), f"{CAMERA}' is not what"),
        (CAMERA, np.zeros((2, 16, 24), np.uint8), f"{CAMERA}' is not what"),
    ],
)
def test_bad_observations_are_refused_and_the_stream_named(
    runtime: PolicyRuntime, key: str, array: Any, message: str
) -> None:
    """Catches what ONNX Runtime would convert, broadcast or answer with NaN."""
    with pytest.raises(ObservationError, match=message):
        runtime.predict(_with(key, array))


@pytest.mark.parametrize(
    ("key", "array", "advice"),
    [
        (CAMERA, np.zeros((16, 24, 3), np.uint8), "stack the last 2 ticks"),
        (CAMERA, np.zeros((2, 16, 24, 3), np.float32), "give the pixels as they are, 0 to 255"),
        (STATE, np.zeros((2, 2)), "astype(np.float32)"),
        (CAMERA, np.zeros((2, 24, 16, 3), np.uint8), "check the camera's size"),
    ],
    ids=["one picture", "scaled pixels", "float64", "another size"],
)
def test_a_beginners_array_is_answered_with_what_to_do(
    runtime: PolicyRuntime, key: str, array: Any, advice: str
) -> None:
    """Catches advice about the camera's size where the stack of frames, or the type, is what is missing."""
    with pytest.raises(ObservationError) as caught:
        runtime.predict(_with(key, array))
    assert advice in caught.value.fix


def test_missing_stream_is_named(runtime: PolicyRuntime) -> None:
    whole = small_observation()
    with pytest.raises(ObservationError, match=f"no stream '{STATE}'"):
        runtime.predict(Observation(0, {CAMERA: whole.arrays[CAMERA]}, {}))


def test_streams_that_the_policy_does_not_use_are_ignored(runtime: PolicyRuntime) -> None:
    observation = _with("observation.images.left", np.zeros((2, 4, 4, 3), np.uint8))
    assert np.isfinite(runtime.predict(observation).actions).all()


def test_another_contract_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="fps"):
        PolicyRuntime.load(SMALL_BUNDLE, small_contract(CONTRACT.replace("fps: 20", "fps: 30")))


def test_auto_provider_runs_and_says_what() -> None:
    """Catches a note about another provider than the one that runs."""
    runtime = PolicyRuntime.load(SMALL_BUNDLE)
    assert runtime.provider_note.lower().startswith(runtime.provider.removesuffix("ExecutionProvider").lower())
    assert np.isfinite(runtime.predict(small_observation()).actions).all()


QUIET_LOAD = """
import sys
from models.runtime import PolicyRuntime
PolicyRuntime.load(sys.argv[1], provider="auto").warm_up()
"""

IMPORTS = """
import importlib, sys
import models.runtime, models.bundle
for name in ("codecs", "observation.assembler", "gate.gate", "bags", "nodes.policy", "nodes.gate", "nodes.recorder"):
    importlib.import_module(f"il_nodes.{name}")
models.bundle.verify_bundle(sys.argv[1])
models.runtime.PolicyRuntime.load(sys.argv[1], provider="cpu").warm_up()
heavy = {"torch", "pybullet", "onnx", "onnxscript", "safetensors"} & set(sys.modules)
print(",".join(sorted(heavy)) or "none")
"""


def _python(program: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.ros
def test_a_robot_loads_neither_torch_nor_pybullet() -> None:
    """Catches one import in the wrong place: the robot has none of these packages."""
    done = _python(IMPORTS, str(SMALL_BUNDLE))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "none"


def test_the_example_for_other_readers_runs() -> None:
    """Catches a page that describes another file than the exporter writes: its example replays the known answer."""
    page = (ROOT / "docs" / "bundle.md").read_text(encoding="utf-8")
    program = page.split("```python")[1].split("```")[0]
    done = _python(program)
    assert done.returncode == 0, done.stderr
    action_error, unsafe_error = map(float, done.stdout.split())
    assert max(action_error, unsafe_error) < 1e-4


def test_loading_prints_nothing() -> None:
    """Catches ONNX Runtime's complaints about graphics cards that are not there."""
    done = _python(QUIET_LOAD, str(SMALL_BUNDLE))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
