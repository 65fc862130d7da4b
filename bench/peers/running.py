"""Runs the sides of a comparison: each training in a process of its own, the peer's in the peer's environment."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from bench.peers.order import PeerOrder
from models.errors import UnderstudyError

__all__ = ["PEER", "peer_versions", "require_peer", "run_side"]

ROOT = Path(__file__).parent.parent.parent
PEER = ROOT / ".peers" / "imitation" / "bin" / "python"
#: Minutes, on a machine of its own, are what a training of the slower side takes.
PATIENCE_S = 1800.0


def run_side(program: str, module: str, order: PeerOrder, *, threads: int = 1) -> dict[str, Any]:
    """One training; what it answered in its last line.

    Args:
        program: the Python that runs it.
        module: the side.
        order: on its command line.
        threads: that it may use; 0 leaves them to torch.

    Raises:
        UnderstudyError: it failed.
    """
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment |= {"PYTHONPATH": str(ROOT)} | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
    done = subprocess.run(
        [program, "-m", module, order.to_json()],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if done.returncode:
        raise UnderstudyError(f"a training of {module} failed", found=done.stderr[-2000:])
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def require_peer() -> None:
    """Refuse to begin without the other side."""
    if not (PEER.parent.parent / ".installed").is_file():
        raise UnderstudyError(
            "this bench compares with `imitation`, which is not installed",
            found=f"no {PEER.parent.parent.relative_to(ROOT)}",
            fix="run: make peers    (once; 1.7 GB, outside git)",
        )


def peer_versions(*further: str) -> dict[str, str]:
    """Of the libraries that decide what the peer's figures mean, and of ``further`` ones."""
    names = ("imitation", "stable-baselines3", "gymnasium", "numpy", "torch", *further)
    code = f"import json; from importlib.metadata import version; print(json.dumps({{n: version(n) for n in {names}}}))"
    found: dict[str, str] = json.loads(subprocess.run([PEER, "-c", code], capture_output=True, check=True).stdout)
    return found
