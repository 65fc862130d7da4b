"""Scheduled sampling helps its case: a policy that is fed its own previous action.

A car is to be fast or slow as a lamp says. It sees the lamp through snow, its demonstrator sees it clearly: so the
demonstrator's previous command says what the lamp said a tick ago, and one reading hardly ever outweighs it. *Taught*
is a policy that was always shown that command while it learned (α = 1); when it drives there is only its own, and it
goes on as it began. *Scheduled* is the same network shown its own more and more (α falls to 0; Bengio et al. 2015), so
that it learns to count readings. All drive under the same lamps, and all keep the weights of the last epoch.

Controls: the same network that sees no previous command and has nothing to lean on; and a lamp without snow, where the
previous command adds nothing and both ways of learning must come out alike.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.harness import Bench, Interval, bootstrap_interval
from bench.policies.lane.lamp import FAST_M_S, SLOW_M_S, SNOW, Lamp
from bench.policies.lane.learning import learn, network
from bench.policies.lane.robot import Array, Drive, demonstrate, drive, policy_act, robot_contract
from bench.policies.sampling_pictures import draw_errors, draw_speeds
from bench.policies.seeds import shown_seeds, tried_seeds
from bench.policies.tables import of_each
from models.contract import Contract
from models.policies import Policy
from models.policies.heads import JointOptions

__all__ = ["run"]

ROOT = Path(__file__).parent.parent.parent
SPEEDS = ROOT / "runs" / "bench" / "sampling" / "speeds.png"


@dataclass(frozen=True)
class Way:
    """One way of learning from the same drives.

    Attributes:
        alpha_last: probability in the last epoch that the demonstrator's previous command is shown; ``None`` for a
            policy that sees no previous command.
        controlled: whether it is also tried without snow.
    """

    alpha_last: float | None
    controlled: bool = True


WAYS = {
    "withheld": Way(None, controlled=False),
    "taught": Way(1.0),
    "scheduled": Way(0.0),
}
SNOWS = {"snow": SNOW, "clear": 0.0}
"""Name to the standard deviation of a reading of the lamp, which is 1 or -1."""
UNSTEADY_M_S = 0.05
# Ticks that gradients reach back: some readings more than outweigh the last command.
SEQUENCE = 16
# A command that is nearer to the other one.
WRONG_M_S = 0.5 * (FAST_M_S - SLOW_M_S)
# Ticks before anybody can know what the lamp says do not count.
SETTLING_TICKS = 10
GAINED, ALIKE = 0.1, 0.03


@dataclass(frozen=True, slots=True)
class Size:
    """How much is learned and driven.

    Attributes:
        demonstrated: drives.
        epochs: passes over them.
        clear_epochs: the same without snow, where one reading is enough to know the lamp.
        driven: drives of each policy, under lamps that nobody has shown.
        ways: names of what is compared.
    """

    demonstrated: int = 40
    epochs: int = 25
    clear_epochs: int = 8
    driven: int = 10
    ways: tuple[str, ...] = tuple(WAYS)


QUICK = Size(demonstrated=30, driven=6, ways=("taught", "scheduled"))


def run(bench: Bench, quick: bool) -> dict[str, object]:
    """Learn, drive, compare and draw; goals are held by ``bench``."""
    size = QUICK if quick else Size()
    wrong: dict[str, dict[str, list[float]]] = {
        snow: {name: [] for name in size.ways if SNOWS[snow] or WAYS[name].controlled} for snow in SNOWS
    }
    examples: dict[str, Drive] = {}
    for seed in bench.chosen_seeds():
        for snow, ways in wrong.items():
            world, epochs = Lamp(SNOWS[snow]), size.epochs if SNOWS[snow] else size.clear_epochs
            contract = robot_contract(world, recurrent=True)
            with tempfile.TemporaryDirectory() as folder:
                shown = shown_seeds(seed, size.demonstrated)
                dataset = demonstrate(Path(folder) / "dataset", world, contract, shown, unsteady=UNSTEADY_M_S)
                for name, found in ways.items():
                    way, options = WAYS[name], dict[str, Any]()
                    if way.alpha_last is not None:
                        options["alpha_last"] = way.alpha_last
                    config = network(JointOptions(clusters=2), "gru", previous_action=way.alpha_last is not None)
                    policy, training_s = learn(
                        dataset, config, seed, epochs, sequence=SEQUENCE, keeps_last=True, **options
                    )
                    drives = _drive_all(world, policy, contract, tried_seeds(seed, size.driven))
                    found.append(float(np.mean([_wrong(driven) for driven in drives])))
                    if snow == "snow":
                        examples.setdefault(name, drives[0])
                    words = f"wrong {found[-1]:.3f} of the ticks, learned in {training_s} s"
                    print(f"sampling, seed {seed}, {snow}, {name}: {words}", file=sys.stderr, flush=True)
    draw_speeds(examples, SPEEDS)
    report = _report(bench, size, of_each(wrong, np.array))
    draw_errors(report, bench.picture("sampling"))
    return report


def _drive_all(world: Lamp, policy: Policy, contract: Contract, starts: range) -> list[Drive]:
    return [drive(world, policy_act(policy, contract, start), start) for start in starts]


def _wrong(driven: Drive) -> float:
    """Share of the ticks at which the command was nearer to what the lamp did not say."""
    away = np.abs(driven.commands - driven.experts)[SETTLING_TICKS:]
    return float((away > WRONG_M_S).mean())


def _report(bench: Bench, size: Size, wrong: Mapping[str, Mapping[str, Array]]) -> dict[str, object]:
    """Intervals over seeds, and goals."""
    intervals = of_each(wrong, bootstrap_interval)
    # Of a seed all drove under the same lamps.
    more = {
        f"{name} - scheduled": _difference(wrong["snow"][name], wrong["snow"]["scheduled"])
        for name in size.ways
        if name != "scheduled"
    }
    bench.goal("sampling: wrong ticks, taught - scheduled, lower bound", more["taught - scheduled"].low, ">=", GAINED)
    if "withheld" in size.ways:
        leaned = _difference(wrong["snow"]["taught"], wrong["snow"]["withheld"])
        bench.goal("sampling: wrong ticks, taught - withheld (control), lower bound", leaned.low, ">=", GAINED)
    alike = _difference(wrong["clear"]["taught"], wrong["clear"]["scheduled"])
    words = "sampling: wrong ticks, taught - scheduled, no snow (control)"
    bench.goal(words, abs(alike.value), "<=", ALIKE)
    return {
        "size": asdict(size),
        "wrong": of_each(intervals, asdict),
        "more_wrong": {name: asdict(one) for name, one in more.items()},
        "more_wrong_without_snow": asdict(alike),
        "by_seed": of_each(wrong, lambda values: values.tolist()),
    }


def _difference(one: Array, other: Array) -> Interval:
    return bootstrap_interval(one - other)
