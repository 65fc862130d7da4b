"""``understudy report``: one HTML page of a run."""

from __future__ import annotations

from typing import Annotated

import typer

from understudy.commands.options import DEFAULT_WORKSPACE, ContractOption, WorkspaceOption
from understudy.console import Console

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report", short_help="Write one HTML page of a run.")(report)


def report(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    title: Annotated[str, typer.Option(help="Heading of the page.", show_default="the workspace's name")] = "",
    contract: ContractOption = None,
) -> int:
    """Score the recorded deployment and write report.html: one file, to open in any browser, online or not."""
    from understudy.report import Goals
    from understudy.stages import Stages
    from understudy.workspace import Workspace

    console: Console = context.obj
    place = Workspace(workspace)
    stages = Stages(place, console, contract=contract)
    with place.locked():
        verdict = stages.evaluate(Goals())
        path = stages.report(verdict, title or place.path.resolve().name, f"understudy report --workspace {workspace}")
    console.result({**verdict.as_json(), "ok": True, "report": path}, f"{verdict.as_text()}\nreport: {path}")
    return 0
