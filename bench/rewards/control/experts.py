"""How good the experts are that are made here."""

from __future__ import annotations

from dataclasses import asdict

from bench.harness import Bench, bootstrap_interval
from sim.control import TASKS, returns
from sim.control.experts import expert

__all__ = ["EXPERTS", "experts"]

#: The deck's experts.
EXPERTS = {"cartpole": 500.0, "acrobot": -77.4, "mountain-car": -98.3}
#: Mountain cars take 83 or 103 steps, by where they start: their mean wants many. The acrobot's expert is slow.
EPISODES = {"cartpole": 200, "acrobot": 200, "mountain-car": 5000}
QUICK_EPISODES = {"cartpole": 100, "acrobot": 20, "mountain-car": 1000}


def experts(bench: Bench, quick: bool) -> dict[str, object]:
    """Mean return from starts that nobody learns from."""
    results: dict[str, object] = {}
    for name, deck in EXPERTS.items():
        episodes = QUICK_EPISODES[name] if quick else EPISODES[name]
        found = returns(TASKS[name], expert(TASKS[name]), episodes, seed=2_000_000)
        interval = bootstrap_interval(found)
        bench.goal(f"{name}: the expert's mean return", interval.value, ">=", deck)
        results[name] = {
            "episodes": episodes,
            "return": asdict(interval),
            "worst": float(found.min()),
            "best": float(found.max()),
        }
    return results
