"""Interactive learning, one experiment after the other.

``python -m bench.interactive [--quick] [--seeds N] [--only NAME]``; with ``--only`` the result file is of that name.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from bench.harness import Bench
from bench.interactive.chain import chain
from bench.interactive.horizon import horizon
from bench.interactive.kart import kart
from bench.interactive.safe import safe

EXPERIMENTS: dict[str, Callable[[Bench, bool], dict[str, object]]] = {
    "chain": chain,
    "horizon": horizon,
    "kart": kart,
    "safe": safe,
}
"""Name to what runs it: it holds its figures against its goals and returns them."""


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", choices=sorted(EXPERIMENTS), help="one experiment instead of all")


def main() -> None:
    """Run the experiments, report."""
    bench = Bench("interactive", "What asking the expert is worth, with controls.", _options)
    chosen = [bench.options.only] if bench.options.only else list(EXPERIMENTS)
    if bench.options.only:
        bench.name = f"{bench.name}.{bench.options.only}"
    bench.finish({name: EXPERIMENTS[name](bench, bench.quick) for name in chosen})


if __name__ == "__main__":
    main()
