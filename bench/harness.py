"""What every bench shares: its options, its goals, the machine it ran on, and the JSON it leaves behind.

A bench is run as ``python -m bench.NAME [--quick] [--seeds N]`` and ends with :meth:`Bench.finish`, which prints one
JSON line, writes ``bench/results/NAME.json`` (``NAME.quick.json`` for a quick run) and exits with 1 if a goal was
missed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

__all__ = ["Bench", "Goal", "Interval", "bootstrap_interval", "commit", "median_interval", "wilson_interval"]

RESULTS = Path(__file__).parent / "results"

#: Distributions whose versions decide what a figure means.
PACKAGES = ("numpy", "scipy", "torch", "onnxruntime-gpu", "onnx", "pybullet", "gymnasium", "rosbags", "ros-jazzy-rclpy")

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<=": lambda value, limit: value <= limit,
    ">=": lambda value, limit: value >= limit,
    "==": lambda value, limit: value == limit,
}


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure held against its limit."""

    name: str
    value: float
    comparison: str
    limit: float
    unit: str
    met: bool


@dataclass(frozen=True, slots=True)
class Interval:
    """A central value and a 95 % interval around it."""

    value: float
    low: float
    high: float


def bootstrap_interval(
    samples: npt.ArrayLike,
    statistic: Callable[..., npt.NDArray[np.float64]] = np.mean,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap of ``statistic`` (called with ``axis=-1``) over ``(n,)`` samples."""
    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"expected a non-empty vector of samples, got {values.shape=}")
    draws = np.random.default_rng(seed).integers(0, values.size, size=(resamples, values.size))
    spread = statistic(values[draws], axis=-1)
    low, high = np.percentile(spread, [2.5, 97.5])
    return Interval(float(statistic(values, axis=-1)), float(low), float(high))


def median_interval(samples: npt.ArrayLike) -> Interval:
    """Median with its bootstrap interval: what a noisy machine's timings are reported by."""
    return bootstrap_interval(samples, np.median)


def wilson_interval(successes: int, trials: int) -> Interval:
    """Wilson score interval at 95 % of a success rate (Wilson 1927)."""
    if trials <= 0 or not 0 <= successes <= trials:
        raise ValueError(f"expected 0 <= successes <= trials with trials > 0, got {successes=}, {trials=}")
    z = 1.959964
    rate = successes / trials
    centre = (rate + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    return Interval(rate, max(0.0, centre - half), min(1.0, centre + half))


def _machine() -> dict[str, object]:
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory_bytes / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load_1min_at_start": round(os.getloadavg()[0], 2),
        "nice": os.nice(0),
    }


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def commit() -> str:
    """Of the code that runs, with ``-dirty`` where it was changed since."""
    answer = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False, cwd=RESULTS.parent
    )
    return answer.stdout.strip() or "unknown"


def _beside_others(document: dict[str, Any], earlier: dict[str, Any]) -> dict[str, Any]:
    """A run of some experiments with what an earlier document says of others; each says how it was run."""
    goals = list(document["goals"])
    results = {name: {**found, "run": _run_of(document)} for name, found in document["results"].items()}
    for name in earlier["results"].keys() - results.keys():
        # What was kept before says itself how it was run.
        results[name] = {"run": _run_of(earlier), **earlier["results"][name]}
        goals += [goal for goal in earlier["goals"] if goal["name"].startswith(f"{name}:")]
    missed = [goal["name"] for goal in goals if not goal["met"]]
    return {**document, "goals": goals, "missed": missed, "results": dict(sorted(results.items()))}


def _count(text: str) -> int:
    """A number of seeds; argparse makes a message of the error."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of seeds: at least 1")
    return int(text)


def _run_of(document: dict[str, Any]) -> dict[str, Any]:
    return {key: document[key] for key in ("commit", "seeds", "elapsed_s", "machine", "versions")}


class Bench:
    """One run of one bench.

    Args:
        name: the module's name below ``bench``; also the result file's.
        description: one sentence for ``--help``.
        options: ``configure(parser)`` adds the bench's own options; they land in :attr:`options`.
        arguments: command line, ``sys.argv[1:]`` by default.
    """

    def __init__(
        self,
        name: str,
        description: str,
        configure: Callable[[argparse.ArgumentParser], None] | None = None,
        arguments: Sequence[str] | None = None,
    ) -> None:
        parser = argparse.ArgumentParser(prog=f"python -m bench.{name}", description=description)
        parser.add_argument("--quick", action="store_true", help="less of everything, and goals scaled to it")
        parser.add_argument("--seeds", type=_count, default=5, help="how many seeds, from 0 (default: 5)")
        if configure is not None:
            configure(parser)
        self.options = parser.parse_args(arguments)
        self.name = name
        self.quick: bool = self.options.quick
        self.seeds = list(range(self.options.seeds))
        self.goals: list[Goal] = []
        self._machine = _machine()
        self._started = time.monotonic()

    def chosen_seeds(self, of_quick: int = 1) -> list[int]:
        """All seeds; in a quick run only the first ``of_quick``."""
        return self.seeds[:of_quick] if self.quick else self.seeds

    def goal(self, name: str, value: float, comparison: str, limit: float, unit: str = "") -> Goal:
        """Holds ``value`` against ``limit``; a NaN never meets a goal."""
        met = bool(_COMPARISONS[comparison](float(value), float(limit)))
        goal = Goal(name, float(value), comparison, float(limit), unit, met)
        self.goals.append(goal)
        mark = "met   " if met else "MISSED"
        print(f"{mark} {name}: {value:.4g} {unit} (goal {comparison} {limit:g})", file=sys.stderr)
        return goal

    def picture(self, name: str) -> Path:
        """Where a picture goes: of a full run beside its figures, of a quick one to ``runs/bench``."""
        quick = RESULTS.parent.parent / "runs" / "bench"
        return (quick if self.quick else RESULTS) / f"{self.name}.{name}.png"

    def kept(self) -> dict[str, Any]:
        """What earlier runs found, by the names of :meth:`finish`; empty where nothing is kept."""
        found: dict[str, Any] = json.loads(self._path.read_text())["results"] if self._path.is_file() else {}
        return found

    @property
    def _path(self) -> Path:
        return RESULTS / (f"{self.name}.quick.json" if self.quick else f"{self.name}.json")

    def finish(self, results: dict[str, object], *, in_parts: bool = False) -> NoReturn:
        """Writes and prints everything, then exits: 0 when every goal is met, 1 otherwise.

        Args:
            results: by name.
            in_parts: each is an experiment that can be run by itself, and its goals' names begin with its own and a
                colon: the file keeps what earlier runs found of the others.
        """
        missed = [goal.name for goal in self.goals if not goal.met]
        document: dict[str, Any] = {
            "bench": self.name,
            "quick": self.quick,
            "commit": commit(),
            "seeds": self.seeds,
            "elapsed_s": round(time.monotonic() - self._started, 1),
            "machine": self._machine,
            "versions": _versions(),
            "goals": [asdict(goal) for goal in self.goals],
            "missed": missed,
            "results": results,
        }
        RESULTS.mkdir(exist_ok=True)
        path = self._path
        if in_parts:
            earlier = json.loads(path.read_text()) if path.is_file() else {"results": {}, "goals": []}
            document = _beside_others(document, earlier)
        path.write_text(json.dumps(document, indent=2) + "\n")
        print(json.dumps({"bench": self.name, "missed": missed, "results": results}))
        sys.exit(1 if missed else 0)
