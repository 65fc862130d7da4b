"""What learners of rewards find, one experiment after the other.

``python -m bench.rewards [--quick] [--seeds N] [--only NAME] [--keep FOLDER]``; ``--only control`` runs every
``control.…``. What is not run keeps its figures; ``--keep`` keeps the trainings of learned rewards.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace

from bench.harness import Bench
from bench.rewards.control.experiment import PARTS
from bench.rewards.driving import DRIVING_PARTS
from bench.rewards.tabular.experiment import tabular
from bench.units import add_keep_option
from models.errors import UnderstudyError

EXPERIMENTS: dict[str, Callable[[Bench, bool], dict[str, object]]] = {
    **PARTS,
    **DRIVING_PARTS,
    "tabular": tabular,
}
"""Name to what runs it: it holds its figures against its goals and returns them."""

GROUPS = {name.rpartition(".")[0] for name in EXPERIMENTS} - {""}


def _options(parser: argparse.ArgumentParser) -> None:
    choices = sorted({*EXPERIMENTS, *GROUPS})
    parser.add_argument("--only", choices=choices, help="one experiment, or one group of them, instead of all")
    add_keep_option(parser)


def main() -> None:
    """Run the experiments, report."""
    bench = Bench("rewards", "What learners of rewards find, with controls.", _options)
    only = bench.options.only
    results: dict[str, object] = {}
    for name, experiment in EXPERIMENTS.items():
        if only is not None and not f"{name}.".startswith(f"{only}."):
            continue
        before, started = len(bench.goals), time.monotonic()
        try:
            results[name] = experiment(bench, bench.quick)
        except UnderstudyError as error:
            sys.exit(str(error))
        bench.goals[before:] = [replace(goal, name=f"{name}: {goal.name}") for goal in bench.goals[before:]]
        print(f"  {name}: done in {time.monotonic() - started:.1f} s", file=sys.stderr)
    bench.finish(results, in_parts=True)


if __name__ == "__main__":
    main()
