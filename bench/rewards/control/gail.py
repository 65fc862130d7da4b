"""What the sign of GAIL's reward does, and `imitation`'s GAIL beside ours."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np

from bench.harness import Bench, Interval, bootstrap_interval, median_interval
from bench.rewards.control.learned import DEMONSTRATIONS, shown_to, train
from bench.rewards.control.peers.order import Order, Point
from bench.rewards.control.peers.running import peer_versions, run_peer
from bench.rewards.control.watched import lazy
from bench.units import kept_units
from models.learned_rewards import RewardForm
from sim.control import TASKS
from understudy.control.reward_recipes import recipe

__all__ = ["gail_peer", "gail_signs"]

#: CartPole's, in both libraries.
ENOUGH = 475.0
PEER_STEPS = 500_000
FASTER = 5.0


def gail_signs(bench: Bench, quick: bool) -> dict[str, object]:
    """Each form of the reward with and without absorbing states, on CartPole, where longer is better.

    Without them a reward that is never negative keeps the pole up even for an expert who lets it fall, and one that is
    never positive lets it fall even for an expert who keeps it up: neither has learned anything from anybody.
    """
    task, seeds = TASKS["cartpole"], bench.seeds[:2] if quick else bench.seeds
    results: dict[str, object] = {}
    for absorbing in (True, False):
        for form in RewardForm:
            suited = recipe("gail", task.name)
            suited = replace(
                suited, gail=replace(suited.gail, form=form), plan=replace(suited.plan, absorbing=absorbing)
            )
            good = [train("gail", task, shown_to(task.name, seed), seed, suited).returns.mean() for seed in seeds]
            poor = [
                train("gail", task, lazy(task, DEMONSTRATIONS, seed), seed, suited).returns.mean() for seed in seeds
            ]
            name = f"{form.value}, {'absorbing states' if absorbing else 'episodes just end'}"
            results[name] = {
                "of_the_expert": asdict(bootstrap_interval(good)),
                "of_an_expert_that_falls": asdict(bootstrap_interval(poor)),
            }
            if absorbing:
                bench.goal(f"{form.value}: of the expert", float(np.mean(good)), ">=", ENOUGH)
                bench.goal(f"control: {form.value}: of an expert that falls", float(np.mean(poor)), "<=", 20.0)
    return results


def gail_peer(bench: Bench, quick: bool) -> dict[str, object]:
    """Ours and `imitation`'s in turn, seed by seed, from the same demonstrations, until CartPole is solved."""
    units = kept_units(bench, "control.gail-peer")
    settings = {"demonstrations": DEMONSTRATIONS, "recipe": asdict(recipe("gail", "cartpole")), "most": PEER_STEPS}
    runs = [
        units.get(f"seed-{seed}", settings, partial(_side_by_side, seed))
        for seed in (bench.seeds[:1] if quick else bench.seeds)
    ]
    ours, theirs = ([[Point(**point) for point in run[side]] for run in runs] for side in ("ours", "theirs"))
    seconds = {side: [_reached(run).seconds for run in found] for side, found in (("ours", ours), ("theirs", theirs))}
    ratio = median_interval(np.array(seconds["theirs"]) / np.array(seconds["ours"]))
    bench.goal(f"cartpole: ours reaches {ENOUGH:g}, share of seeds", _share(ours), "==", 1.0)
    bench.goal(f"cartpole: time to {ENOUGH:g}, imitation over ours, median over seeds", ratio.value, ">=", FASTER)
    return {
        "peer": peer_versions(),
        "enough": ENOUGH,
        "cartpole": {"time_ratio": asdict(ratio), "ours": _summary(ours), "theirs": _summary(theirs)},
        "units": units.account,
    }


def _side_by_side(seed: int) -> dict[str, object]:
    """One training of each; a policy on the way is judged by 20 episodes of either side."""
    task = TASKS["cartpole"]
    shown = shown_to(task.name, seed)
    ours = train("gail", task, shown, seed, until=ENOUGH, points=100).points
    with tempfile.TemporaryDirectory(prefix="understudy-gail-") as folder:
        path = Path(folder) / "shown.npz"
        shown.save(path)
        starts = tuple(range(10_000 + 20 * seed, 10_000 + 20 * (seed + 1)))
        theirs = run_peer("gail_side", Order(task.gymnasium_id, PEER_STEPS, seed, starts, ENOUGH, str(path))).points
    return {"ours": [asdict(point) for point in ours], "theirs": [asdict(point) for point in theirs]}


def _reached(run: Sequence[Point]) -> Point:
    """The first policy that was good enough; the last, and so a lower bound, where none was."""
    return next((point for point in run if point.score >= ENOUGH), run[-1])


def _share(runs: Sequence[Sequence[Point]]) -> float:
    return float(np.mean([_reached(run).score >= ENOUGH for run in runs]))


def _summary(runs: Sequence[Sequence[Point]]) -> dict[str, object]:
    found: dict[str, Interval] = {
        "seconds": median_interval([_reached(run).seconds for run in runs]),
        "steps": median_interval([_reached(run).steps for run in runs]),
    }
    points = [[asdict(point) for point in run] for run in runs]
    return {"reached": _share(runs), **{name: asdict(one) for name, one in found.items()}, "points": points}
