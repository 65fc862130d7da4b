"""What policies learn, one experiment after the other.

``python -m bench.policies [--quick] [--seeds N] [--only NAME] [--resume | --redraw]``
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.harness import Bench
from bench.policies import chunks, costs, keypoints, memory, modes, sampling
from bench.policies.memory_pictures import draw_memory
from bench.policies.modes_pictures import draw_rates
from bench.policies.recovery import recovery
from bench.policies.recovery_pictures import draw_autonomy
from bench.policies.sampling_pictures import draw_errors


@dataclass(frozen=True, slots=True)
class Experiment:
    """One of them.

    Attributes:
        claim: what it puts to the test, for ``--help``.
        run: holds its figures against its goals and returns them.
    """

    claim: str
    run: Callable[[Bench, bool], dict[str, object]]


EXPERIMENTS: dict[str, Experiment] = {
    "chunks": Experiment(
        "the arm grasps while 30 % of its frames are late, with and without chunks and ensembling",
        chunks.run,
    ),
    "costs": Experiment("milliseconds a tick: every head, drawn or not, and the encoders", costs.run),
    "keypoints": Experiment(
        "the arm grasps with keypoints and with a flattened image",
        keypoints.run,
    ),
    "memory": Experiment(
        "a sign seen early decides later, a velocity nobody reports: one frame, a stack, GRU, LSTM",
        memory.run,
    ),
    "modes": Experiment(
        "an obstacle passed on either side: regression averages, heads with a distribution do not",
        modes.run,
    ),
    "recovery": Experiment("the car is thrown off the centre: ALVINN's shifts, side and trail cameras, none", recovery),
    "sampling": Experiment(
        "a policy fed its own previous action, with and without scheduled sampling",
        sampling.run,
    ),
}
"""By name."""

DRAWN: dict[str, Callable[[Mapping[str, Any], Path], None]] = {
    "memory": draw_memory,
    "modes": draw_rates,
    "recovery": draw_autonomy,
    "sampling": draw_errors,
}
"""Experiments whose picture is drawn from their figures alone."""


def _options(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    claims = "\n".join(f"  {name:<10} {one.claim}" for name, one in EXPERIMENTS.items())
    parser.epilog = (
        f"experiments:\n{claims}\n\n"
        "All of them with five seeds learn and drive for hours on two cores; what each took stands in\n"
        "bench/results/policies.json as elapsed_s, beside its figures and goals. An experiment that is run by itself\n"
        "leaves the others' figures there. Pictures: bench/results/policies.NAME.png, more in runs/bench.\n"
        "Ends with one JSON line and exit code 0, or 1 where a goal was missed."
    )
    parser.add_argument("--only", choices=sorted(EXPERIMENTS), metavar="NAME", help="one experiment instead of all")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="chunks, keypoints, memory: take seeds that an ended run of the same code finished",
    )
    parser.add_argument(
        "--redraw", action="store_true", help=f"{', '.join(DRAWN)}: run nothing, draw the figures that are kept"
    )


def main() -> None:
    """Run the experiments, report."""
    bench = Bench("policies", "What policies learn on the simulators, with controls.", _options)
    if bench.options.redraw:
        _redraw(bench, [bench.options.only] if bench.options.only else sorted(DRAWN))
        return
    chosen = [bench.options.only] if bench.options.only else sorted(EXPERIMENTS)
    bench.finish({name: EXPERIMENTS[name].run(bench, bench.quick) for name in chosen}, in_parts=True)


def _redraw(bench: Bench, names: list[str]) -> None:
    kept = bench.kept()
    known = sorted(DRAWN.keys() & kept.keys())
    for name in names:
        if name not in known:
            sys.exit(f"{name} cannot be drawn again; what can, by its figures: {', '.join(known) or 'nothing'}")
        DRAWN[name](kept[name], bench.picture(name))
        print(bench.picture(name))


if __name__ == "__main__":
    main()
