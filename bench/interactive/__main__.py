"""Interactive learning, one experiment after the other.

``python -m bench.interactive [--quick] [--seeds N] [--only NAME] [--keep FOLDER]``; with ``--only`` the result file is
of that name. ``--keep`` lets a run be ended at any moment and go on: what one algorithm did with one seed is kept.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from bench.harness import Bench
from bench.interactive.chain import chain
from bench.interactive.dart import dart
from bench.interactive.horizon import horizon
from bench.interactive.kart import kart
from bench.interactive.peer.experiment import peer
from bench.interactive.safe import safe
from bench.units import add_keep_option
from models.errors import UnderstudyError

EXPERIMENTS: dict[str, Callable[[Bench, bool], dict[str, object]]] = {
    "chain": chain,
    "dart": dart,
    "horizon": horizon,
    "kart": kart,
    "peer": peer,
    "safe": safe,
}
"""Name to what runs it: it holds its figures against its goals and returns them."""


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", choices=sorted(EXPERIMENTS), help="one experiment instead of all")
    add_keep_option(parser)


def main() -> None:
    """Run the experiments, report."""
    bench = Bench("interactive", "What asking the expert is worth, with controls.", _options)
    chosen = [bench.options.only] if bench.options.only else list(EXPERIMENTS)
    if bench.options.only:
        bench.name = f"{bench.name}.{bench.options.only}"
    try:
        results: dict[str, object] = {name: EXPERIMENTS[name](bench, bench.quick) for name in chosen}
    except UnderstudyError as error:
        sys.exit(str(error))
    bench.finish(results)


if __name__ == "__main__":
    main()
