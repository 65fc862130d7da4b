"""A bundle tried out in a process of its own: what it reports, and what it keeps away from the robot."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper
from policy_samples import CONTRACT, RECURRENT_CONTRACT, SMALL_BUNDLE, small_contract, small_observation
from recurrent_samples import accumulator, write_accumulator

from models.bundle.check_report import CheckReport
from models.bundle.child_check import _run, verify_in_child
from models.errors import BundleError
from models.runtime import PolicyRuntime

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def contract_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("contract") / "robot.yaml"
    path.write_text(CONTRACT)
    return path


@pytest.fixture(scope="module")
def report(contract_path: Path) -> CheckReport:
    return verify_in_child(SMALL_BUNDLE, contract_path)


def _check(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "models.bundle.check", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


# -- the command ------------------------------------------------------------------------------------------------------


def test_a_good_bundle_is_one_line_of_json(contract_path: Path) -> None:
    """Catches anything else on the line's way: the caller reads the last line of the output."""
    done = _check(SMALL_BUNDLE, "--contract", contract_path, "--json")
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    values = json.loads(done.stdout)
    assert values["ok"] is True
    assert values["contract_checked"] is True
    assert values["runs"] == 10
    assert 0.0 < values["median_ms"] <= values["longest_ms"]


def test_a_person_reads_the_same() -> None:
    done = _check(SMALL_BUNDLE)
    assert done.returncode == 0
    assert "small_car.onnx: good" in done.stdout
    assert "compared with no robot's" in done.stdout
    assert "CPUExecutionProvider" in done.stdout


def test_a_refusal_gives_the_reason_and_the_errors_exit_code(tmp_path: Path) -> None:
    """Catches a traceback, and a robot's script that takes a refused bundle for a good one."""
    robot = tmp_path / "robot.yaml"
    robot.write_text(CONTRACT.replace("max: 8", "max: 1"))
    refused = _check(SMALL_BUNDLE, "--contract", robot, "--json")
    values = json.loads(refused.stdout)
    assert (refused.returncode, refused.stderr) == (BundleError.exit_code, "")
    assert (values["ok"], values["error"]) == (False, "BundleError")
    assert "limits.twist.linear.x.max: policy 8 m/s, robot 1 m/s" in values["found"]
    robot.write_text("fps: fast")
    unread = _check(SMALL_BUNDLE, "--contract", robot)
    assert unread.returncode == 3
    assert "Traceback" not in unread.stderr
    assert "fps" in unread.stderr


# -- from the process that drives -------------------------------------------------------------------------------------


def test_the_child_reports_what_it_checked(report: CheckReport) -> None:
    runtime = PolicyRuntime.load(SMALL_BUNDLE, small_contract(), provider="cpu")
    assert report.sha256 == runtime.bundle.sha256
    assert report.size == runtime.bundle.size
    assert report.contract_hash == small_contract().hash
    assert report.provider == "CPUExecutionProvider"
    assert report.action_names == ("twist.linear.x", "twist.angular.z")
    assert (report.is_recurrent, report.chunk, report.runs) == (False, 2, 10)
    assert CheckReport.from_json(report.to_json()) == report


def test_a_recurrent_bundle_is_verified_too(tmp_path: Path) -> None:
    robot = tmp_path / "robot.yaml"
    robot.write_text(RECURRENT_CONTRACT)
    assert verify_in_child(write_accumulator(tmp_path / "policy.onnx"), robot).is_recurrent


def test_exactly_the_verified_bytes_are_loaded(report: CheckReport, tmp_path: Path) -> None:
    """Catches a file that is exchanged between the check and the load, for another that is good by itself."""
    same = tmp_path / "same.onnx"
    same.write_bytes(SMALL_BUNDLE.read_bytes())
    runtime = PolicyRuntime.load(same, small_contract(), provider="cpu", verified=report)
    plain = PolicyRuntime.load(SMALL_BUNDLE, provider="cpu")
    expected = plain.predict(small_observation()).actions
    assert runtime.predict(small_observation()).actions.tobytes() == expected.tobytes()
    other = write_accumulator(tmp_path / "other.onnx")
    with pytest.raises(BundleError, match="not the file any more that was verified"):
        PolicyRuntime.load(other, provider="cpu", verified=report)


def test_a_verified_bundle_still_needs_the_right_contract(report: CheckReport) -> None:
    """Catches a report for one robot that opens the door on another."""
    with pytest.raises(BundleError, match="another contract"):
        PolicyRuntime.load(SMALL_BUNDLE, small_contract(CONTRACT.replace("fps: 20", "fps: 30")), verified=report)


def test_what_the_child_replayed_is_not_replayed_again(tmp_path: Path) -> None:
    """Catches a load that asks the question again: at 640x480 its noise alone stops every thread for 12 ms a row."""
    model = accumulator()
    values = {entry.key: entry.value for entry in model.metadata_props}
    known = json.loads(values["understudy.known_answer"])
    known["action"][0][0][0] += 1.0
    helper.set_model_props(model, values | {"understudy.known_answer": json.dumps(known)})
    path = tmp_path / "policy.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(BundleError, match="does not give its known answer") as caught:
        verify_in_child(path, None)
    assert "action off by 0.125 of its range" in str(caught.value.found)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    told = CheckReport(str(path), sha256, 1, "", False, "CPUExecutionProvider", True, 1, ("a", "b"), 10, 1.0, 1.0)
    PolicyRuntime.load(path, provider="cpu", verified=told)


