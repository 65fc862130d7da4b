"""How fast Understudy clones behaviour, beside `imitation` 1.0.1, at equal return.

``python -m bench.train [--quick] [--seeds 5] [--keep FOLDER]``; needs ``make peers``. ``--keep`` lets a run be ended at
any moment and go on: the trainings of a seed are kept.

Demonstrations of CartPole-v1 by a regulator that always reaches 500 are made here, and both libraries learn from the
same ones: two layers of 32 units, lessons of 32 frames, equally many epochs, one thread each, learning rates their own.
Every training is a process of its own, and they take turns, so that whatever else the machine does slows both. *Ours*
is the learner of ``understudy train``, whole: reading frames, recording its step, an episode held out, the best epoch.
*Imitation* is ``BC(...)`` and ``train(n_epochs=...)``, with neither progress bar nor log for the ratio, and as its
documentation calls it beside that. What either loads when it first trains is in the time to the first policy, and not
in the speed. Beside the ratio of speeds stands that of processor times, which says the same on a machine that does
other work, too. Return is the mean of 20 episodes from starts that nobody demonstrated, the same for both.

Negative control: an expert that always pushes to the right. (Actions dealt to other observations are no control here:
they teach some direction or other, and CartPole is so easy that about one in two keeps the pole up.)
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.harness import Bench, Interval, bootstrap_interval, median_interval
from bench.peers.running import PEER, peer_versions, require_peer, run_side
from bench.train import ours
from bench.train.cartpole import Demonstrations, demonstrate, save
from bench.train.order import Answer, Order
from bench.units import add_keep_option, kept_units
from models.errors import UnderstudyError

GOAL = 20.0
BATCH_SIZE = 32
#: Each library's default.
LEARNING_RATES = {"ours": 2e-3, "imitation": 1e-3}
EPISODES = 20
#: Starts of demonstrations are seeds from 0, those that a policy is scored on from here.
FIRST_START = 10_000
#: A pole that is always pushed to the same side falls within ten steps or so.
CONTROL_RETURN = 20.0


@dataclass(frozen=True)
class Size:
    """How much is demonstrated and learned.

    Attributes:
        demonstrations: episodes of 500 frames.
        epochs: of every training.
        default_epochs: of those with as many threads as torch chooses; 0 for none.
        goal: least ratio of speeds.
    """

    demonstrations: int = 20
    epochs: int = 10
    default_epochs: int = 2
    goal: float = GOAL


#: Recording a step takes as long as learning does here, and the policies are half-baked.
QUICK = Size(demonstrations=8, epochs=6, default_epochs=0, goal=5.0)


@dataclass(frozen=True)
class Round:
    """The trainings of one seed.

    Attributes:
        ours: before and behind the peer's.
        quiet: the peer's, without progress bar and log.
        documented: the peer's, as its documentation calls it.
        control: ours, of an expert that always does the same.
    """

    ours: tuple[Answer, Answer]
    quiet: Answer
    documented: Answer
    control: Answer

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Round:
        """Read ``dataclasses.asdict`` after a trip through JSON."""
        before, behind = (Answer(**one) for one in values["ours"])
        return cls((before, behind), *(Answer(**values[name]) for name in ("quiet", "documented", "control")))

    @property
    def our_speed(self) -> float:
        """Frames of both over the time of both."""
        return sum(one.samples for one in self.ours) / sum(one.training_s for one in self.ours)

    @property
    def processor_ratio(self) -> float:
        """Processor time of a frame of the quiet peer's over ours."""
        ours_s = sum(one.processor_s for one in self.ours) / sum(one.samples for one in self.ours)
        return self.quiet.processor_s / self.quiet.samples / ours_s


class Sides:
    """Runs either side's trainings.

    Args:
        folder: of the demonstrations.
        demonstrations: for both.
    """

    def __init__(self, folder: Path, demonstrations: Demonstrations) -> None:
        save(folder / "demonstrations.npz", demonstrations)
        ours.write(folder / "dataset", demonstrations)
        self._sides = {
            "ours": (sys.executable, "bench.train.ours", folder / "dataset"),
            "imitation": (str(PEER), "bench.train.imitation_side", folder / "demonstrations.npz"),
        }

    def run(self, side: str, seed: int, epochs: int, *, threads: int = 1, chatty: bool = False) -> Answer:
        """One training in a process of its own."""
        program, module, path = self._sides[side]
        order = Order(
            demonstrations=str(path),
            epochs=epochs,
            batch_size=BATCH_SIZE,
            learning_rate=LEARNING_RATES[side],
            seed=seed,
            threads=threads,
            starts=tuple(range(FIRST_START + EPISODES * seed, FIRST_START + EPISODES * (seed + 1))),
            started_s=time.monotonic(),
            chatty=chatty,
        )
        answer = Answer(**run_side(program, module, order, threads=threads))
        words = f"{side}{', chatty' if chatty else ''}, seed {seed}, {answer.threads} thread(s)"
        score = f"{answer.samples_per_s:,.0f} samples/s, return {np.mean(answer.returns):.1f}"
        print(f"{words}: {score}, first policy after {answer.first_policy_s:.1f} s", file=sys.stderr, flush=True)
        return answer


