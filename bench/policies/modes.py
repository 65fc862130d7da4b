"""Regression averages modes: an obstacle in mid-road, and an expert who passes it on the left as often as on the right.

Every start is shown twice, once each way, so nothing that is seen says which way is taken. The mean of both ways is
straight on. Policies answer with chunks, and the robot carries out a whole chunk before the next answer counts. Heads
with a distribution act by drawing from it; a regression has none. To turn, the two wheels must differ: whether the very
first command turns is counted beside how the drive ends. An independent head knows both speeds of each wheel at each
step and not which belong together, so that half its commands go straight on.

*Asked every tick* are some of these policies once more, of whose chunks only the first command is ever carried out. The
middle between both ways is left as soon as chance has moved the robot a little to one side, and so a regression gets
past more often than by its answer at the start.

Control: the same world and an expert who always passes on the left, where there is nothing to be averaged.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from bench.harness import Bench, wilson_interval
from bench.policies.lane.fork import CRUISE_M_S, Fork
from bench.policies.lane.learning import drawing, learn, network
from bench.policies.lane.robot import Act, Array, demonstrate, drive, expert_act, policy_act, robot_contract
from bench.policies.modes_pictures import draw_commands, draw_drives, draw_rates
from bench.policies.seeds import shown_seeds, tried_seeds
from bench.policies.tables import of_each
from models.episodes import EpisodeDataset
from models.policies import Policy
from models.policies.heads import (
    AutoregressiveOptions,
    CvaeOptions,
    FlowOptions,
    HeadOptions,
    IndependentOptions,
    JointOptions,
    MixtureOptions,
    PointOptions,
)

__all__ = ["run"]

ROOT = Path(__file__).parent.parent.parent
PICTURES = ROOT / "runs" / "bench" / "modes"


@dataclass(frozen=True)
class Learning:
    """How one head learns.

    Attributes:
        head: its options.
        epochs: passes over the drives, as many as it takes.
    """

    head: HeadOptions
    epochs: int = 40


HEADS = {
    "mse": Learning(PointOptions("mse")),
    "l1": Learning(PointOptions("l1")),
    "independent": Learning(IndependentOptions(bins=24)),
    "joint": Learning(JointOptions(clusters=24)),
    "autoregressive": Learning(AutoregressiveOptions(bins=24)),
    "mixture": Learning(MixtureOptions()),
    "cvae": Learning(CvaeOptions(latent=2, kl_weight=0.1, hidden=128), epochs=200),
    "flow": Learning(FlowOptions(steps=16), epochs=100),
}
REGRESSIONS = ("mse", "l1")
DISTRIBUTIONS = ("joint", "autoregressive", "mixture", "cvae", "flow")
CHUNK = 8
GOAL = 0.95
# Of the passes, on the side that a policy takes more seldom: half would be the expert's.
RARER = 0.2
# Of the first commands of independent wheels; a half where both ways are as likely.
MIXED = 0.2
# Half of the largest difference that the expert makes between its wheels; less is no turn.
TURN_M_S = 0.4
UNSTEADY_M_S = 0.03


@dataclass(frozen=True, slots=True)
class Size:
    """How much is learned and driven.

    Attributes:
        demonstrated: drives.
        driven: drives of each policy, from starts that nobody has shown.
        heads: names of what is compared.
        asked_every_tick: of these, those that drive once more, one command an answer.
        controlled: of these, those that also learn from an expert of one way.
    """

    demonstrated: int = 120
    driven: int = 20
    heads: tuple[str, ...] = tuple(HEADS)
    asked_every_tick: tuple[str, ...] = ("mse", "l1", "independent")
    controlled: tuple[str, ...] = ("mse", "l1", "independent")


QUICK = Size(
    demonstrated=80,
    driven=20,
    heads=("mse", "independent", "mixture"),
    asked_every_tick=("mse",),
    controlled=("mse",),
)


@dataclass(frozen=True, slots=True)
class Tries:
    """One policy's drives.

    Attributes:
        outcomes: how many ended how.
        straight: first commands that do not turn.
        training_s: wall time.
    """

    outcomes: dict[str, int]
    straight: int
    training_s: float = 0.0

    @property
    def passed(self) -> int:
        """On either side."""
        return self.outcomes.get("left", 0) + self.outcomes.get("right", 0)


@dataclass(frozen=True)
class Example:
    """Drives to draw.

    Attributes:
        places: of each drive, ``(T + 1, 2)``.
        first: ``(N, 2)`` first commands, above the speed of the cruise.
    """

    places: list[Array]
    first: Array


def run(bench: Bench, quick: bool) -> dict[str, object]:
    """Learn, drive, compare and draw; goals are held by ``bench``."""
    size = QUICK if quick else Size()
    tries: dict[str, dict[str, list[Tries]]] = {
        "two_ways": {name: [] for name in ("expert", *size.heads)},
        "asked_every_tick": {name: [] for name in size.asked_every_tick},
        "one_way": {name: [] for name in size.controlled},
    }
    examples: dict[str, Example] = {}
    for seed in bench.chosen_seeds():
        for name, example in _two_ways(tries, seed, size).items():
            examples.setdefault(name, example)
        _one_way(tries["one_way"], seed, size)
    draw_drives({name: example.places for name, example in examples.items()}, PICTURES / "drives.png")
    draw_commands({name: example.first for name, example in examples.items()}, PICTURES / "commands.png")
    report = _report(bench, size, tries)
    draw_rates(report, bench.picture("modes"))
    return report


def _two_ways(tries: Mapping[str, Mapping[str, list[Tries]]], seed: int, size: Size) -> dict[str, Example]:
    """Append what this seed's policies do; the drives in whole chunks, to draw."""
    world, starts = Fork(), tried_seeds(seed, size.driven)
    one, example = _try_all(world, lambda _start: expert_act(world), starts)
    tries["two_ways"]["expert"].append(one)
    examples = {"expert": example}
    with tempfile.TemporaryDirectory() as folder:
        dataset = _shown(Path(folder), world, seed, size)
        for name in size.heads:
            policy, training_s = _learn(dataset, name, seed)
            drive_whole = partial(policy_act, policy, dataset.contract, every=CHUNK)
            one, examples[name] = _try_all(world, drive_whole, starts)
            _add(tries, "two_ways", name, seed, replace(one, training_s=training_s))
            if name in size.asked_every_tick:
                one, _ = _try_all(world, partial(policy_act, policy, dataset.contract), starts)
                _add(tries, "asked_every_tick", name, seed, one)
    return examples


