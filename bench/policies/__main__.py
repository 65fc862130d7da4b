"""What policies learn, one experiment after the other.

``python -m bench.policies [--quick] [--seeds N] [--only NAME] [--resume]``
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from bench.harness import Bench
from bench.policies import chunks, keypoints, memory, modes, sampling
from bench.policies.recovery import recovery

EXPERIMENTS: dict[str, Callable[[Bench, bool], dict[str, object]]] = {
    "chunks": lambda bench, quick: chunks.run(bench, bench.seeds[:1] if quick else bench.seeds, quick),
    "keypoints": lambda bench, quick: keypoints.run(bench, bench.seeds[:1] if quick else bench.seeds, quick),
    "memory": lambda bench, quick: memory.run(bench, bench.seeds[:1] if quick else bench.seeds, quick),
    "modes": lambda bench, quick: modes.run(bench, bench.seeds[:1] if quick else bench.seeds, quick),
    "recovery": recovery,
    "sampling": lambda bench, quick: sampling.run(bench, bench.seeds[:1] if quick else bench.seeds, quick),
}
"""Name to what runs it: it holds its figures against its goals and returns them."""


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", choices=sorted(EXPERIMENTS), help="one experiment instead of all")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="chunks, keypoints: take seeds that an ended run of the same code finished",
    )


def main() -> None:
    """Run the experiments, report."""
    bench = Bench("policies", "What policies learn on the simulators, with controls.", _options)
    chosen = [bench.options.only] if bench.options.only else sorted(EXPERIMENTS)
    bench.finish({name: EXPERIMENTS[name](bench, bench.quick) for name in chosen}, in_parts=True)


if __name__ == "__main__":
    main()
