"""Whether the gate's logic keeps its word, and whether its tests would notice if it did not.

``python -m bench.gate [--quick]``

*Fuzz*: a million random lives of a gate, on three contracts, watched by a checker that shares no code with it; then the
same checker over gates with one rule taken out each, which it has to find. *Coverage*: the branches of the gate's logic
that its plain tests take. *Mutation*: each small change to that logic has to fail a test, or stand with its explanation
in ``bench/gate/equivalent_mutants.txt``. *Time*: one decision, beside a bare ``numpy.clip`` of the same vector.

Everything here is plain logic: no ROS graph, no robot.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track as show_progress

from bench.gate.mutation import Mutant, find_mutants, run_mutants
from bench.gate.shares import Share, decision_times, fuzz_share
from bench.harness import Bench

REPOSITORY = Path(__file__).parents[2]
EQUIVALENT = Path(__file__).parent / "equivalent_mutants.txt"
#: Each module of the gate's logic, and the tests that know it best.
MODULES = {
    "gate": ("gate_halt", "trust"),
    "trust": ("trust", "gate_silence"),
    "unsafe_monitor": ("trust",),
    "limiter": ("limiter", "gate_halt"),
    "pacing": ("pacing",),
    "decision": ("gate_reasons",),
    "status": ("gate_status",),
}
TESTS = ("trust", "gate_silence", "gate_halt", "limiter", "pacing", "gate_status", "gate_reasons", "gate")
#: Sequences that one process does at a time.
SHARE = 2_000
#: A fiftieth of a tick at 20 Hz; the rest of it belongs to policy and robot.
DECISION_P99_MS = 1.0


def run_fuzz(bench: Bench, sequences: int, console: Console) -> dict[str, object]:
    """Every contract and every broken gate, on two processes."""
    from bench.gate.broken_gates import BROKEN_GATES
    from bench.gate.fuzz import RULES, contracts

    names = list(contracts())
    each = -(-sequences // len(names))
    shares: list[Share] = [
        (name, min(SHARE, each - done), 1_000 * index + done // SHARE, "")
        for index, name in enumerate(names)
        for done in range(0, each, SHARE)
    ]
    shares += [(name, 500, 7, missing) for missing in BROKEN_GATES for name in names]
    totals: dict[tuple[str, str], Any] = {}
    # Spawned: this process must not load the gate before its mutants do.
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        outcomes: Iterable[tuple[Share, Any]] = pool.imap_unordered(fuzz_share, shares)
        for (name, _, _, missing), report in show_progress(
            outcomes, "fuzz", len(shares), console=console, transient=True
        ):
            if (missing, name) in totals:
                totals[missing, name].add(report)
            else:
                totals[missing, name] = report
    found = {rule: sum(totals["", name].broken[rule] for name in names) for rule in RULES}
    for rule, count in found.items():
        bench.goal(f"fuzz: {rule}", count, "==", 0)
    done = sum(totals["", name].sequences for name in names)
    bench.goal("fuzz: sequences", done, ">=", each * len(names))
    noticed = {}
    for missing, (rule, _) in BROKEN_GATES.items():
        noticed[missing] = sum(totals[missing, name].broken[rule] for name in names)
        bench.goal(f"fuzz of a gate without {missing}: {rule}", noticed[missing], ">=", 1)
    words = [totals["", name].first for name in names if totals["", name].first]
    return {
        "sequences": done,
        "broken": found,
        "first": words,
        "noticed_in_broken_gates": noticed,
        "contracts": {
            name: {
                "ticks": totals["", name].ticks,
                "drivers": {str(key): value for key, value in sorted(totals["", name].drivers.items())},
                "reasons": len(totals["", name].reasons),
                "stops_checked": totals["", name].stops,
            }
            for name in names
        },
    }


def measure_coverage(bench: Bench) -> dict[str, object]:
    """Branches of the gate's logic that its plain tests take."""
    with tempfile.TemporaryDirectory() as folder:
        data, report = Path(folder) / "data", Path(folder) / "report.json"
        tool = [sys.executable, "-m", "coverage"]
        include = ",".join(f"il_nodes/gate/{name}.py" for name in MODULES)
        tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts=", "--noconftest", *_paths(TESTS)]
        run = [*tool, "run", "--branch", f"--include={include}", f"--data-file={data}", *tests]
        subprocess.run(run, cwd=REPOSITORY, check=True, stdout=sys.stderr)
        export = [*tool, "json", f"--data-file={data}", "-o", str(report), "-q"]
        subprocess.run(export, cwd=REPOSITORY, check=True, stdout=sys.stderr)
        totals = json.loads(report.read_text())["totals"]
    taken, branches = totals["covered_branches"], totals["num_branches"]
    missed = branches - taken + totals["missing_lines"]
    bench.goal("coverage: branches and lines that no test takes", missed, "==", 0)
    return {"branches": branches, "covered_branches": taken, "lines": totals["num_statements"], "missed": missed}


