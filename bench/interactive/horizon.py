"""Cost against horizon on the road: the same claim as the chain's, with the kart on the driving simulator's tracks.

Both learners get the same number of labels on the same course; then their policies drive, from the expert's own states
(it drives the first three seconds), until they have driven ``T`` ticks, and nobody puts a fallen car back. A tick costs
the squared distance from the centre line as a share of half the road's width, and at most 1: lost. So an episode of a
policy that leaves at a constant rate costs ``T²`` while few episodes have left, and one of a policy that stays costs
``T``. Horizons go as far as the claim does: beyond them most of cloning's episodes have left the road, and its cost is
``T``, too.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.harness import Bench, bootstrap_interval
from bench.interactive.course import CONTRACT, course, open_course
from bench.interactive.pictures import Curve, draw_costs
from bench.interactive.ridge import RidgeLearner
from bench.interactive.slopes import hold_slopes, log_log_slope
from bench.units import kept_units
from models.bundle.noise import draw_noise
from models.interactive import Actor, Plan, RoundStore, learn, make_rule
from models.interactive.in_process import episode_seed
from sim.driving.in_process import DrivingDriver, InProcessDriving
from sim.driving.kart import KartWorld

__all__ = ["horizon"]

#: Seeds of measured episodes, apart from those of rounds and of validation.
MEASURED = 3_000_000
#: Ticks that the expert drives first, to reach the course's speed.
LEAD_IN = 60


@dataclass(frozen=True, slots=True)
class Size:
    """How much is learned and measured.

    Attributes:
        horizons: T, ticks.
        rounds: of 1,000 labels.
        episodes: over which a policy's cost is averaged.
        pixel_noise: of the course; less than the kart's, so that cloning stays on the road for a while.
    """

    horizons: tuple[int, ...] = (60, 120, 240, 480)
    rounds: int = 6
    episodes: int = 40
    pixel_noise: float = 60.0


QUICK = Size(rounds=3, episodes=6)
SIDES = ("bc", "dagger")


def horizon(bench: Bench, quick: bool) -> dict[str, object]:
    """Learn, measure, fit slopes, draw."""
    size, units = QUICK if quick else Size(), kept_units(bench, "horizon")
    costs: dict[str, list[list[float]]] = {name: [] for name in SIDES}
    left: dict[str, list[float]] = {name: [] for name in SIDES}
    for seed in bench.chosen_seeds():
        for name in SIDES:
            settings = {"size": asdict(size), "seed": seed}
            found = units.get(f"{name}-{seed}", settings, partial(_costs, name, seed, size))
            costs[name].append(found["cost"])
            left[name].append(found["left"])
            shown = [round(one, 4) for one in found["cost"]]
            print(f"horizon, seed {seed}, {name}: {shown}, left {found['left']:.2f}", file=sys.stderr, flush=True)
    slopes = {name: [log_log_slope(size.horizons, one) for one in rows] for name, rows in costs.items()}
    intervals = {name: bootstrap_interval(values) for name, values in slopes.items()}
    if not quick:
        hold_slopes(bench, "horizon", slopes["bc"], slopes["dagger"])
    curves = [
        Curve("behavioural cloning", "bad", np.array(costs["bc"]), slopes["bc"]),
        Curve("DAgger", "policy", np.array(costs["dagger"]), slopes["dagger"]),
    ]
    draw_costs("interactive.horizon", size.horizons, curves, {}, "cost of an episode (ticks lost)", quick=quick)
    return {
        "size": asdict(size),
        "cost": costs,
        "slope": {name: asdict(interval) for name, interval in intervals.items()},
        "slopes": slopes,
        "left_the_road": left,
        "units": units.account,
    }


def _costs(name: str, seed: int, size: Size) -> dict[str, object]:
    """Mean cost of an episode at every horizon, and the share of episodes that have left the road by the longest."""
    found = _measure(_learn(name, seed, size), seed, size)
    totals = np.cumsum(found, axis=1).mean(axis=0)
    return {
        "cost": [float(totals[ticks - 1]) for ticks in size.horizons],
        "left": float((found >= 1.0).any(axis=1).mean()),
    }


def _learn(name: str, seed: int, size: Size) -> Actor:
    with open_course(seed, size.pixel_noise) as (collector, _), tempfile.TemporaryDirectory() as folder:
        plan = Plan(size.rounds, validation=0, seed=seed)
        return learn(make_rule(name), collector, RidgeLearner(), RoundStore(Path(folder), {}), plan).actor


def _measure(actor: Actor, seed: int, size: Size) -> npt.NDArray[np.float64]:
    """``(episodes, T)`` cost of each tick, on starts that are the same for both sides."""
    rows = []
    # A lap is over before some horizons are.
    task = replace(course(seed, puts_back=False, pixel_noise=size.pixel_noise), laps=10.0)
    with InProcessDriving(task, CONTRACT, KartWorld) as world:
        for index in range(size.episodes):
            rows.append(_drive(world, actor, episode_seed(seed, MEASURED, index), max(size.horizons)))
    return np.array(rows)


def _drive(world: InProcessDriving, actor: Actor, seed: int, ticks: int) -> list[float]:
    """The cost of every tick; whoever crosses the road again by chance is lost all the same, and is not watched."""
    world.reset(seed)
    driver = DrivingDriver(world)
    for _ in range(LEAD_IN):
        world.step(driver.action(world.observe()))
    costs: list[float] = []
    while len(costs) < ticks:
        observation = world.observe()
        answer = actor.answer(observation, draw_noise(seed, observation.stamp_ns, actor.noise_width))
        world.step(np.clip(answer.action, CONTRACT.action_minimum, CONTRACT.action_maximum))
        if world.deviation >= world.measure.limit:
            return costs + [1.0] * (ticks - len(costs))
        costs.append((world.deviation / world.measure.limit) ** 2)
    return costs
