"""Try a bundle out in a process of its own: ``python -m models.bundle.check policy.onnx --contract robot.yaml``.

Everything is checked that :class:`models.runtime.PolicyRuntime` checks, and then the graph runs a few times. A file
that brings ONNX Runtime down, or eats the memory, brings down this process and no robot. The exit code is the error's.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from models.bundle.check_report import CheckReport
from models.bundle.providers import open_graph
from models.bundle.reading import inspect_bundle
from models.bundle.session import ProviderChoice
from models.bundle.verification import require_contract
from models.contract import load_contract
from models.errors import BundleError, UnderstudyError

__all__ = ["check_bundle", "main"]

RUNS = 10
# The interpreter, ONNX Runtime and its CUDA half together map 2 GiB, most of it never touched; a bundle has 512 MiB at
# most. What needs more than this on the CPU would push a robot's other processes out of memory.
MEMORY_BYTES = 4 * 1024**3
# Of prctl(2): the signal that this process gets when the thread that started it has ended.
_PR_SET_PDEATHSIG = 1


def check_bundle(path: Path, contract_path: Path | None, provider: ProviderChoice = "cpu") -> CheckReport:
    """Load, compare with the contract, replay the known answer, time a few runs.

    Raises:
        ContractError: the robot's contract cannot be read.
        BundleError: with one reason of the table in ``docs/bundle.md``.
    """
    contract = None if contract_path is None else load_contract(contract_path)
    bundle = inspect_bundle(path)
    if contract is not None:
        require_contract(bundle, contract)
    loaded = open_graph(bundle, provider, threads=1)
    question = bundle.metadata.known_answer.question(0)
    times_ms = []
    for _ in range(RUNS):
        begun_s = time.perf_counter()
        loaded.graph.step(question)
        times_ms.append(1e3 * (time.perf_counter() - begun_s))
    return CheckReport(
        path=str(path),
        sha256=bundle.sha256,
        size=bundle.size,
        contract_hash=bundle.contract.hash,
        contract_checked=contract is not None,
        provider=loaded.provider,
        is_recurrent=bundle.is_recurrent,
        chunk=bundle.chunk,
        action_names=bundle.contract.action_names,
        runs=RUNS,
        median_ms=float(np.median(times_ms)),
        longest_ms=max(times_ms),
        noise_width=bundle.noise_width,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a report or the reason, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m models.bundle.check", description="Check a policy bundle.")
    parser.add_argument("path", type=Path, help="the policy.onnx")
    parser.add_argument("--contract", type=Path, help="the robot's; without it the bundle's own is believed")
    parser.add_argument("--provider", choices=get_args(ProviderChoice), default="cpu", help="what the graph runs on")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("--nice", type=int, default=0, metavar="N", help="leave the processor to others, 0 to 19")
    parser.add_argument("--parent", type=int, default=0, metavar="PID", help="end when this process, its parent, does")
    options = parser.parse_args(arguments)
    if options.parent:
        _end_with(options.parent)
    os.nice(options.nice)
    _limit_resources(options.provider)
    try:
        report = check_bundle(options.path, options.contract, options.provider)
    except MemoryError:
        error: UnderstudyError = BundleError(
            f"{options.path.name} needs too much memory",
            expected=f"less than {MEMORY_BYTES // 1024**3} GiB in all",
        )
    except UnderstudyError as refused:
        error = refused
    else:
        print(report.to_json() if options.json else _for_a_person(report))
        return 0
    print(_error_line(error) if options.json else error, file=sys.stdout if options.json else sys.stderr)
    return error.exit_code


def _end_with(parent: int) -> None:
    """Leave nobody behind: what hangs or counts for ever in here was bounded by the parent's patience alone.

    Linux tells a child of its parent's death; elsewhere this asks only once whether it has happened already.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # a C library that does not know of it
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit(1)


def _limit_resources(provider: str) -> None:
    """Bound the memory and leave no core file; CUDA maps far more than it uses, so that only the CPU can be bounded."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if provider == "cpu":
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _error_line(error: UnderstudyError) -> str:
    return json.dumps(
        {
            "ok": False,
            "error": type(error).__name__,
            "problem": error.problem,
            "found": None if error.found is None else str(error.found),
            "expected": error.expected,
            "fix": error.fix,
        },
        sort_keys=True,
    )


def _for_a_person(report: CheckReport) -> str:
    contract = "the robot's" if report.contract_checked else "its own, compared with no robot's"
    return "\n".join(
        [
            f"{report.path}: good",
            f"  SHA-256:  {report.sha256}",
            f"  contract: {report.contract_hash[:12]}, {contract}",
            f"  policy:   {report.chunk} x {', '.join(report.action_names)}"
            + (", with a recurrent state" if report.is_recurrent else "")
            + (f", drawn with {report.noise_width} numbers a tick" if report.noise_width else ""),
            f"  one run:  {report.median_ms:.3g} ms (longest of {report.runs}: {report.longest_ms:.3g} ms), "
            f"{report.provider}",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