def test_reasons_reach_the_parent(tmp_path: Path) -> None:
    """Catches "verification failed" where the child knew why."""
    with pytest.raises(BundleError, match="cannot read the policy bundle"):
        verify_in_child(tmp_path / "missing.onnx", None)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(SMALL_BUNDLE.read_bytes()[:-1000])
    with pytest.raises(BundleError, match=r"not an ONNX file|metadata"):
        verify_in_child(broken, None)
    with pytest.raises(BundleError, match=r"no_robot\.yaml"):
        verify_in_child(SMALL_BUNDLE, tmp_path / "no_robot.yaml")


def test_the_child_finds_the_same_packages_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a child that imports what lies in the directory where the robot was started."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("raise SystemExit(99)")
    (tmp_path / "numpy.py").write_text("raise SystemExit(98)")
    monkeypatch.chdir(tmp_path)
    assert verify_in_child(SMALL_BUNDLE, None).size == SMALL_BUNDLE.stat().st_size


# -- what stays in the child ------------------------------------------------------------------------------------------


def _constant(name: str, data_type: int, values: list[float], dims: list[int]) -> Any:
    return helper.make_node("Constant", [], [name], value=helper.make_tensor(name, data_type, dims, values))


def _hungry() -> ModelProto:
    """Wants 6 GB for a tensor of which nothing is needed."""
    return accumulator(
        extra=[
            _constant("many", TensorProto.INT64, [3 * 2**29], [1]),
            helper.make_node("ConstantOfShape", ["many"], ["zeros"]),
            helper.make_node("ReduceSum", ["zeros"], ["nothing"], keepdims=0),
        ]
    )


def _endless() -> ModelProto:
    """Adds zeros up until the end of time."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["and_on"]),
            helper.make_node("Sin", ["sum_before"], ["sum_after"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum_before", TensorProto.FLOAT, [1]),
        ],
        [
            helper.make_tensor_value_info("and_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum_after", TensorProto.FLOAT, [1]),
        ],
    )
    return accumulator(
        extra=[
            _constant("turns", TensorProto.INT64, [2**62], []),
            _constant("yes", TensorProto.BOOL, [1], []),
            _constant("begin", TensorProto.FLOAT, [0.0], [1]),
            helper.make_node("Loop", ["turns", "yes", "begin"], ["nothing"], body=body),
        ]
    )


def test_a_bundle_that_eats_the_memory_is_refused(tmp_path: Path) -> None:
    """Catches a child without a limit, which the system would answer by killing whoever is largest."""
    path = tmp_path / "hungry.onnx"
    path.write_bytes(_hungry().SerializeToString())
    with pytest.raises(BundleError) as caught:
        verify_in_child(path, None)
    assert "alloc" in str(caught.value).lower() or "memory" in str(caught.value).lower()


def test_a_bundle_that_hangs_is_given_up(tmp_path: Path) -> None:
    """Catches a swap that waits for ever, and a child that goes on after nobody waits for it any more."""
    path = tmp_path / "endless.onnx"
    path.write_bytes(_endless().SerializeToString())
    with pytest.raises(BundleError, match="could not be verified in time"):
        verify_in_child(path, None, timeout_s=4.0)
    assert not _children_with(str(path))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_the_child_ends_with_whoever_waits_for_it(tmp_path: Path) -> None:
    """Catches a child that a killed node leaves behind: on a file that hangs whoever opens it, it stays for ever."""
    path = tmp_path / "hangs.onnx"
    os.mkfifo(path)
    program = "import sys; from models.bundle.child_check import verify_in_child; verify_in_child(sys.argv[1], None)"
    parent = subprocess.Popen([sys.executable, "-c", program, str(path)], cwd=ROOT)
    try:
        _wait_until(lambda: len(_children_with(str(path))) == 2, "the child")
    finally:
        parent.kill()
        parent.wait()
    try:
        _wait_until(lambda: not _children_with(str(path)), "its end")
    finally:
        with contextlib.suppress(OSError):  # whoever still hangs there finds a file that is empty
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))


def _wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < deadline, f"not within a minute: {what}"
        time.sleep(0.02)


def _children_with(argument: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().decode(errors="replace")
        except OSError:  # It has ended meanwhile.
            continue
        if argument in command:
            found.append(command)
    return found


CRASHES = {
    "segmentation fault": ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
    "out of memory": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "where memory runs out"),
    "abort": ("import os, sys; sys.stderr.write('terminate called'); sys.stderr.flush(); os.abort()", "SIGABRT: term"),
    "exit without a word": ("raise SystemExit(7)", "exit code 7"),
    "success without a word": ("pass", "exit code 0"),
    "success with other words": ("print('{}')", "exit code 0"),
    "refusal with other words": ("print('[1, 2]'); raise SystemExit(6)", "exit code 6"),
}


@pytest.mark.parametrize("name", CRASHES)
def test_a_crash_is_explained(name: str) -> None:
    """Catches a crash that takes the parent along, or that passes for a bundle that is good."""
    program, words = CRASHES[name]
    with pytest.raises(BundleError, match="brought down the process") as caught:
        _run([sys.executable, "-c", program], "policy.onnx", 30.0)
    assert words in str(caught.value.found)


def test_every_signal_has_a_name() -> None:
    """Catches a signal that cannot be named while its crash is explained."""
    with pytest.raises(BundleError) as caught:
        _run(
            [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGRTMIN + 3)"],
            "policy.onnx",
            30.0,
        )
    assert str(signal.SIGRTMIN + 3) in str(caught.value.found)


def test_no_process_is_no_traceback() -> None:
    with pytest.raises(BundleError, match="no process could be started"):
        _run(["/no/such/python"], "policy.onnx", 30.0)


def test_timings_are_plausible(report: CheckReport) -> None:
    assert 0.0 < report.median_ms <= report.longest_ms < 1e4
    assert np.isfinite(report.longest_ms)
