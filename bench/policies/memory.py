"""A policy without memory cannot remember: a sign that is gone when it counts, and a velocity that nobody reports.

*Signs.* A sign is seen for three ticks, and after a gap the obstacle comes into range; the sign's side is the one to
pass on. Every policy learns from the same drives, with gaps of all lengths. A stack of four frames reaches back over
the short gap and not over the long one. Control: a sign that shows either side whatever the way, which is worth nothing
to anybody.

*Slides.* A puck on ice reports where it is and not how fast it slides, and every so often it is knocked; its expert
brakes it by its velocity. Control: a puck that reports its velocity, too, which needs no memory.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from bench.harness import Bench, Interval, bootstrap_interval, wilson_interval
from bench.policies.kept_seeds import Found, KeptSeeds
from bench.policies.lane.fork import Fork
from bench.policies.lane.ice import Ice
from bench.policies.lane.learning import learn, network
from bench.policies.lane.robot import Array, World, demonstrate, drive, expert_act, policy_act, robot_contract
from bench.policies.memory_pictures import draw_memory, draw_slides
from bench.policies.seeds import shown_seeds, tried_seeds
from bench.policies.tables import of_each
from models.contract import Contract
from models.episodes import EpisodeDataset
from models.policies import Policy
from models.policies.heads import HeadOptions, JointOptions, PointOptions

__all__ = ["run"]

ROOT = Path(__file__).parent.parent.parent
SLIDES = ROOT / "runs" / "bench" / "memory" / "slides.png"

MEMORIES = {"single": ("stack", 1), "stack_of_4": ("stack", 4), "gru": ("gru", 1), "lstm": ("lstm", 1)}
"""Name to the kind of memory and the frames of the stack."""
GAPS = {"short": 2, "long": 12}
"""Ticks between the sign's last one and the obstacle's first."""
SHOWN_GAPS = (1, 14)
GOAL, NEAR_CHANCE = 0.95, 0.1
# How much farther from the middle than the expert: what counts as not braked, and as braked.
LOST, KEPT = 3.0, 1.5
UNSTEADY_M_S = 0.03
# Ticks that gradients reach back: a sign, the long gap and the turn behind it.
SEQUENCE = 32
PUSHED_M_S2 = 1.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much is learned and driven.

    Attributes:
        signs: drives that are shown with a sign.
        slides: and on the ice.
        epochs: passes over either of a policy with a stack.
        recurrent_epochs: of one with a state, whose steps are few and long.
        driven: drives of each policy, from starts that nobody has shown.
        memories: names of what is compared.
        controlled: of these, those that are tried with a sign that means nothing.
    """

    signs: int = 160
    slides: int = 40
    epochs: int = 30
    recurrent_epochs: int = 50
    driven: int = 10
    memories: tuple[str, ...] = tuple(MEMORIES)
    controlled: tuple[str, ...] = tuple(MEMORIES)


QUICK = Size(memories=("single", "stack_of_4", "gru"), controlled=("single",))


def run(bench: Bench, quick: bool) -> dict[str, object]:
    """Learn, drive, compare and draw; goals are held by ``bench``."""
    size = QUICK if quick else Size()
    kept = KeptSeeds("memory", asdict(size), resume=bench.options.resume)
    found = [kept.result(seed, partial(_one_seed, seed, size)) for seed in bench.chosen_seeds()]
    report = _report(bench, size, found)
    draw_memory(report, bench.picture("memory"))
    draw_slides({name: [np.array(way) for way in ways] for name, ways in found[0]["ways"].items()}, SLIDES)
    return {**report, "seconds_by_seed": kept.seconds}


def _one_seed(seed: int, size: Size) -> Found:
    """Drives on the right side by kind of sign, memory and gap; mean offsets on the ice by driver, and its ways."""
    right = {
        kind: _read_signs(kind == "truthful", seed, names, size)
        for kind, names in (("truthful", size.memories), ("meaningless", size.controlled))
    }
    offset_m, ways = {}, {}
    for name in ("expert", "told", *size.memories):
        places, training_s = _slide(name, seed, size)
        offset_m[name] = float(np.mean([np.abs(way[:, 1]).mean() for way in places]))
        ways[name] = [way.tolist() for way in places]
        words = f"{offset_m[name]:.3f} m from the middle, learned in {training_s} s"
        print(f"memory, seed {seed}, ice, {name}: {words}", file=sys.stderr, flush=True)
    return {"right": right, "offset_m": offset_m, "ways": ways}