def read_equivalents(path: Path) -> dict[str, str]:
    """Key of a mutant to why nobody can notice it."""
    found = {}
    for line in path.read_text().splitlines():
        key, separator, reason = line.partition(" :: ")
        if separator and not line.startswith("#"):
            found[key.strip()] = reason.strip()
    return found


def _paths(tests: Iterable[str]) -> list[str]:
    return [f"tests/test_{name}.py" for name in tests]


def run_mutation(bench: Bench, sample: int | None, console: Console) -> dict[str, object]:
    """All mutants, or a sample of them."""
    every: list[Mutant] = []
    for name in MODULES:
        every += find_mutants(REPOSITORY / "il_nodes" / "gate" / f"{name}.py", f"il_nodes.gate.{name}")
    equivalents = read_equivalents(EQUIVALENT)
    unknown = sorted(set(equivalents) - {mutant.key for mutant in every})
    chosen = every if sample is None else random.Random(0).sample(every, sample)
    _load_what_mutants_share()
    begun_s = time.monotonic()
    with console.status("mutants") as status:
        outcomes = run_mutants(
            chosen,
            {
                f"il_nodes.gate.{name}": (_paths(best), _paths(test for test in TESTS if test not in best))
                for name, best in MODULES.items()
            },
            on_outcome=lambda one: status.update(f"mutants: {one.mutant.key[:80]}"),
        )
    alive = [outcome.mutant.key for outcome in outcomes if not outcome.killed]
    unexplained = sorted(set(alive) - set(equivalents))
    for key in unexplained:
        print(f"survived: {key}", file=sys.stderr)
    # An explanation of what is not there, or of what a test does notice, is a wrong one.
    stale = sorted({outcome.mutant.key for outcome in outcomes if outcome.killed} & set(equivalents)) + unknown
    for key in stale:
        print(f"explained, but not alive: {key}", file=sys.stderr)
    bench.goal("mutation: survivors without an explanation", len(unexplained), "==", 0)
    bench.goal("mutation: explanations of what does not survive", len(stale), "==", 0)
    return {
        "mutants": len(every),
        "tried": len(chosen),
        "killed": len(chosen) - len(alive),
        "killed_by_never_ending": sum(outcome.timed_out for outcome in outcomes),
        "equivalent": len(set(alive) & set(equivalents)),
        "unexplained": unexplained,
        "stale": stale,
        "elapsed_s": round(time.monotonic() - begun_s, 1),
    }


def _load_what_mutants_share() -> None:
    """Everything slow that the tests import, except what is mutated; children are forked with it."""
    from importlib import import_module

    from models.contract import load_contract

    for name in ("pytest", "hypothesis.strategies", "il_nodes.codecs", "il_nodes.ros.diagnostics"):
        import_module(name)
    # Fills the cache of message definitions too.
    load_contract(REPOSITORY / "contracts" / "driving.yaml")


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--only", choices=("fuzz", "coverage", "mutation", "time"), help="one part, and no result file")


def main() -> None:
    """Measure, hold against the goals, report."""
    bench = Bench("gate", "Fuzzing, coverage and mutation testing of the gate's logic.", configure=_configure)
    console = Console(file=sys.stderr)
    only = bench.options.only
    results: dict[str, object] = {}
    if only in (None, "mutation"):
        # First, and before anything loads the gate into this process.
        results["mutation"] = run_mutation(bench, 60 if bench.quick else None, console)
    if only in (None, "coverage"):
        results["coverage"] = measure_coverage(bench)
    if only in (None, "time"):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            ours, bare = pool.map(decision_times, [0])[0]
        p50, p99 = (float(np.percentile(ours, percent)) * 1e3 for percent in (50, 99))
        clip = [float(np.percentile(bare, percent)) * 1e3 for percent in (50, 99)]
        bench.goal("decision, 99th percentile", p99, "<=", DECISION_P99_MS, "ms")
        results["decision_ms"] = {"p50": p50, "p99": p99, "numpy_clip_p50": clip[0], "numpy_clip_p99": clip[1]}
    if only in (None, "fuzz"):
        results["fuzz"] = run_fuzz(bench, 20_000 if bench.quick else 1_000_000, console)
    if only is not None:
        print(json.dumps(results, indent=2))
        sys.exit(any(not goal.met for goal in bench.goals))
    bench.finish(results)


if __name__ == "__main__":
    main()
