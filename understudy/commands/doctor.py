"""``understudy doctor``: look the machine over, or a robot against its contract."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from understudy.commands.options import NetworkOption, RobotDomainOption, SecondsOption
from understudy.console import Console, counted
from understudy.doctor.diagnosis import OK, PROBLEM, WARNING, Diagnosis

__all__ = ["add_to"]

_COLOURS = {OK: "green", WARNING: "yellow", PROBLEM: "red"}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", short_help="Look this machine over, or a robot; say how to mend what is wrong.")(doctor)


def doctor(
    context: typer.Context,
    contract: Annotated[
        Path | None,
        typer.Option(help="Listen to the running robot of this contract (YAML) instead, and check every stream."),
    ] = None,
    seconds: SecondsOption = 5.0,
    domain: RobotDomainOption = None,
    network: NetworkOption = False,
    workspace: Annotated[
        Path, typer.Option("--workspace", "-w", help="Where runs will be written: its disk is checked.")
    ] = Path("runs"),
    fix: Annotated[bool, typer.Option("--fix", help="Remove Fast DDS shared memory that dead processes left.")] = False,
) -> int:
    """Check Python, packages, ROS 2, shared memory, disk and inference, and say how to mend what is wrong.

    Takes about five seconds. With --contract: whether the robot that runs is as its contract says, stream by stream.
    Exits with 0 when nothing is broken (warnings are allowed), with 1 otherwise.
    """
    console: Console = context.obj
    if contract is not None:
        from understudy.contracts.surveys import shell_domain
        from understudy.doctor.contract import examine_robot

        with console.progress("listening", seconds) as progress:
            place = shell_domain() if domain is None else domain
            diagnosis = examine_robot(contract, place, seconds, network=network, progress=progress)
    else:
        from understudy.doctor.diagnosis import Patient
        from understudy.doctor.examination import examine

        patient = Patient(workspace=workspace, fix=fix)
        with console.progress("examining") as progress:
            diagnosis = examine(patient, on_check=lambda done, total, group: progress.update(done, total, group))
    rows = [asdict(row) for row in diagnosis.rows]
    counts = {level: diagnosis.count(level) for level in (OK, WARNING, PROBLEM)}
    console.result({"ok": diagnosis.healthy, "counts": counts, "rows": rows}, _table(diagnosis))
    return 0 if diagnosis.healthy else 1


def _table(diagnosis: Diagnosis) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    # One width for the checks of all groups; a heading, which may be a long topic, must not widen it.
    width = max((len(row.check) for row in diagnosis.rows), default=0)
    parts: list[Any] = []
    group = ""
    for row in diagnosis.rows:
        if row.group != group:
            group = row.group
            table = Table(show_header=False, box=None, padding=(0, 1))
            table.add_column(min_width=len(PROBLEM))
            table.add_column(min_width=width)
            table.add_column()
            parts += [Text(f" {group}", style="bold"), table]
        table.add_row(Text(row.level, style=_COLOURS[row.level]), row.check, Text(row.found))
        if row.mend:
            table.add_row("", "", Text(f"-> {row.mend}", style="italic"))
    problems, warnings = diagnosis.count(PROBLEM), diagnosis.count(WARNING)
    words = f"{counted(problems, 'problem')}, {counted(warnings, 'warning')}"
    return Group(*parts, Text(words, style="red" if problems else "green"))