def _read_signs(truthful: bool, seed: int, names: Sequence[str], size: Size) -> dict[str, dict[str, int]]:
    """By memory and gap, how many drives of this seed's policies passed on the way's side."""
    world = Fork(SHOWN_GAPS, truthful=truthful)
    starts = tried_seeds(seed, size.driven)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        shown = shown_seeds(seed, size.signs)
        dataset = demonstrate(Path(folder) / "dataset", world, robot_contract(world), shown, unsteady=UNSTEADY_M_S)
        for name in names:
            policy, contract, training_s = _learn(dataset, world, name, JointOptions(clusters=16), seed, size)
            found[name] = {
                gap: _right(Fork((ticks, ticks), truthful=truthful), policy, contract, starts)
                for gap, ticks in GAPS.items()
            }
            words = f"{found[name]}, learned in {training_s} s"
            print(f"memory, seed {seed}, {truthful=}, {name}: {words}", file=sys.stderr, flush=True)
    return found


def _learn(
    dataset: EpisodeDataset, world: World, name: str, head: HeadOptions, seed: int, size: Size
) -> tuple[Policy, Contract, float]:
    memory, frames = MEMORIES[name]
    contract = robot_contract(world, frames, recurrent=memory != "stack")
    epochs = size.epochs if memory == "stack" else size.recurrent_epochs
    policy, training_s = learn(dataset.for_robot(contract), network(head, memory), seed, epochs, sequence=SEQUENCE)
    return policy, contract, training_s


def _right(world: Fork, policy: Policy, contract: Contract, starts: range) -> int:
    """Drives that passed on the way's side."""
    count = 0
    for start in starts:
        drive(world, policy_act(policy, contract, start), start)
        count += world.outcome == ("left" if world.way > 0.0 else "right")
    return count


def _slide(name: str, seed: int, size: Size) -> tuple[list[Array], float]:
    """Where one seed's pucks went, and the seconds of training.

    Args:
        name: ``expert``, ``told`` for a policy that is told its velocity and has no memory, or a memory.
        seed: of training and starts.
        size: of the experiment.
    """
    world = Ice(shows_slide=name == "told")
    starts = tried_seeds(seed, size.driven)
    if name == "expert":
        return [drive(world, expert_act(world), start).places for start in starts], 0.0
    with tempfile.TemporaryDirectory() as folder:
        shown = shown_seeds(seed, size.slides)
        dataset = demonstrate(
            Path(folder) / "dataset", world, robot_contract(world), shown, unsteady=UNSTEADY_M_S, disturbed=PUSHED_M_S2
        )
        memory = "single" if name == "told" else name
        policy, contract, training_s = _learn(dataset, world, memory, PointOptions("mse"), seed, size)
    return [drive(world, policy_act(policy, contract, start), start).places for start in starts], training_s


def _report(bench: Bench, size: Size, found: Sequence[Found]) -> dict[str, object]:
    """Rates with intervals, and goals."""
    count = size.driven * len(found)
    kinds = {"truthful": size.memories, "meaningless": size.controlled}
    by_seed = {
        kind: {name: {gap: [one["right"][kind][name][gap] for one in found] for gap in GAPS} for name in names}
        for kind, names in kinds.items()
    }
    right = of_each(by_seed, lambda gaps: {gap: wilson_interval(sum(each), count) for gap, each in gaps.items()})
    _hold_signs(bench, right)
    offsets = {name: np.array([one["offset_m"][name] for one in found]) for name in ("expert", "told", *size.memories)}
    # Of a seed all started alike and got the same knocks.
    times = {name: bootstrap_interval(values / offsets["expert"]) for name, values in offsets.items()}
    bench.goal("memory: ice, offset of a single frame / expert's, lower bound", times["single"].low, ">=", LOST)
    for name in ("told", *size.memories[1:]):
        bench.goal(f"memory: ice, offset of {name} / expert's", times[name].value, "<=", KEPT)
    return {
        "size": asdict(size),
        "gap_ticks": GAPS,
        "right_side": of_each(right, lambda gaps: {gap: asdict(rate) for gap, rate in gaps.items()}),
        "right_side_by_seed": by_seed,
        "offset_on_ice_m": {name: asdict(bootstrap_interval(values)) for name, values in offsets.items()},
        "offset_over_the_expert": {name: asdict(interval) for name, interval in times.items()},
        "offset_by_seed_m": {name: values.tolist() for name, values in offsets.items()},
    }


def _hold_signs(bench: Bench, right: Mapping[str, Mapping[str, Mapping[str, Interval]]]) -> None:
    """Goals: whoever can know the way takes it, and everybody else is as good as a coin."""
    reaches = {"single": (), "stack_of_4": ("short",)}
    for kind, found in right.items():
        for name, gaps in found.items():
            for gap, rate in gaps.items():
                if kind == "truthful" and gap in reaches.get(name, tuple(GAPS)):
                    bench.goal(f"memory: sign, {name}, {gap} gap", rate.value, ">=", GOAL)
                else:
                    words = f"memory: {kind} sign, {name}, {gap} gap, distance from chance"
                    bench.goal(words, abs(rate.value - 0.5), "<=", NEAR_CHANCE)
