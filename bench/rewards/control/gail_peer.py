"""`imitation`'s GAIL beside ours, in turn, seed by seed, from the same demonstrations."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from bench.harness import Bench, bootstrap_interval, median_interval
from bench.peers.running import peer_versions
from bench.rewards.control.learned import DEMONSTRATIONS, shown_to, train
from bench.rewards.control.peers.order import Order, Point
from bench.rewards.control.peers.running import run_peer
from bench.rewards.control.points import as_dicts, kept_points
from bench.rewards.control.watched import LEVELS
from bench.units import kept_units
from sim.control import TASKS
from understudy.control.reward_recipes import recipe

__all__ = ["RACES", "gail_peer"]


@dataclass(frozen=True)
class Race:
    """How long the two may take.

    Attributes:
        steps: of the peer, of all its environments together, at most.
        to_the_end: whether both go on when the task is solved; else that ends them.
    """

    steps: int
    to_the_end: bool


#: On CartPole the time until it is solved counts, and the peer gets four times as many steps as ours takes; on the
#: swings what comes of equally many.
RACES: Mapping[str, Race] = {
    "cartpole": Race(500_000, to_the_end=False),
    "acrobot": Race(200_000, to_the_end=True),
    "mountain-car": Race(300_000, to_the_end=True),
}
#: Time of theirs over ours.
FASTER = 5.0
#: Episodes that a policy on the way is judged by, of either side.
JUDGED, JUDGED_FROM = 20, 10_000
#: Of ours; more than there are rounds.
POINTS = 100


def gail_peer(name: str, bench: Bench, quick: bool) -> dict[str, object]:
    """Time and steps until a task is solved, and the return at the end."""
    race, enough = RACES[name], LEVELS[name].solved
    units, seeds = kept_units(bench, f"control.gail-peer.{name}"), bench.seeds[:1] if quick else bench.seeds
    ours, theirs = list[list[Point]](), list[list[Point]]()
    for seed in seeds:
        settings = {"demonstrations": DEMONSTRATIONS, "race": asdict(race)}
        own = {**settings, "recipe": asdict(recipe("gail", name))}
        ours.append(kept_points(units, f"ours-{seed}", own, partial(_ours, name, seed)))
        theirs.append(kept_points(units, f"theirs-{seed}", settings, partial(_theirs, name, seed)))
    bench.goal(f"ours reaches {enough:g}, share of seeds", _share(ours, enough), "==", 1.0)
    ratios = [_reached(b, enough).seconds / _reached(a, enough).seconds for a, b in zip(ours, theirs, strict=True)]
    ratio = median_interval(ratios)
    if race.to_the_end:
        last = float(np.mean([run[-1].score for run in ours]))
        bench.goal("ours at the end, mean return", last, ">=", enough)
    else:
        bench.goal(f"time to {enough:g}, imitation over ours, median over seeds", ratio.value, ">=", FASTER)
    return {
        "peer": peer_versions("seals"),
        "enough": enough,
        "steps_at_most": race.steps,
        # Of seeds that imitation does not solve all its time, and so a lower bound.
        "time_ratio": asdict(ratio),
        "time_ratios": ratios,
        "ours": _summary(ours, enough),
        "theirs": _summary(theirs, enough),
        "units": units.account,
    }


def _until(name: str) -> float | None:
    return None if RACES[name].to_the_end else LEVELS[name].solved


def _ours(name: str, seed: int) -> tuple[Point, ...]:
    return train("gail", TASKS[name], shown_to(name, seed), seed, until=_until(name), points=POINTS).points


def _theirs(name: str, seed: int) -> tuple[Point, ...]:
    with tempfile.TemporaryDirectory(prefix="understudy-gail-") as folder:
        path = Path(folder) / "shown.npz"
        shown_to(name, seed).save(path)
        starts = tuple(range(JUDGED_FROM + JUDGED * seed, JUDGED_FROM + JUDGED * (seed + 1)))
        order = Order(TASKS[name].gymnasium_id, RACES[name].steps, seed, starts, _until(name), str(path))
        return run_peer("gail_side", order).points


def _reached(run: Sequence[Point], enough: float) -> Point:
    """The first policy that was good enough; the last, and so a lower bound, where none was."""
    return next((point for point in run if point.score >= enough), run[-1])


def _share(runs: Sequence[Sequence[Point]], enough: float) -> float:
    return float(np.mean([_reached(run, enough).score >= enough for run in runs]))


def _summary(runs: Sequence[Sequence[Point]], enough: float) -> dict[str, object]:
    first = [_reached(run, enough) for run in runs]
    return {
        "reached": _share(runs, enough),
        "seconds": asdict(median_interval([point.seconds for point in first])),
        "steps": asdict(median_interval([point.steps for point in first])),
        "return_at_the_end": asdict(bootstrap_interval([run[-1].score for run in runs])),
        "returns_by_seed": [run[-1].score for run in runs],
        "steps_at_the_end": [run[-1].steps for run in runs],
        "points": [as_dicts(run) for run in runs],
    }
