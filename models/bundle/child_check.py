"""Verify a bundle in a child process, before the process that drives a robot touches it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from models.bundle.check_report import CheckReport
from models.bundle.session import ProviderChoice
from models.errors import BundleError

__all__ = ["verify_in_child"]

# Where the packages lie: the child must find the same ones, wherever the parent was started.
_ROOT = Path(__file__).resolve().parents[2]
# Of what a crashing library says last, as much as fits into a diagnostics line.
_LAST_WORDS = 300
# Below everything that drives, above what the system does when nobody needs it.
_NICE = 10


def verify_in_child(
    path: Path | str,
    contract_path: Path | str | None,
    timeout_s: float = 30.0,
    provider: ProviderChoice = "cpu",
) -> CheckReport:
    """Run :mod:`models.bundle.check` on a bundle at low priority, and wait for it.

    A crash, a hang or a hunger for memory stays in the child, which ends with this process. Give the report to
    ``PolicyRuntime.load(verified=...)``, which then accepts the very bytes that were checked and no others.

    Args:
        path: the ``policy.onnx``.
        contract_path: the robot's contract; ``None`` to believe the bundle's.
        timeout_s: until the child is killed.
        provider: what the child runs the graph on.

    Raises:
        BundleError: the bundle is refused, or its child crashed or took too long; with the reason.
    """
    # From its first instruction on where that is possible: most of its time goes into imports.
    nice = shutil.which("nice")
    command = [nice, "-n", str(_NICE)] if nice else []
    command += [sys.executable, "-P", "-m", "models.bundle.check", str(path), "--json"]
    command += ["--provider", provider, "--nice", str(0 if nice else _NICE), "--parent", str(os.getpid())]
    if contract_path is not None:
        command += ["--contract", str(contract_path)]
    return _run(command, Path(path).name, timeout_s)


def _run(command: Sequence[str], name: str, timeout_s: float) -> CheckReport:
    """What the child reports, or ``BundleError``."""
    path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH", "")]))
    try:
        done = subprocess.run(
            command,
            env=os.environ | {"PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BundleError(
            f"{name} could not be verified in time",
            found=f"no answer after {timeout_s:g} s",
            fix="the graph hangs or is far too slow, or the machine is very busy: try again when it is not",
        ) from error
    except OSError as error:
        raise BundleError(f"no process could be started to verify {name}", found=error.strerror) from error
    lines = done.stdout.decode(errors="replace").splitlines()
    try:
        if done.returncode == 0:
            return CheckReport.from_json(lines[-1])
        refusal = json.loads(lines[-1])
        problem, found, expected, fix = (refusal[key] for key in ("problem", "found", "expected", "fix"))
    except (IndexError, ValueError, TypeError, KeyError) as error:
        raise _crash(name, done.returncode, done.stderr) from error
    raise BundleError(problem, found=found, expected=expected, fix=fix)


def _crash(name: str, code: int, stderr: bytes) -> BundleError:
    said = " ".join(stderr.decode(errors="replace").split())[-_LAST_WORDS:]
    how = f"exit code {code}"
    if code < 0:
        how = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        if -code == signal.SIGKILL:
            how += ", which the system sends where memory runs out"
    return BundleError(
        f"{name} brought down the process that tried it out",
        found=f"{how}{f': {said}' if said else ''}",
        fix="export it again; a bundle that does this on a healthy machine is damaged or hostile",
    )
