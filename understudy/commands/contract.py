"""``understudy contract``: whether a robot contract is sound and what it means, and one of a robot that runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from understudy.commands.contract_draft import draft
from understudy.console import Console

if TYPE_CHECKING:
    from models.contract import Memory
    from understudy.contracts.check import ContractSummary, StreamSummary

__all__ = ["app"]

app = typer.Typer()


app.command("draft")(draft)


@app.callback(short_help="Robot contracts: draft, check.")
def _group() -> None:
    """Robot contracts: which topics a policy sees and commands, how fast, within which limits."""


@app.command("check")
def check(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The contract, a YAML file; a rosetta contract loads unchanged.")],
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when there are warnings too.")] = False,
) -> int:
    """Read a contract and show its streams, limits and warnings. Needs no robot and no ROS.

    Exits with 0 when it is sound, with 3 when it is not.
    """
    from models.contract import load_contract
    from understudy.contracts.check import describe

    console: Console = context.obj
    summary = describe(load_contract(file))
    console.result({"ok": True, "file": file, **asdict(summary)}, _page(file, summary))
    return 1 if strict and summary.warnings else 0


def _page(file: Path, summary: ContractSummary) -> Any:
    from rich.console import Group
    from rich.text import Text

    heading = Text(f"{file}: {summary.robot_type}, {summary.fps:g} Hz (a tick every {summary.period_s * 1000:g} ms)")
    heading.stylize("bold")
    memory = summary.memory
    lines = [
        Text(f"memory: {_remembered(memory)}; forgotten after a gap of {memory.reset_gap_s:g} s"),
        Text(f"hash:   {summary.hash}"),
    ]
    warnings = [Text(f"warning: {warning}", style="yellow") for warning in summary.warnings]
    verdict = (
        Text("sound; it can be recorded with and deployed", style="green")
        if summary.deployable
        else Text("sound; it can be recorded with, but not deployed before it has limits", style="yellow")
    )
    limits = [_limits(summary)] if summary.limits else []
    if any(None in stream.shape for stream in summary.streams):
        lines.insert(0, Text("channels: as the camera sends them"))
    return Group(heading, _streams(summary), *limits, *lines, *warnings, verdict)


def _remembered(memory: Memory) -> str:
    frames = "1 frame"
    if memory.frames > 1:
        frames = f"{memory.frames} frames, {memory.stride} tick{'s' if memory.stride > 1 else ''} apart"
    return f"{frames}, and a hidden state" if memory.recurrent else frames


def _streams(summary: ContractSummary) -> Any:
    from rich.table import Table

    table = Table("stream", "shape", "topic", "align", "max age", box=None, padding=(0, 2, 0, 0))
    for stream in summary.streams:
        for index, source in enumerate(stream.sources):
            age = "-" if source.max_age_s is None else f"{source.max_age_s * 1000:g} ms"
            first = (_name(stream), _shape(stream)) if index == 0 else ("", "")
            table.add_row(*first, f"{source.topic}\n{source.type}", source.align, age)
    return table


def _name(stream: StreamSummary) -> str:
    return f"{stream.key}\n(starts a tick)" if stream.is_trigger else stream.key


def _shape(stream: StreamSummary) -> str:
    stacked = f"{stream.stacked} frames of " if stream.stacked > 1 else ""
    if len(stream.shape) == 1:
        count = stream.shape[0]
        return f"{stacked}{count} number{'' if count == 1 else 's'}, {stream.dtype}"
    height, width = stream.shape[:2]
    if height is None or width is None:
        return f"{stacked}pixels of any size, {stream.dtype}"
    return f"{stacked}{height}x{width} pixels, {stream.dtype}"


def _limits(summary: ContractSummary) -> Any:
    from rich.table import Table

    from models.contract import rate_unit

    table = Table("action", "minimum", "maximum", "rate", "stop", "unit", box=None, padding=(0, 2, 0, 0))
    for limit in summary.limits:
        rate = f"{limit.rate:g} {rate_unit(limit.unit)}"
        numbers = (f"{limit.minimum:g}", f"{limit.maximum:g}", rate, f"{limit.stop:g}")
        table.add_row(limit.name, *numbers, limit.unit)
    return table
