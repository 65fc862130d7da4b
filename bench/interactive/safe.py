"""SafeDAgger against DAgger (Zhang & Cho 2017): who asks less for the same driving, and falls less while learning.

A small network on the kart's course, so that the classifier reads the policy's own features. Equal rounds, equal frames
a round, equal starts; after every round the policy drives laps alone. Counted are the expert's answers, by driving or
by being asked, the falls while the data were collected, and how often the driver changed. Negative control:
an expert who takes over as often as in the same round of SafeDAgger, but at random ticks.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.harness import Bench, Interval, bootstrap_interval
from bench.interactive.course import open_course
from bench.interactive.pictures import Curve, draw_rounds, new_axes, save
from bench.units import kept_units
from models.interactive import Learning, Moment, Plan, RoundRecord, RoundStore, Rule, learn
from models.interactive.rules import Dagger, SafeDagger

__all__ = ["safe"]

SIDES: Mapping[str, Rule] = {"dagger": Dagger(), "safedagger": SafeDagger()}
CONTROL = "random"
LABELS = {
    "dagger": ("DAgger", "policy"),
    "safedagger": ("SafeDAgger", "good"),
    CONTROL: ("asked at random", "muted"),
}
Table = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is learned and measured.

    Attributes:
        rounds: of driving and training.
        ticks: of each.
        epochs: of each training: so many that the best one is rarely the last. While it is, the side with more frames
            wins by the steps that it takes in an epoch.
        laps: that every policy drives alone.
    """

    rounds: int = 5
    ticks: int = 1000
    epochs: int = 30
    laps: int = 2


QUICK = Size(rounds=3, ticks=400, epochs=4, laps=1)


@dataclass(frozen=True)
class AskedAtRandom(Rule):
    """The expert drives, and is kept, at random ticks.

    Attributes:
        shares: of the ticks, a round each.
    """

    name = "random"
    source = "a control"

    shares: tuple[float, ...]

    def expert_acts(self, moment: Moment) -> bool:
        """Whatever the policy proposes."""
        return moment.draw < self.shares[moment.round]

    def keeps(self, moment: Moment, expert_acts: bool) -> bool:
        """As SafeDAgger does."""
        return expert_acts


def safe(bench: Bench, quick: bool) -> dict[str, object]:
    """Learn, count, compare, draw."""
    size, units = QUICK if quick else Size(), kept_units(bench, "safe")
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in LABELS}
    for seed in bench.chosen_seeds():
        for name in LABELS:
            rule = SIDES.get(name) or _at_random(runs["safedagger"][-1], size)
            settings = {"size": asdict(size), "rule": repr(rule), "seed": seed}
            runs[name].append(units.get(f"{name}-{seed}", settings, partial(_learned, rule, seed, size)))
            shown = {key: [round(one, 2) for one in values] for key, values in runs[name][-1]["by_round"].items()}
            print(f"safe, seed {seed}, {name}: {shown}", file=sys.stderr, flush=True)
    tables = {name: _tables(found) for name, found in runs.items()}
    if not quick:
        _hold(bench, tables)
    _draw(tables, quick)
    return {
        "size": asdict(size),
        "by_round": {name: {key: values.tolist() for key, values in table.items()} for name, table in tables.items()},
        "classifier": [run["classifier"] for run in runs["safedagger"]],
        "best_epoch": {name: [run["best_epoch"] for run in found] for name, found in runs.items()},
        "saved": asdict(bootstrap_interval(_asked(tables, "safedagger") / _asked(tables, "dagger"))),
        "falls_spared": {name: asdict(_spared(tables, name)) for name in ("dagger", CONTROL)},
        "units": units.account,
    }


def _at_random(run: Mapping[str, Any], size: Size) -> Rule:
    return AskedAtRandom(tuple(asked / size.ticks for asked in run["by_round"]["asked"]))


def _learned(rule: Rule, seed: int, size: Size) -> dict[str, object]:
    """What is counted of every round, and what the classifiers were worth."""
    records = _learn(rule, seed, size).records
    rows = [_of(record) for record in records]
    return {
        "by_round": {key: [row[key] for row in rows] for key in rows[0]},
        "classifier": [record.report["safety"] for record in records],
        "best_epoch": [record.report["best_epoch"] for record in records],
    }


