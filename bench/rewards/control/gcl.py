"""Guided cost learning: how many of its samples count."""

from __future__ import annotations

from dataclasses import asdict, replace

from bench.harness import Bench, bootstrap_interval
from bench.rewards.control.learned import trained
from bench.units import kept_units
from understudy.control.reward_recipes import recipe

__all__ = ["gcl_pieces"]

TASK = "cartpole"
#: Steps of a trajectory's piece.
PIECES = (1, 8, 32, 64)


def gcl_pieces(bench: Bench, quick: bool) -> dict[str, object]:
    """The longer the piece, the fewer samples count: CartPole."""
    units, seeds = kept_units(bench, "control.gcl-pieces"), bench.seeds[:1] if quick else bench.seeds
    found: dict[str, object] = {}
    for piece in PIECES[1:3] if quick else PIECES:
        suited = recipe("gcl", TASK)
        suited = replace(suited, gcl=replace(suited.gcl, piece=piece))
        runs = [trained(units, "gcl", TASK, seed, suited=suited, label=f"piece-{piece}") for seed in seeds]
        found[f"{piece} steps"] = {
            "effective_share": asdict(bootstrap_interval([run["mean_figure"] for run in runs])),
            "return": asdict(bootstrap_interval([run["return"] for run in runs])),
            "returns_by_seed": [run["return"] for run in runs],
        }
    return {"task": TASK, "pieces": found, "units": units.account}
