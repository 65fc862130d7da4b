"""Runs a peer's side in its own environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from bench.rewards.control.peers.order import Answer, Order
from models.errors import UnderstudyError

__all__ = ["peer_versions", "run_peer"]

ROOT = Path(__file__).parents[4]
PEER = ROOT / ".peers" / "imitation" / "bin" / "python"
# A training takes up to five minutes on a machine of its own.
PATIENCE_S = 1800.0


def run_peer(side: str, order: Order) -> Answer:
    """One training of ``ppo_side`` or ``gail_side``, one thread.

    Raises:
        UnderstudyError: the library is not installed, or the training failed.
    """
    if not PEER.is_file():
        raise UnderstudyError(
            "this experiment compares with `imitation` and stable-baselines3, which are not installed",
            found=f"no {PEER.relative_to(ROOT)}",
            fix="run: make peers    (once; 1.7 GB, outside git)",
        )
    done = subprocess.run(
        [PEER, "-m", f"bench.rewards.control.peers.{side}", order.to_json()],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if done.returncode:
        raise UnderstudyError(f"a training of {side} failed", found=done.stderr[-2000:])
    found = Answer.from_json(done.stdout.strip().splitlines()[-1])
    last = found.points[-1]
    print(
        f"    {side}, {order.gymnasium_id}, seed {order.seed}: {last.score:.1f} after {last.steps} steps, "
        f"{last.seconds:.1f} s",
        file=sys.stderr,
        flush=True,
    )
    return found


def peer_versions() -> dict[str, str]:
    """Of the libraries that decide what the peers' figures mean."""
    names = ("imitation", "stable-baselines3", "seals", "gymnasium", "numpy", "torch")
    code = f"import json; from importlib.metadata import version; print(json.dumps({{n: version(n) for n in {names}}}))"
    found: dict[str, str] = json.loads(subprocess.run([PEER, "-c", code], capture_output=True, check=True).stdout)
    return found
