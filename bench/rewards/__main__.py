"""What learners of rewards find, one experiment after the other.

``python -m bench.rewards [--quick] [--seeds N] [--only NAME]``
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from bench.harness import Bench
from bench.rewards.tabular.experiment import tabular

EXPERIMENTS: dict[str, Callable[[Bench, bool], dict[str, object]]] = {"tabular": tabular}
"""Name to what runs it: it holds its figures against its goals and returns them."""


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", choices=sorted(EXPERIMENTS), help="one experiment instead of all")


def main() -> None:
    """Run the experiments, report."""
    bench = Bench("rewards", "What learners of rewards find, with controls.", _options)
    chosen = [bench.options.only] if bench.options.only else sorted(EXPERIMENTS)
    bench.finish({name: EXPERIMENTS[name](bench, bench.quick) for name in chosen})


if __name__ == "__main__":
    main()
