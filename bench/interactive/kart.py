"""The Tux Kart table (Ross et al. 2011, section 5.1) on this project's tracks: falls a lap after every round.

A linear policy on small pictures, 20 rounds of 1,000 frames. *Supervised* learns from what the expert drives, however
much; it is the control of the others, which get as many labels, on states that the learner visits. After chosen rounds
the policy learned so far (for mixtures: all of them, without the expert) drives laps alone, the same for everybody.
SEARN learns by the imitation loss here: the label is the expert's own action and counts the same everywhere.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.harness import Bench, bootstrap_interval
from bench.interactive.course import PIXEL_NOISE, open_course
from bench.interactive.pictures import Curve, draw_rounds, new_axes, save
from bench.interactive.ridge import RidgeLearner
from bench.units import kept_units
from models.interactive import Plan, RoundStore, Rule, learn
from models.interactive.in_process import episode_seed
from models.interactive.loop import combined_actor
from models.interactive.rules import BehavioralCloningRule, Dagger, Searn, Smile

__all__ = ["kart"]

#: Seeds of measured laps, apart from those of rounds and of validation.
MEASURED = 2_000_000
SIDES: Mapping[str, Rule] = {
    "bc": BehavioralCloningRule(),
    "dagger": Dagger(),
    "smile": Smile(alpha=0.1),
    "searn": Searn(beta=0.5),
}
LABELS = {
    "bc": ("supervised", "bad"),
    "dagger": ("DAgger", "policy"),
    "smile": ("SMILe (α = 0.1)", "expert"),
    "searn": ("SEARN (β = 0.5)", "good"),
}


@dataclass(frozen=True, slots=True)
class Size:
    """How much is learned and measured.

    Attributes:
        rounds: of driving and training.
        ticks: of each.
        measured: rounds after which the policy drives alone.
        laps: that it drives then.
    """

    rounds: int = 20
    ticks: int = 1000
    measured: tuple[int, ...] = (1, 5, 10, 15, 20)
    laps: int = 3


QUICK = Size(rounds=3, ticks=500, measured=(1, 3), laps=1)


def kart(bench: Bench, quick: bool) -> dict[str, object]:
    """Learn, drive, compare, draw."""
    size, units = QUICK if quick else Size(), kept_units(bench, "kart")
    falls: dict[str, list[list[float]]] = {name: [] for name in SIDES}
    labels: dict[str, list[int]] = {name: [] for name in SIDES}
    for seed in bench.chosen_seeds():
        for name, rule in SIDES.items():
            settings = {"size": asdict(size), "rule": repr(rule), "seed": seed, "pixel_noise": PIXEL_NOISE}
            found = units.get(f"{name}-{seed}", settings, partial(_falls, rule, seed, size))
            falls[name].append(found["falls_a_lap"])
            labels[name].append(found["labels"])
            shown = [round(one, 2) for one in found["falls_a_lap"]]
            print(f"kart, seed {seed}, {name}: {shown}", file=sys.stderr, flush=True)
    rows = {name: np.array(found, np.float64) for name, found in falls.items()}
    if not quick:
        _hold(bench, rows, size)
    _draw(rows, size, quick)
    return {
        "size": asdict(size),
        "pixel_noise": PIXEL_NOISE,
        "falls_a_lap": falls,
        "labels": labels,
        "mean": {name: [asdict(bootstrap_interval(column)) for column in values.T] for name, values in rows.items()},
        "units": units.account,
    }


def _falls(rule: Rule, seed: int, size: Size) -> dict[str, object]:
    """Falls a lap after each of the measured rounds, and how often the expert was asked."""
    learner = RidgeLearner()
    with open_course(seed) as (collector, _), tempfile.TemporaryDirectory() as folder:
        store = RoundStore(Path(folder), {})
        learned = learn(rule, collector, learner, store, Plan(size.rounds, size.ticks, validation=0, seed=seed))
        policies = [learner.load(store.policy(number)) for number in range(size.rounds)]
        seeds = [episode_seed(seed, MEASURED, lap) for lap in range(size.laps)]
        found = []
        for rounds in size.measured:
            outcome = collector.score(combined_actor(rule, policies[:rounds]), seeds)
            found.append(outcome["falls"] / max(outcome["laps"], 0.1))
    return {"falls_a_lap": found, "labels": sum(record.collected.queries for record in learned.records)}


def _hold(bench: Bench, falls: Mapping[str, npt.NDArray[np.float64]], size: Size) -> None:
    """The published picture: what each side has to come to."""

    def between(name: str, first: int, last: int) -> npt.NDArray[np.float64]:
        """Means of each seed over the measured rounds from the first to the last."""
        chosen = [index for index, rounds in enumerate(size.measured) if first <= rounds <= last]
        means: npt.NDArray[np.float64] = falls[name][:, chosen].mean(axis=1)
        return means

    start, end = between("bc", 1, 1), {name: between(name, 15, 20) for name in falls}
    bench.goal("kart: falls a lap of cloning after round 1", float(start.mean()), ">=", 2.0)
    bench.goal("kart: falls a lap of cloning after round 1, not hopeless", float(start.mean()), "<=", 5.0)
    bench.goal("kart: falls a lap of DAgger, rounds 5 to 10", float(between("dagger", 5, 10).mean()), "<=", 0.3)
    bench.goal("kart: falls a lap of DAgger, rounds 15 to 20", float(end["dagger"].mean()), "<=", 0.1)
    for name, least in (("smile", 0.5), ("bc", 1.0)):
        apart = bootstrap_interval(end[name] - end["dagger"])
        bench.goal(f"kart: falls a lap, {name} - dagger, rounds 15 to 20, lower bound", apart.low, ">=", least)
    nearer = bootstrap_interval(end["searn"] - end["smile"])
    bench.goal("kart: falls a lap, searn - smile, rounds 15 to 20, upper bound", nearer.high, "<=", 0.0)
    bench.goal("kart: falls a lap of cloning, rounds 15 to 20", float(end["bc"].mean()), ">=", 2.0)
    gain = float(np.mean(start - end["bc"]))
    bench.goal("kart: what 15 to 20 times the data save cloning, falls a lap", gain, "<=", 0.5)


def _draw(falls: Mapping[str, npt.NDArray[np.float64]], size: Size, quick: bool) -> None:
    figure, (axis,) = new_axes(1, (7.2, 4.4))
    curves = [Curve(*LABELS[name], values) for name, values in falls.items()]
    draw_rounds(axis, curves, "falls a lap", size.measured)
    axis.set_ylim(bottom=0)
    axis.set_xticks(size.measured)
    axis.set_xlabel(f"rounds of {size.ticks} frames")
    axis.legend(frameon=False)
    save(figure, "interactive.kart", quick=quick)
