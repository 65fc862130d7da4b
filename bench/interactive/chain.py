"""The chain on which one mistake is enough (``sim.chain``): total cost against horizon, cloning and DAgger.

Every learner gets the same number of labels at every horizon. Costs are measured by letting the learned policy run in
the world alone. Theory (Ross & Bagnell 2010, theorem 2.1; Ross et al. 2011, theorem 3.2): ``εT²/2`` while ``εT`` is
small, and ``εT``. Negative control: the same chain where a mistake does not leave the path; cloning's slope is 1 there,
so that the 2 comes from the states that nobody demonstrated, and not from the bench.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bench.harness import Bench, bootstrap_interval
from bench.interactive.pictures import Curve, draw_costs
from bench.interactive.slopes import hold_slopes, log_log_slope
from models.interactive import InProcess, Plan, RoundStore, learn, make_rule
from models.interactive.in_process import episode_seed
from models.interactive.table import TableLearner
from sim.chain import Chain, ChainExpert

__all__ = ["chain"]

MISTAKE_RATE = 0.001
#: Seeds of measured episodes, apart from those of rounds and of validation.
MEASURED = 2_000_000


@dataclass(frozen=True, slots=True)
class Size:
    """How much is learned and measured.

    Attributes:
        horizons: T.
        rounds: of DAgger; cloning gets as many, all demonstrated.
        ticks: labels of a round.
        steps: over which a policy's cost is measured, at every horizon.
    """

    horizons: tuple[int, ...] = (10, 20, 40, 80, 160, 320)
    rounds: int = 4
    ticks: int = 5000
    steps: int = 40_000


QUICK = Size(horizons=(10, 40, 160), rounds=3, ticks=4000, steps=30_000)
#: What is compared: rule, and whether a mistake lasts.
SIDES = {"bc": ("bc", True), "dagger": ("dagger", True), "control": ("bc", False)}


def chain(bench: Bench, quick: bool) -> dict[str, object]:
    """Learn, measure, fit slopes, draw."""
    size = QUICK if quick else Size()
    costs: dict[str, list[list[float]]] = {name: [] for name in SIDES}
    for seed in bench.chosen_seeds(2):
        for name, (rule, lasting) in SIDES.items():
            costs[name].append([_cost(rule, lasting, horizon, seed, size) for horizon in size.horizons])
            print(f"chain, seed {seed}, {name}: {[round(one, 4) for one in costs[name][-1]]}", file=sys.stderr)
    slopes = {name: [log_log_slope(size.horizons, one) for one in rows] for name, rows in costs.items()}
    intervals = hold_slopes(bench, "chain", slopes["bc"], slopes["dagger"])
    intervals["control"] = bootstrap_interval(slopes["control"])
    bench.goal("chain: slope of the control, upper bound", intervals["control"].high, "<=", 1.3)
    _draw(size, costs, slopes, quick)
    return {
        "size": asdict(size),
        "mistake_rate": MISTAKE_RATE,
        "cost": costs,
        "slope": {name: asdict(interval) for name, interval in intervals.items()},
        "slopes": slopes,
    }


def _draw(
    size: Size,
    costs: Mapping[str, Sequence[Sequence[float]]],
    slopes: Mapping[str, Sequence[float]],
    quick: bool,
) -> None:
    """Costs with what theory says of them."""
    horizons = np.array(size.horizons, np.float64)
    lost = 1.0 - (1.0 - (1.0 - MISTAKE_RATE) ** horizons) / (MISTAKE_RATE * horizons)
    curves = [
        Curve("behavioural cloning", "bad", np.array(costs["bc"]), slopes["bc"]),
        Curve("DAgger", "policy", np.array(costs["dagger"]), slopes["dagger"]),
        Curve("cloning, mistakes do not last (control)", "ink", np.array(costs["control"]), slopes["control"], True),
    ]
    theory = {"T - (1 - (1 - ε)^T) / ε": horizons * lost, "εT": MISTAKE_RATE * horizons}
    label = f"cost of an episode (ε = {MISTAKE_RATE:g})"
    draw_costs("interactive.chain", size.horizons, curves, theory, label, quick=quick)


def _cost(rule: str, lasting: bool, horizon: int, seed: int, size: Size) -> float:
    """Mean cost of an episode of the policy that was learned on episodes of this length."""
    world = Chain(horizon, MISTAKE_RATE, lasting=lasting)
    collector = InProcess(world, ChainExpert(world))
    plan = Plan(size.rounds, size.ticks, validation=0, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        learned = learn(make_rule(rule), collector, TableLearner(), RoundStore(Path(folder), {}), plan)
        episodes = size.steps // horizon
        found = collector.score(learned.actor, _seeds(seed, episodes))
    return found["cost"] / episodes


def _seeds(seed: int, count: int) -> Sequence[int]:
    """The same episodes for all sides."""
    return [episode_seed(seed, MEASURED, index) for index in range(count)]
