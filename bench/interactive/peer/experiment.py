"""DAgger and cloning beside `imitation` 1.0.1: the same expert, frames and rounds; return and wall time.

Every learning is a process of its own with one thread, and the sides take turns. Measured is the wall time from the
first step to the last policy, driving and writing down included, but not what a library loads when it first learns.
Both sides drive the expert in the first round and the newest policy after it, and label every frame. Theirs trains one
network on and on, a few passes in every round; ours a new one in every round, with so many passes that the last network
has learned in as many steps as theirs. So ours takes several times the steps, and they are in its time. Return is the
mean of 20 episodes from starts that nobody drove, the same for both. Negative control: ours with an expert who always
does the same.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product

import numpy as np

from bench.harness import Bench, Interval, bootstrap_interval
from bench.interactive.peer.order import Order
from bench.interactive.peer.tasks import TASKS, returns
from bench.interactive.pictures import draw_bars, new_axes, save
from bench.peers.running import PEER, peer_versions, require_peer, run_side
from bench.units import kept_units

__all__ = ["peer"]

#: Starts of scored episodes; what is driven while learning starts elsewhere.
FIRST_START, EPISODES = 10_000, 20
GOAL = 10.0
MODULES = {
    "ours": (sys.executable, "bench.interactive.peer.ours"),
    "imitation": (str(PEER), "bench.interactive.peer.imitation_side"),
}
LABELS = {"ours": ("Understudy", "policy"), "imitation": ("imitation", "bad")}


@dataclass(frozen=True, slots=True)
class Size:
    """How much is learned.

    Attributes:
        rounds: of driving and training.
        epochs: passes of the peer in every round; its default for DAgger.
        batch_size: frames of a step; the peer's default.
    """

    rounds: int = 4
    epochs: int = 4
    batch_size: int = 32

    def epochs_of(self, side: str, algorithm: str) -> int:
        """Passes in one training, so that in the end a network of either side has learned in as many steps."""
        if side == "imitation" and algorithm == "dagger":
            return self.epochs
        # Theirs goes through 1, 2, ... n rounds' frames; ours, and cloning, through all n at once.
        return round(self.epochs * (self.rounds + 1) / 2)


QUICK = Size(rounds=2)
Answers = dict[str, list[Mapping[str, float]]]


def peer(bench: Bench, quick: bool) -> dict[str, object]:
    """Learn in turns, compare, draw."""
    require_peer()
    size, units = QUICK if quick else Size(), kept_units(bench, "peer")
    found: dict[str, Answers] = {}
    for algorithm, task in product(("dagger",) if quick else ("dagger", "bc"), TASKS):
        answers: Answers = {"ours": [], "imitation": [], "control": []}
        for seed in bench.chosen_seeds():
            for side, given in answers.items():
                if side == "control" and algorithm == "bc":
                    continue
                order = _order(task, algorithm, side, seed, size)
                unit = f"{task}-{algorithm}-{side}-{seed}"
                run = partial(_run, "ours" if order.control else side, order)
                given.append(units.get(unit, asdict(order), run))
                words = f"return {given[-1]['return']:.1f} in {given[-1]['learning_s']:.1f} s"
                print(f"peer, {unit}: {words}", file=sys.stderr, flush=True)
        found[f"{task}, {algorithm}"] = answers
    experts = {name: _of_expert(name, bench.seeds) for name in TASKS}
    if not quick:
        for name, answers in found.items():
            _hold(bench, name, answers, experts[name.split(",")[0]])
    _draw(found, quick)
    return {
        "size": asdict(size),
        "peer": peer_versions(),
        "expert_return": {name: asdict(interval) for name, interval in experts.items()},
        "answers": found,
        "summary": {name: _summary(answers) for name, answers in found.items()},
        "units": units.account,
    }


def _order(task: str, algorithm: str, side: str, seed: int, size: Size) -> Order:
    starts = tuple(range(FIRST_START + EPISODES * seed, FIRST_START + EPISODES * (seed + 1)))
    epochs = size.epochs_of(side, algorithm)
    return Order(task, algorithm, size.rounds, epochs, size.batch_size, seed, starts, side == "control")


def _run(side: str, order: Order) -> dict[str, object]:
    """One learning in a process of its own."""
    answer: dict[str, object] = run_side(*MODULES[side], order)
    scores = answer.pop("returns")
    return {**answer, "return": float(np.mean(np.array(scores, np.float64)))}


def _of_expert(name: str, seeds: Sequence[int]) -> Interval:
    """Mean return of the expert on the same starts."""
    task = TASKS[name]
    starts = [range(FIRST_START + EPISODES * seed, FIRST_START + EPISODES * (seed + 1)) for seed in seeds]
    return bootstrap_interval([float(np.mean(returns(task, task.expert, chosen))) for chosen in starts])


def _column(answers: Answers, side: str, key: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([answer[key] for answer in answers[side]], np.float64)


def _summary(answers: Answers) -> dict[str, object]:
    """Intervals over seeds."""
    keys = ("return", "learning_s", "frames", "samples")
    sides = [side for side in answers if answers[side]]
    ratio = asdict(
        bootstrap_interval(_column(answers, "imitation", "learning_s") / _column(answers, "ours", "learning_s"))
    )
    means = {side: {key: asdict(bootstrap_interval(_column(answers, side, key))) for key in keys} for side in sides}
    return {**means, "times_faster": ratio}


def _hold(bench: Bench, name: str, answers: Answers, expert: Interval) -> None:
    faster = bootstrap_interval(_column(answers, "imitation", "learning_s") / _column(answers, "ours", "learning_s"))
    bench.goal(f"peer: {name}: times faster, mean over seeds", faster.value, ">=", GOAL)
    gain = bootstrap_interval(_column(answers, "ours", "return") - _column(answers, "imitation", "return"))
    bench.goal(f"peer: {name}: return above the peer's, upper bound", gain.high, ">=", 0.0)
    if answers["control"]:
        control = bootstrap_interval(_column(answers, "control", "return"))
        bench.goal(f"peer: {name}: the expert's return above the control's", expert.low - control.high, ">=", 200.0)


def _draw(found: Mapping[str, Answers], quick: bool) -> None:
    """Wall time on a logarithmic axis, and return, side by side."""
    seconds = {
        _on_two_lines(name): {side: _column(found[name], side, "learning_s") for side in LABELS} for name in found
    }
    scores = {_on_two_lines(name): {side: _column(found[name], side, "return") for side in LABELS} for name in found}
    figure, axes = new_axes(2, (11.0, 4.0))
    draw_bars(axes[0], LABELS, seconds, "wall time of learning (s)")
    axes[0].set_yscale("log")
    draw_bars(axes[1], LABELS, scores, "return of an episode")
    axes[1].legend(frameon=False)
    save(figure, "interactive.peer", quick=quick)


def _on_two_lines(name: str) -> str:
    """A task and an algorithm, so that neighbours do not run into each other."""
    return name.replace(", ", "\n")
