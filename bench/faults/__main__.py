"""Every fault of the table, injected into running nodes, in each mode: what they did, and how fast the expert had it.

``python -m bench.faults [--quick] [--injections 1000] [--only PART] [--table docs/faults.md]``

Gate-level faults are injected in seeded random order into a gate at 100 Hz, with the policy driving (so many of each),
and a tenth of it with the expert driving and with a recorder beside it; what halts, or takes long, is done a tenth as
often. A run of the same length without any fault shows what the machine alone does. All of it takes an hour, of a
machine that does nothing else; with ``--only`` the results keep what earlier runs found of the other parts, and so does
the table.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.faults.gate_modes import run_control, run_gate_faults
from bench.faults.rows import COLUMNS, EXPERT, POLICY, RECORDING, Row, cells, in_order, markdown
from bench.harness import Bench

#: The table is between these two lines of the page.
BEGIN, END = "<!-- begin: python -m bench.faults --table -->", "<!-- end -->"
#: Ticks of the run without faults for each injection, where that of the policy's mode has not been counted.
TICKS_PER_INJECTION = 110


def gate_faults(mode: str, bench: Bench, injections: int, folder: Path) -> dict[str, Any]:
    """The faults that reach the gate, in one mode."""
    runs = run_gate_faults(mode, injections, folder)
    rows = [row for run in runs.values() for row in run.rows]
    if mode != EXPERT:
        _hold_handovers(bench, [row for row in rows if row.expected == "E"], mode, injections)
    for clock, run in runs.items():
        bench.goal(f"{clock}: commands not finite, out of limits or too fast", run.check.bad, "==", 0)
    _hold_rows(bench, rows)
    told = {clock: {"commands": asdict(run.check), "counters": dict(run.counters)} for clock, run in runs.items()}
    return {"rows": [row.summary() for row in rows], "ticks": runs["system time"].ticks, **told}


def _hold_handovers(bench: Bench, handed: Sequence[Row], mode: str, injections: int) -> None:
    bench.goal("ticks to hand over, most", max(max(row.handover_ticks, default=99) for row in handed), "<=", 1)
    if mode == POLICY:
        bench.goal("injections of each E fault, fewest", min(row.injections for row in handed), ">=", injections // 10)
        often = sum(row.injections >= injections for row in handed)
        bench.goal("E faults with all injections", often, ">=", 15)


def control(bench: Bench, injections: int, folder: Path) -> dict[str, Any]:
    """As many ticks as the policy's mode took, without any fault."""
    ticks = bench.kept().get(POLICY, {}).get("ticks", TICKS_PER_INJECTION * injections)
    found = run_control(500 if bench.quick else ticks, folder)
    bench.goal("commands not finite, out of limits or too fast", found.check.bad, "==", 0)
    bench.goal("hand-overs that were not the machine's doing", found.unexplained, "==", 0)
    told = asdict(found)
    commands, counters = told.pop("check"), told.pop("counters")
    return {"rows": [], **told, "unexplained": found.unexplained, "commands": commands, "counters": dict(counters)}


def stack_faults(bench: Bench, injections: int, folder: Path) -> dict[str, Any]:
    """The faults of processes, sensors and data."""
    from bench.faults.stack import run_stack_faults  # torch, and minutes: only where it is wanted

    rows = run_stack_faults(bench.quick, injections, folder)
    _hold_rows(bench, rows)
    return {"rows": [row.summary() for row in rows]}


def _hold_rows(bench: Bench, rows: Sequence[Row]) -> None:
    bench.goal("faults that did not end as they should", sum(not row.passed for row in rows), "==", 0)


GATE, CONTROL, STACK = "gate", "no fault", "stack"
PARTS: Mapping[str, Callable[[Bench, int, Path], dict[str, Any]]] = {
    **{mode: partial(gate_faults, mode) for mode in (POLICY, EXPERT, RECORDING)},
    CONTROL: control,
    STACK: stack_faults,
}
"""Name to what runs it and holds it against its goals."""


def show(rows: Sequence[Mapping[str, Any]]) -> None:
    """The table for a person, on stderr."""
    table = Table(title="Faults")
    for column in COLUMNS:
        table.add_column(column, justify="right" if column in ("#", "injections") else "left")
    for row in in_order(rows):
        table.add_row(*(cell.replace("`", "").replace("**", "") for cell in cells(row)))
    Console(stderr=True, width=200).print(table)


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """The table as Markdown: between the two marks of the page if it has them, otherwise as the whole file."""
    table = markdown(rows)
    page = path.read_text() if path.exists() else ""
    if BEGIN in page and END in page:
        head, rest = page.split(BEGIN, 1)
        table = f"{head}{BEGIN}\n\n{table}\n{END}{rest.split(END, 1)[1]}"
    path.write_text(table)


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--injections", type=int, default=1000, help="of each gate-level fault (default: 1000)")
    parser.add_argument("--only", choices=(GATE, *PARTS), help="one part, or all but the last, instead of all")
    parser.add_argument("--table", type=Path, help="write the table as Markdown, into this page")


def main() -> None:
    bench = Bench("faults", __doc__.splitlines()[0], _configure)
    injections, only = 20 if bench.quick else bench.options.injections, bench.options.only
    chosen = [name for name in PARTS if only in (None, name) or (only == GATE and name != STACK)]
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="understudy-faults-") as folder:
        for name in chosen:
            before = len(bench.goals)
            results[name] = PARTS[name](bench, injections, Path(folder, name.replace(" ", "-")))
            bench.goals[before:] = [replace(goal, name=f"{name}: {goal.name}") for goal in bench.goals[before:]]
            print(f"{name}: done", file=sys.stderr, flush=True)
    show([row for found in results.values() for row in found["rows"]])
    if bench.options.table is not None:
        known = bench.kept() | results
        write_table(bench.options.table, [row for found in known.values() for row in found["rows"]])
    bench.finish(results, in_parts=True)


if __name__ == "__main__":
    main()