def _one_way(tries: Mapping[str, list[Tries]], seed: int, size: Size) -> None:
    """The control."""
    world = Fork(one_way=True)
    with tempfile.TemporaryDirectory() as folder:
        dataset = _shown(Path(folder), world, seed, size)
        for name in size.controlled:
            policy, training_s = _learn(dataset, name, seed)
            drive_whole = partial(policy_act, policy, dataset.contract, every=CHUNK)
            one, _ = _try_all(world, drive_whole, tried_seeds(seed, size.driven))
            _add({"one_way": tries}, "one_way", name, seed, replace(one, training_s=training_s))


def _add(tries: Mapping[str, Mapping[str, list[Tries]]], kind: str, name: str, seed: int, one: Tries) -> None:
    tries[kind][name].append(one)
    print(f"modes, seed {seed}, {kind}, {name}: {one}", file=sys.stderr, flush=True)


def _shown(folder: Path, world: Fork, seed: int, size: Size) -> EpisodeDataset:
    shown = shown_seeds(seed, size.demonstrated)
    return demonstrate(folder / "dataset", world, robot_contract(world), shown, unsteady=UNSTEADY_M_S)


def _learn(dataset: EpisodeDataset, name: str, seed: int) -> tuple[Policy, float]:
    learning = HEADS[name]
    return learn(dataset, replace(drawing(network(learning.head)), chunk=CHUNK), seed, learning.epochs)


def _try_all(world: Fork, driver: Callable[[int], Act], starts: range) -> tuple[Tries, Example]:
    """A drive from each start by what ``driver`` makes for it."""
    places, first, outcomes = [], [], Counter[str]()
    for start in starts:
        driven = drive(world, driver(start), start)
        places.append(driven.places)
        first.append(driven.commands[0] - CRUISE_M_S)
        outcomes[world.outcome] += 1
    commands = np.array(first)
    straight = int((np.abs(commands[:, 1] - commands[:, 0]) < TURN_M_S).sum())
    return Tries(dict(outcomes), straight), Example(places, commands)


def _report(bench: Bench, size: Size, tries: Mapping[str, Mapping[str, Sequence[Tries]]]) -> dict[str, object]:
    """Rates with intervals, and goals."""
    count = size.driven * len(tries["two_ways"]["expert"])
    passed = of_each(tries, lambda each: wilson_interval(sum(one.passed for one in each), count))
    two = tries["two_ways"]
    straight = {name: wilson_interval(sum(one.straight for one in each), count) for name, each in two.items()}
    rarer = {name: wilson_interval(sum(map(_rarer, each)), count) for name, each in two.items()}
    bench.goal("modes: the expert passes", passed["two_ways"]["expert"].value, ">=", 1.0)
    for name in _among(REGRESSIONS, size):
        bench.goal(f"modes: {name} hits", 1.0 - passed["two_ways"][name].value, ">=", 0.5)
    for name in _among(DISTRIBUTIONS, size):
        bench.goal(f"modes: {name} passes", passed["two_ways"][name].value, ">=", GOAL)
        bench.goal(f"modes: {name} takes the rarer side", rarer[name].value, ">=", RARER)
    mixed = straight["independent"]
    bench.goal("modes: independent mixes its first command", mixed.value if bench.quick else mixed.low, ">=", MIXED)
    for name in _among(("joint", "autoregressive"), size):
        bench.goal(f"modes: {name}'s first command goes straight on", straight[name].value, "<=", 1.0 - GOAL)
    for name, rate in passed["one_way"].items():
        bench.goal(f"modes: {name} passes, expert of one way (control)", rate.value, ">=", GOAL)
    return {
        "size": asdict(size),
        "passed": of_each(passed, asdict),
        "chunk": CHUNK,
        "first_command_straight": {name: asdict(rate) for name, rate in straight.items()},
        "took_the_rarer_side": {name: asdict(rate) for name, rate in rarer.items()},
        "by_seed": of_each(tries, lambda each: [asdict(one) for one in each]),
    }


def _rarer(one: Tries) -> int:
    return min(one.outcomes.get("left", 0), one.outcomes.get("right", 0))


def _among(names: Sequence[str], size: Size) -> list[str]:
    return [name for name in names if name in size.heads]
