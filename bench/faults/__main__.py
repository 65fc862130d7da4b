"""Every fault of the table, injected into running nodes, in each mode: what they did, and how fast the expert had it.

``python -m bench.faults [--quick] [--injections 1000] [--only gate|stack] [--table docs/faults.md]``

Gate-level faults are injected in seeded random order into a gate at 100 Hz, with the policy driving (so many of each),
and a tenth of it with the expert driving and with a recorder beside it; what halts, or takes long, is done a tenth as
often. A run of the same length without any fault shows what the machine alone does.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.faults.gate_modes import Control, GateRun, run_control, run_gate_faults
from bench.faults.rows import COLUMNS, EXPERT, POLICY, Row, cells, in_order, markdown
from bench.harness import Bench

#: The table is between these two lines of the page.
BEGIN, END = "<!-- begin: python -m bench.faults --table -->", "<!-- end -->"


def gate_goals(bench: Bench, runs: dict[str, GateRun], control: Control, injections: int) -> None:
    """What must hold of the gate-level faults."""
    rows = [row for run in runs.values() for row in run.rows]
    handed = [row for row in rows if row.expected == "E" and row.mode != EXPERT]
    bench.goal("gate: ticks to hand over, most", max(max(row.handover_ticks, default=99) for row in handed), "<=", 1)
    often = min(sum(row.injections for row in handed if row.fault == fault) for fault in {row.fault for row in handed})
    bench.goal("gate: injections of each E fault, fewest", often, ">=", injections // 10)
    plain = [row.injections for row in handed if row.mode == POLICY]
    bench.goal("gate: E faults with all injections", sum(n >= injections for n in plain), ">=", 15)
    for name, check in [(mode, run.check) for mode, run in runs.items()] + [("no fault", control.check)]:
        bench.goal(f"{name}: commands not finite, out of limits or too fast", check.bad, "==", 0)
    bench.goal("no fault: hand-overs that were not the machine's doing", control.unexplained, "==", 0)


def results(rows: Sequence[Row], runs: dict[str, GateRun], control: Control | None) -> dict[str, object]:
    """For the JSON."""
    found: dict[str, object] = {"rows": [row.summary() for row in in_order(rows)]}
    found["gate"] = {
        name: {"ticks": run.ticks, "commands": asdict(run.check), "counters": dict(run.counters)}
        for name, run in runs.items()
    }
    if control is not None:
        found["no_fault"] = {
            "ticks": control.ticks,
            "handovers": control.handovers,
            "rig_late": control.rig_late,
            "gate_late": control.gate_late,
            "unexplained": control.unexplained,
            "commands": asdict(control.check),
            "counters": dict(control.counters),
        }
    return found


def show(rows: Sequence[Row]) -> None:
    """The table for a person, on stderr."""
    table = Table(title="Faults")
    for column in COLUMNS:
        table.add_column(column, justify="right" if column in ("#", "injections") else "left")
    for row in in_order(rows):
        table.add_row(*(cell.replace("`", "").replace("**", "") for cell in cells(row)))
    Console(stderr=True, width=200).print(table)


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """The table as Markdown: between the two marks of the page if it has them, otherwise as the whole file."""
    table = markdown(rows)
    page = path.read_text() if path.exists() else ""
    if BEGIN in page and END in page:
        head, rest = page.split(BEGIN, 1)
        table = f"{head}{BEGIN}\n\n{table}\n{END}{rest.split(END, 1)[1]}"
    path.write_text(table)


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--injections", type=int, default=1000, help="of each gate-level fault (default: 1000)")
    parser.add_argument("--only", choices=("gate", "stack"), help="only the gate's part, or only the others'")
    parser.add_argument("--table", type=Path, help="write the table as Markdown, into this page")


def main() -> None:
    bench = Bench("faults", __doc__.splitlines()[0], _configure)
    injections = 20 if bench.quick else bench.options.injections
    rows: list[Row] = []
    runs: dict[str, GateRun] = {}
    control: Control | None = None
    with tempfile.TemporaryDirectory(prefix="understudy-faults-") as folder:
        if bench.options.only != "stack":
            runs = run_gate_faults(injections, Path(folder, "gate"))
            rows += [row for run in runs.values() for row in run.rows]
            control = run_control(500 if bench.quick else runs[POLICY].ticks, Path(folder, "control"))
            gate_goals(bench, runs, control, injections)
        if bench.options.only != "gate":
            from bench.faults.stack import run_stack_faults  # torch, and minutes: only where it is wanted

            rows += run_stack_faults(bench.quick, injections, Path(folder, "stack"))
    show(rows)
    failed = [row for row in rows if not row.passed]
    bench.goal("faults that did not end as they should", len(failed), "==", 0)
    if bench.options.table is not None:
        write_table(bench.options.table, rows)
    bench.finish(results(rows, runs, control))


if __name__ == "__main__":
    main()
