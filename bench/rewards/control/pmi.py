"""PMI's reward taken apart: its form, where negatives come from, the temperature, and the policy's entropy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.harness import Bench, bootstrap_interval
from bench.policies.lane.pictures import new_figure, save
from bench.rewards.control.learned import shown_to, train
from bench.units import kept_units
from sim.control import TASKS
from understudy.control.reward_recipes import Recipe, recipe, with_pmi

__all__ = ["PANELS", "pmi_ablation"]

#: The task, as the deck's plots are of one; and steps of a training.
TASK, STEPS, QUICK_STEPS = "mountain-car", 80_000, 20_000
#: What is changed, one thing at a time, from what suits the task; options of ``understudy learn pmi``.
PANELS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "negatives": {
        "of the agent": {"negatives": "agent"},
        "of the expert": {"negatives": "expert"},
        "none (cosine)": {"form": "cosine"},
    },
    "temperature": {f"{value:g}": {"temperature": value} for value in (0.03, 0.1, 1.0)},
    "entropy": {f"{value:g}": {"entropy": value} for value in (0.0, 0.001, 0.06)},
}
Found = dict[str, Any]

# Okabe & Ito's, told apart by the colour-blind.
COLOURS = ("#0072b2", "#d55e00", "#009e73")


def pmi_ablation(panel: str, bench: Bench, quick: bool) -> dict[str, object]:
    """One of the deck's three plots redone: mean return over seeds against steps, for every setting."""
    suited = recipe("pmi", TASK, steps=QUICK_STEPS if quick else STEPS)
    units = kept_units(bench, "control.pmi-ablations")

    def unit(setting: Mapping[str, Any], seed: int) -> Found:
        changed = with_pmi(suited, setting)
        # What suits the task is in every panel, and learned once.
        name = "-".join(f"{option}-{value}" for option, value in setting.items()) if changed != suited else "suited"
        return units.get(f"{name}-{seed}", {"recipe": asdict(changed)}, partial(_train, changed, seed))

    seeds = bench.seeds[:1] if quick else bench.seeds
    runs = {
        label: [unit(setting, seed) for seed in seeds]
        for label, setting in list(PANELS[panel].items())[: 2 if quick else None]
    }
    _draw(panel, runs, bench)
    settings = {
        label: {
            "return": asdict(bootstrap_interval([run["return"] for run in found])),
            "returns_by_seed": [run["return"] for run in found],
            "points": [run["points"] for run in found],
        }
        for label, found in runs.items()
    }
    return {"task": TASK, "recipe": asdict(suited), "settings": settings, "units": units.account}


def _train(suited: Recipe, seed: int) -> Found:
    run = train("pmi", TASKS[TASK], shown_to(TASK, seed), seed, suited)
    return {"return": float(run.returns.mean()), "points": [asdict(point) for point in run.points]}


def _draw(panel: str, runs: Mapping[str, Sequence[Found]], bench: Bench) -> None:
    """Means over seeds, with their intervals shaded."""
    figure, ((axis,),) = new_figure(1, 1, (5.4, 3.6))
    for colour, (label, found) in zip(COLOURS, runs.items(), strict=False):
        steps = [point["steps"] for point in found[0]["points"]]
        bounds = [bootstrap_interval(column) for column in _scores(found).T]
        axis.fill_between(steps, [b.low for b in bounds], [b.high for b in bounds], color=colour, alpha=0.15)
        axis.plot(steps, [b.value for b in bounds], color=colour, label=label)
    axis.set(title=f"PMI on {TASK}: {panel}", xlabel="steps of the learner", ylabel="mean return")
    axis.legend(frameon=False)
    save(figure, bench.picture(f"pmi-{panel}"))


def _scores(runs: Sequence[Found]) -> npt.NDArray[np.float64]:
    """``(seeds, points)``."""
    return np.array([[point["score"] for point in run["points"]] for run in runs])
