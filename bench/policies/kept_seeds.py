"""What each seed of an experiment gave, kept when it is done: a run that was ended goes on with the next seed.

A seed takes minutes and an experiment five of them. What is kept counts only for the code, the settings and the
versions that it was found with, and only where it is asked for (``--resume``).
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from bench.harness import PACKAGES
from models.errors import UnderstudyError
from understudy.workspace import code_fingerprint, fingerprint

__all__ = ["Found", "KeptSeeds"]

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "runs" / "bench" / "policies"

Found = dict[str, Any]
"""What one seed gave, as it goes through JSON."""


class KeptSeeds:
    """The seeds of one experiment.

    Args:
        experiment: its name; also the folder's.
        settings: everything that decides about a seed's result beside the seed and the code, as JSON takes it.
        resume: whether what an earlier run kept is taken.
        folder: where the experiments' folders lie.

    Attributes:
        seconds: seed to the wall time that it took, in whichever run.
    """

    def __init__(self, experiment: str, settings: object, *, resume: bool, folder: Path = FOLDER) -> None:
        self._folder, self._resume = folder / experiment, resume
        code = code_fingerprint("models", "sim", "il_nodes", "bench/policies")
        versions = {name: metadata.version(name) for name in PACKAGES if name in ("numpy", "torch", "pybullet")}
        self._inputs = fingerprint(experiment, settings, code, versions)
        self.seconds: dict[int, float] = {}

    def result(self, seed: int, work: Callable[[], Found]) -> Found:
        """What an earlier run kept of a seed, or else what ``work`` gives, kept from now on.

        Raises:
            UnderstudyError: what was kept cannot be read.
        """
        path = self._folder / f"seed-{seed}.json"
        kept = self._kept(path) if self._resume else None
        if kept is None:
            started_s = time.perf_counter()
            found = work()
            kept = {"inputs": self._inputs, "seconds": round(time.perf_counter() - started_s, 1), "found": found}
            text = json.dumps(kept)
            self._folder.mkdir(parents=True, exist_ok=True)
            new = path.with_suffix(".json.new")
            new.write_text(text)
            os.replace(new, path)
            # Read back, so that what is kept and what is new are the same in kind.
            kept = json.loads(text)
        else:
            print(f"seed {seed}: taken from {path}", file=sys.stderr, flush=True)
        self.seconds[seed] = kept["seconds"]
        result: Found = kept["found"]
        return result

    def _kept(self, path: Path) -> dict[str, Any] | None:
        """What a file holds; ``None`` where there is none, or one of other code."""
        if not path.is_file():
            return None
        try:
            kept = json.loads(path.read_text())
            return dict(kept) if kept["inputs"] == self._inputs else None
        except (ValueError, KeyError, TypeError) as error:
            fix = "delete it, or leave out --resume"
            raise UnderstudyError(f"{path} cannot be read", found=str(error), fix=fix) from None