def always_right(demonstrations: Demonstrations) -> Demonstrations:
    """The same observations, and one action for all of them."""
    return replace(demonstrations, actions=np.ones_like(demonstrations.actions))


def measure(bench: Bench, size: Size, seeds: Sequence[int]) -> dict[str, object]:
    """Learn in turns, and hold the figures against the goals."""
    demonstrations, units = demonstrate(range(size.demonstrations)), kept_units(bench, "train")
    with tempfile.TemporaryDirectory(prefix="understudy-train-") as name:
        folders = [Path(name) / part for part in ("expert", "control")]
        for folder in folders:
            folder.mkdir()
        sides, control = Sides(folders[0], demonstrations), Sides(folders[1], always_right(demonstrations))
        kept = [
            units.get(
                f"seed-{seed}", {**asdict(size), "seed": seed}, partial(_round, sides, control, seed, size.epochs)
            )
            for seed in seeds
        ]
        defaults: dict[str, object] = {}
        if size.default_epochs:
            defaults = units.get(
                "default-threads", asdict(size), partial(_with_default_threads, sides, size.default_epochs)
            )
    found = report(bench, size.goal, [Round.from_dict(one) for one in kept])
    return {
        "size": asdict(size),
        "frames": len(demonstrations),
        "batch_size": BATCH_SIZE,
        "learning_rates": LEARNING_RATES,
        "peer": peer_versions(),
        **found,
        "with_as_many_threads_as_torch_chooses": defaults,
        "rounds": kept,
        "units": units.account,
    }


def _round(sides: Sides, control: Sides, seed: int, epochs: int) -> dict[str, Any]:
    """Ours before and behind theirs: a machine that gets slower meanwhile slows one of ours as well."""
    before = sides.run("ours", seed, epochs)
    quiet = sides.run("imitation", seed, epochs)
    behind = sides.run("ours", seed, epochs)
    documented = sides.run("imitation", seed, epochs, chatty=True)
    return asdict(Round((before, behind), quiet, documented, control.run("ours", seed, epochs)))


def _with_default_threads(sides: Sides, epochs: int) -> dict[str, object]:
    answers = {side: sides.run(side, 0, epochs, threads=0) for side in ("ours", "imitation")}
    return {side: {"threads": one.threads, "samples_per_s": one.samples_per_s} for side, one in answers.items()}


def report(bench: Bench, goal: float, rounds: Sequence[Round]) -> dict[str, object]:
    """Intervals over seeds, ratios seed by seed, and the goals."""
    answers = {
        "ours": [one.ours[0] for one in rounds],
        "imitation": [one.quiet for one in rounds],
        "imitation, documented": [one.documented for one in rounds],
        "control": [one.control for one in rounds],
    }
    speeds = {name: [answer.samples_per_s for answer in found] for name, found in answers.items()}
    speeds["ours"] = [one.our_speed for one in rounds]
    ratios = {
        name: bootstrap_interval(np.array(speeds["ours"]) / np.array(speeds[name]), np.median)
        for name in ("imitation", "imitation, documented")
    }
    scores = {
        name: bootstrap_interval([float(np.mean(answer.returns)) for answer in found])
        for name, found in answers.items()
    }
    first = {name: median_interval([answer.first_policy_s for answer in found]) for name, found in answers.items()}
    bench.goal(
        "samples/s, ours over imitation without its log, median over seeds", ratios["imitation"].value, ">=", goal
    )
    bench.goal("return not below imitation's: 1 if intervals overlap or ours is above", is_equal(scores), ">=", 1.0)
    bench.goal("return of the control, upper bound", scores["control"].high, "<=", CONTROL_RETURN)
    return {
        "samples_per_s": {name: asdict(median_interval(values)) for name, values in speeds.items()},
        "ratio": {name: asdict(ratio) for name, ratio in ratios.items()},
        "ratio_of_processor_time": asdict(median_interval([one.processor_ratio for one in rounds])),
        "return": {name: asdict(score) for name, score in scores.items()},
        "first_policy_s": {name: asdict(value) for name, value in first.items() if name != "control"},
        "weights": {name: found[0].weights for name, found in answers.items()},
        "threads": {name: found[0].threads for name, found in answers.items()},
    }


def is_equal(scores: dict[str, Interval]) -> float:
    """1 where our return is not below the peer's as far as the intervals tell, else 0."""
    return float(scores["ours"].high >= scores["imitation"].low)


def main() -> None:
    """Run it."""
    bench = Bench("train", "How fast a policy is cloned, beside imitation 1.0.1, at equal return.", add_keep_option)
    size = QUICK if bench.quick else Size()
    try:
        require_peer()
        results = measure(bench, size, bench.chosen_seeds())
    except UnderstudyError as error:
        sys.exit(str(error))
    bench.finish(results)


if __name__ == "__main__":
    main()
