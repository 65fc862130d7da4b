"""What policies learn, one experiment after the other.

``python -m bench.policies [--quick] [--seeds N] [--only NAME] [--resume | --redraw]``
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.harness import Bench
from bench.policies import chunks, keypoints, memory, modes, sampling
from bench.policies.memory_pictures import draw_memory
from bench.policies.modes_pictures import draw_rates
from bench.policies.recovery import recovery
from bench.policies.sampling_pictures import draw_errors

EXPERIMENTS: dict[str, Callable[[Bench, bool], dict[str, object]]] = {
    "chunks": chunks.run,
    "keypoints": keypoints.run,
    "memory": memory.run,
    "modes": modes.run,
    "recovery": recovery,
    "sampling": sampling.run,
}
"""Name to what runs it: it holds its figures against its goals and returns them."""

DRAWN: dict[str, Callable[[Mapping[str, Any], Path], None]] = {
    "memory": draw_memory,
    "modes": draw_rates,
    "sampling": draw_errors,
}
"""Experiments whose picture is drawn from their figures alone."""


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", choices=sorted(EXPERIMENTS), help="one experiment instead of all")
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
    bench.finish({name: EXPERIMENTS[name](bench, bench.quick) for name in chosen}, in_parts=True)


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
