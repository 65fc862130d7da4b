"""All that is measured of the four tabular learners, one part a file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from bench.harness import Bench
from bench.rewards.tabular.beating import beating
from bench.rewards.tabular.drives import drives
from bench.rewards.tabular.gradient import gradient
from bench.rewards.tabular.pictures import draw_pictures
from bench.rewards.tabular.recovery import controls, recovery
from bench.rewards.tabular.rounds import rounds
from bench.rewards.tabular.two_paths import two_paths

__all__ = ["tabular"]

PARTS: dict[str, Callable[[Bench, bool], dict[str, object]]] = {
    "gradient": gradient,
    "two_paths": two_paths,
    "rounds": rounds,
    "beating": beating,
    "recovery": recovery,
    "controls": controls,
    "drives": drives,
}


def tabular(bench: Bench, quick: bool) -> dict[str, object]:
    """Run all parts, draw the rewards that were found."""
    results: dict[str, object] = {}
    for name, part in PARTS.items():
        started, worked = time.monotonic(), time.process_time()
        results[name] = part(bench, quick)
        taken, computed = time.monotonic() - started, time.process_time() - worked
        print(f"  {name}: done in {taken:.1f} s, {computed:.1f} s of them computing", file=sys.stderr)
    if not quick:
        results["pictures"] = draw_pictures()
    return results