def _learn(rule: Rule, seed: int, size: Size) -> Learning:
    from models.learners import BehavioralCloningConfig, SafetyConfig
    from models.learners.interactive import CloningLearner
    from models.policies import PolicyConfig

    config = BehavioralCloningConfig(
        policy=PolicyConfig(crop_top=0.3, pool=1, image_channels=(8, 16), features=32, safety_features=16),
        epochs=size.epochs,
        safety=SafetyConfig(deployed_share=None, seed=seed) if rule.needs_safety else None,
        light=0.0,
        seed=seed,
    )
    plan = Plan(size.rounds, size.ticks, validation=size.laps, seed=seed, episodes=5)
    with open_course(seed) as (collector, _), tempfile.TemporaryDirectory() as folder:
        return learn(rule, collector, CloningLearner(config), RoundStore(Path(folder), {}), plan)


def _tables(runs: Sequence[Mapping[str, Any]]) -> dict[str, Table]:
    """``(seeds, rounds)`` by what is counted."""
    return {key: np.array([run["by_round"][key] for run in runs], np.float64) for key in runs[0]["by_round"]}


def _of(record: RoundRecord) -> dict[str, float]:
    alone, tally = record.validation, record.collected
    return {
        "falls_a_lap": alone["falls"] / max(alone["laps"], 0.1),
        "asked": float(tally.queries),
        "expert_drove": float(tally.expert_ticks),
        "switches": float(tally.switches),
        "falls_while_learning": tally.outcome["falls"],
        "damage_m": tally.outcome["damage"],
    }


def _asked(tables: Mapping[str, Mapping[str, Table]], name: str) -> Table:
    """Answers of the expert after the first round, which is the same demonstration for both; ``(seeds,)``."""
    total: Table = tables[name]["asked"][:, 1:].sum(axis=1)
    return total


def _spared(tables: Mapping[str, Mapping[str, Table]], name: str) -> Interval:
    """Falls while learning, after the demonstration, that another side has more than SafeDAgger."""
    during = {side: table["falls_while_learning"][:, 1:].sum(axis=1) for side, table in tables.items()}
    return bootstrap_interval(during[name] - during["safedagger"])


def _hold(bench: Bench, tables: Mapping[str, Mapping[str, Table]]) -> None:
    ratio = bootstrap_interval(_asked(tables, "safedagger") / _asked(tables, "dagger"))
    bench.goal("safe: answers after the demonstration, share of DAgger's, upper bound", ratio.high, "<=", 0.5)
    total = tables["safedagger"]["asked"].sum() / tables["dagger"]["asked"].sum()
    bench.goal("safe: answers, demonstration included, share of DAgger's", float(total), "<=", 0.5)
    last = {name: table["falls_a_lap"][:, -3:].mean(axis=1) for name, table in tables.items()}
    worse = bootstrap_interval(last["safedagger"] - last["dagger"])
    bench.goal("safe: falls a lap more than DAgger's, last three rounds, upper bound", worse.high, "<=", 0.25)
    spared = _spared(tables, "dagger")
    bench.goal("safe: falls while learning, fewer than DAgger's, lower bound", spared.low, ">=", 0.0)


def _draw(tables: Mapping[str, Mapping[str, Table]], quick: bool) -> None:
    figure, axes = new_axes(3, (12.0, 3.8))
    rounds = range(1, next(iter(tables.values()))["asked"].shape[1] + 1)
    for axis, key, label, adds in (
        (axes[0], "falls_a_lap", "falls a lap, policy alone", False),
        (axes[1], "asked", "answers of the expert so far", True),
        (axes[2], "falls_while_learning", "falls while learning so far", True),
    ):
        curves = [
            Curve(*LABELS[name], np.cumsum(table[key], axis=1) if adds else table[key], dashed=name == CONTROL)
            for name, table in tables.items()
        ]
        draw_rounds(axis, curves, label, list(rounds))
        axis.set_ylim(bottom=0)
    axes[0].legend(frameon=False)
    save(figure, "interactive.safe", quick=quick)
